"""`nsl-tfx new`: what it refuses, what it writes, and that this runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nsl_tfx.cli import main
from nsl_tfx.pipelines.starter import KINDS, project, write_project

LONGEST = "a_name_of_24_characters_"


@pytest.fixture(scope="module", params=[(kind, "my_own") for kind in KINDS] + [("text", LONGEST)])
def written(request, tmp_path_factory):
    kind, name = request.param
    folder = tmp_path_factory.mktemp(kind) / "project"
    return kind, name, Path(write_project(name, kind, str(folder)))


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class TestWhatIsWritten:
    def test_the_package_holds_the_ready_pipelines_files(self, written):
        kind, name, folder = written
        case = Path(project.__file__).parents[1] / KINDS[kind].case
        copied = {path.name for path in case.glob("*.py")} - {"serve.py"}
        expected = copied | {"parts.py", "runners.py"}
        assert {path.name for path in (folder / name).iterdir()} == expected

    def test_nothing_leads_back_to_it(self, written):
        kind, name, folder = written
        case = KINDS[kind].case
        code = "".join(path.read_text() for path in (folder / name).glob("*.py"))
        old = rf"nsl_tfx\.pipelines\.({case}|parts)|write_{case}|the {case} pipeline"
        assert not re.search(old, code)
        assert f'"{name}.model.make_model"' in code

    def test_it_does_not_say_that_it_is_one_to_copy(self, written):
        _, name, folder = written
        code = "".join(path.read_text() for path in (folder / name).glob("*.py"))
        assert not re.search(r"be copied|ready pipeline|nsl-tfx demo", code)

    @pytest.mark.parametrize("command", ["check", "format --check"])
    def test_style_is_kept(self, written, command):
        _, _, folder = written
        ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
        done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_kubeflow_takes_the_pipelines_name(self, written):
        _, name, folder = written
        (found,) = re.findall(
            r'PIPELINE_NAME = "([a-z0-9][a-z0-9-]*)"', (folder / name / "config.py").read_text()
        )
        assert found == name.strip("_").replace("_", "-")

    def test_its_commands_are_ours(self, written):
        _, name, folder = written
        text = (folder / "README.md").read_text().replace("\\\n", " ")
        lines = re.findall(r"^nsl-tfx (.*)$", text, re.MULTILINE)
        assert [line.split()[:2] for line in lines] == [
            ["run", f"{name}.pipeline"],
            ["inspect", "run"],
            ["inspect", "run"],
            ["compile", f"{name}.pipeline"],
        ]
        for line in lines:
            command, *arguments = shlex.split(line)
            # A command keeps the names of its help option from the first context, which have to be
            # those of the group.
            context = main.make_context("nsl-tfx", [command, *arguments])
            main.commands[command].make_context(command, arguments, parent=context)

    def test_the_readme_names_files_that_there_are(self, written):
        _, name, folder = written
        named = re.findall(rf"`({name}/\w+\.py)`", (folder / "README.md").read_text())
        assert len(named) >= 5
        assert all((folder / path).is_file() for path in named)

    def test_it_is_the_same_each_time(self, written, tmp_path):
        kind, name, folder = written
        write_project(name, kind, str(tmp_path / "again"))
        assert files(tmp_path / "again") == files(folder)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("My-Project", "Try 'my_project'"),
        ("2fast", "Try 'fast'"),
        ("", "Received: ''."),
        ("_hidden", "Try 'hidden'"),
        ("x" * 25, f"Try '{'x' * 24}'"),
        ("größe", "at most 24"),
        ("../escape", "Try 'escape'"),
        ("class", "no word of Python"),
        ("json", "Try 'my_json'"),
        ("numpy", "no module has yet"),
        ("nsl_tfx", "no module has yet"),
        ("tests", "no module has yet"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, cure, tmp_path):
    into = str(tmp_path / "project")
    done = CliRunner().invoke(main, ["new", "--into", into, "--", name])
    assert done.exit_code == 2
    assert done.output.startswith("Error: Expected a name")
    assert cure in done.output
    assert not list(tmp_path.iterdir())


def test_a_kind_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"graph, text, table\. Received: 'wine'"):
        write_project("my_own", "wine", str(tmp_path / "project"))


class TestTheFolder:
    def test_without_into_it_is_named_as_the_project(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(main, ["new", "my_own", "--kind", "table"])
        assert (done.exit_code, done.output[:14]) == (0, "Wrote my_own; ")
        assert (tmp_path / "my_own/my_own/pipeline.py").is_file()
        assert [path.name for path in tmp_path.iterdir()] == ["my_own"]

    def test_an_empty_one_is_taken(self, tmp_path):
        write_project("my_own", "graph", str(tmp_path))
        assert (tmp_path / "README.md").is_file()

    def test_the_present_one_is_filled_and_stays(self, tmp_path, monkeypatch):
        (tmp_path / "own").mkdir()
        monkeypatch.chdir(tmp_path / "own")
        before = os.stat(".").st_ino
        done = CliRunner().invoke(main, ["new", "my_own", "--into", "."])
        assert done.exit_code == 0, done.output
        assert os.stat(tmp_path / "own").st_ino == before
        expected = files(Path(write_project("my_own", into=str(tmp_path / "other"))))
        assert files(Path(".")) == expected
        assert [path.name for path in tmp_path.iterdir()] in (["own", "other"], ["other", "own"])

    def test_an_empty_one_has_nothing_of_a_project_that_could_not_be_moved(
        self, tmp_path, monkeypatch
    ):
        rename, calls = os.rename, []

        def fail_once(*paths):
            calls.append(paths)
            if len(calls) == 3:
                raise OSError(5, "Input/output error")
            rename(*paths)

        monkeypatch.setattr(project.os, "rename", fail_once)
        with pytest.raises(OSError, match="Input/output"):
            write_project("my_own", into=str(tmp_path))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("into", "message"), [("", "Received: ''."), ("gs://bucket/x", "a folder of this machine")]
    )
    def test_a_place_that_is_none_is_refused(self, into, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(main, ["new", "my_own", "--into", into])
        assert (done.exit_code, message in done.output) == (2, True), done.output
        assert not list(tmp_path.iterdir())

    def test_others_have_the_rights_that_they_have_elsewhere(self, tmp_path):
        write_project("my_own", "graph", str(tmp_path / "project"))
        (tmp_path / "other").mkdir()
        assert (tmp_path / "project").stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.parametrize("occupied", ["folder", "file", "link"])
    def test_what_is_there_is_left_alone(self, occupied, tmp_path):
        target = tmp_path / "project"
        if occupied == "folder":
            target.mkdir()
            (target / "notes").write_text("mine")
        elif occupied == "file":
            target.write_text("mine")
        else:
            target.symlink_to(tmp_path / "nowhere")
        before = files(tmp_path)
        done = CliRunner().invoke(main, ["new", "my_own", "--into", str(target)])
        assert done.exit_code == 2
        assert "Expected a new or empty folder" in done.output
        assert files(tmp_path) == before
        assert os.listdir(tmp_path) == ["project"]

    def test_a_place_that_cannot_be_written_to_is_named(self, tmp_path):
        (tmp_path / "file").touch()
        done = CliRunner().invoke(main, ["new", "my_own", "--into", str(tmp_path / "file" / "x")])
        assert done.exit_code == 2
        assert f"Received: '{tmp_path / 'file'}' (Not a directory)" in done.output
        assert "Choose another --into." in done.output

    def test_nothing_is_left_of_a_write_that_fails(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(project.os, "rename", full)
        done = CliRunner().invoke(main, ["new", "my_own", "--into", str(tmp_path / "project")])
        assert (done.exit_code, "No space left" in done.output) == (2, True)
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.tfx
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_test_passes(kind, tmp_path):
    write_project("my_own", kind, str(tmp_path / "project"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "project",
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "3 passed" in done.stdout
