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


def test_version():
    assert __version__ in invoke("--version").output


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["demo", "--seed", "x"], ["demo", "--no-such-option"]]
)
def test_a_wrong_call_exits_with_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_made_is_an_error_message(tmp_path):
    (tmp_path / "file").write_text("")
    result = invoke("demo", "--root", str(tmp_path / "file" / "below"))
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert "Traceback" not in result.output
