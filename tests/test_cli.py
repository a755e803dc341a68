import errno
import os
import tempfile

import pytest
from click.testing import CliRunner

from nsl_tfx import __version__
from nsl_tfx.cli import main


def invoke(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_names_the_commands():
    result = invoke("--help")
    assert result.exit_code == 0
    assert "demo" in result.output
    # Each in a whole sentence.
    assert "..." not in result.output.partition("Commands:")[2]


def test_version():
    assert __version__ in invoke("--version").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["demo", "--seed", "x"],
        ["demo", "--seed", "-1"],
        ["demo", "--seed", str(2**32)],
        ["demo", "--root", ""],
        ["demo", "--no-such-option"],
    ],
)
def test_a_wrong_call_exits_with_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "back\\slash"])
def test_a_root_that_tfx_would_take_for_a_pattern_is_rejected(tmp_path, name):
    result = invoke("demo", "--root", str(tmp_path / name))
    assert result.exit_code == 2
    assert "Choose another --root." in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_root_below_a_folder_that_looks_like_a_pattern_is_rejected(tmp_path, monkeypatch):
    (tmp_path / "[x]").mkdir()
    monkeypatch.chdir(tmp_path / "[x]")
    assert invoke("demo", "--root", "plain").exit_code == 2


@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
def test_a_folder_that_cannot_be_made_is_an_error_message(tmp_path, verbose):
    (tmp_path / "file").write_text("")
    result = invoke("demo", "--root", str(tmp_path / "file" / "below"), *verbose)
    assert result.exit_code == 2
    assert "Error: Expected a folder that can be written to." in result.output
    assert "Choose another --root." in result.output
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_written_to_is_an_error_message(tmp_path, monkeypatch):
    # Not by its mode, which root passes over.
    def refuse(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = invoke("demo", "--root", str(tmp_path))
    assert result.exit_code == 2
    assert "(Read-only file system). Choose another --root." in result.output
