"""`nsl-tfx run` as a user calls it, in processes of its own."""

import json
import os
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nsl_tfx import metadata
from nsl_tfx.cli import main
from nsl_tfx.cli.ending import tell
from nsl_tfx.cli.run import _Story
from nsl_tfx.pipelines.runners.failures import BusyError
from tests.pipelines.runners.conftest import TROUBLED, Project

DONE = dict.fromkeys(["Gen", "Troubled", "Check", "Push", "Tell"], "done")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.py"], "there is no such file"),
        (["no/module"], "Expected a pipeline as"),
        (["mine.py", "--set", "x"], "Expected NAME=VALUE. Received: 'x'."),
        (["mine.py", "--param", "=x"], "Expected NAME=VALUE"),
        (["mine.py", "--set", "x=1", "--set", "x=2"], "Expected one value of x."),
        (["mine.py", "--verbose", "--json"], "one of --verbose and --json"),
        (["mine.py", "--verbose", "--log", "x"], "one of --verbose and --log"),
        (["mine.py", "--log", "mine.py/x.log"], "a file that can be written to"),
        (["mine.py", "--log", "."], "(a folder has this name). Choose another --log."),
        ([], "Missing argument 'PIPELINE'"),
    ],
)
def test_a_wrong_call_exits_with_2_at_once(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("raise AssertionError('Nobody asked for it.')")
    result = CliRunner().invoke(main, ["run", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_second_run_leaves_the_log_of_the_first_alone(tmp_path, capsys):
    story = _Story(str(tmp_path / "first.log"))
    story.begin("mine", reuses=True)
    with pytest.raises(SystemExit) as ended, story.told():
        raise BusyError("Expected no other run.")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: Expected no other run.\n"
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_there_is_a_pipeline_tells_that_nothing_was_run(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["nsl_tfx.cli.run"], "leave", sys.exit)
    with pytest.raises(SystemExit) as ended, _Story(None).told():
        raise KeyboardInterrupt
    assert (ended.value.code, capsys.readouterr().err) == (130, "\nStopped. Nothing was run.\n")


def test_an_empty_log_of_a_mistake_goes_again(tmp_path):
    log = tmp_path / "mine.log"
    for text, stays in (("", False), ("of an earlier run", True)):
        log.write_text(text)
        with pytest.raises(SystemExit), _Story(str(log)).told():
            raise ValueError("Expected another function.")
        assert log.exists() == stays


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize("text", ["", "of the first"])
def test_a_second_demo_leaves_the_log_of_the_first_alone(tmp_path, capsys, has_begun, text):
    log = tmp_path / "demo.log"
    log.write_text(text)
    assert tell(BusyError("Expected no other run."), str(log), has_begun)[0] == 2
    assert (log.read_text(), capsys.readouterr().err) == (text, "Error: Expected no other run.\n")


CALLS = {
    "kill": [],
    "raise interrupt outlived": ["--json"],
    "fail": ["--json", "--log", "logs/of.txt"],
    "": ["--param", "text=outside"],
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """By trouble, a project and the process that ran it. All run at once, since each is slow."""
    folders = {trouble: tmp_path_factory.mktemp("run") for trouble in CALLS}
    processes = {}
    for trouble, folder in folders.items():
        Project(folder).meet(trouble)
        processes[trouble] = subprocess.Popen(
            [sys.executable, "-m", "nsl_tfx.cli", "run", TROUBLED, "--set", "root=.",
             *CALLS[trouble]],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    found = {}
    for trouble, process in processes.items():
        out, err = process.communicate()
        done = subprocess.CompletedProcess([], process.returncode, out, err)
        found[trouble] = (Project(folders[trouble]), done)
    return found


def here(project):
    """Returns the project by the path that its process had, since paths are in the metadata."""
    assert Path.cwd() == project.root
    return Project(Path())


@pytest.mark.tfx
@pytest.mark.slow
@pytest.mark.usefixtures("loadable")
class TestRuns:
    def test_a_good_run(self, ended):
        project, done = ended[""]
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[:2] == ["Loading TFX ...", "Pipeline troubled"]
        assert [line.split()[1:3] for line in lines[2:7]] == [[n, "done"] for n in DONE]
        assert lines[7].endswith("s: 5 done. What libraries printed is in troubled.log.")
        assert len(lines) == 8
        assert "pushed: OUTSIDE\n" in (project.root / "troubled.log").read_text()

    def test_a_killed_run_leaves_nothing_that_confuses_the_next(self, ended, monkeypatch):
        project, done = ended["kill"]
        assert done.returncode == -9
        assert project.executions("Troubled") == ["RUNNING"]
        (half,) = project.root.glob("artifacts/Troubled/made/*")
        assert (half / "half").exists()
        monkeypatch.chdir(project.root)
        assert here(project).run()[0] == {**DONE, "Gen": "cached"}
        assert project.executions("Troubled") == ["FAILED", "COMPLETE"]
        assert not half.exists()
        found = metadata.executions(project.store, metadata.runs(project.store)["run"].min())
        assert np.isnan(found.set_index("node")["seconds"]["Troubled"])  # nobody saw it end
        project.check_nothing_half()

    def test_of_two_at_once_one_runs_and_one_is_told(self, tmp_path):
        Project(tmp_path).meet("wait")
        command = [
            sys.executable,
            "-m",
            "nsl_tfx.cli",
            "run",
            TROUBLED,
            "--set",
            f"root={tmp_path}",
        ]
        processes = [
            subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        with futures.ThreadPoolExecutor(2) as pool:
            ends = [pool.submit(process.communicate) for process in processes]
            refused = next(futures.as_completed(ends))
            (tmp_path / "go").touch()
            messages = [end.result()[1] for end in ends]
        first = ends.index(refused)
        assert [processes[first].returncode, processes[1 - first].returncode] == [2, 0]
        assert messages[first].startswith("Error: Expected no other run with /")
        assert messages[1 - first] == ""
        Project(tmp_path).check_nothing_half()

    def test_a_stopped_run_exits_though_threads_go_on(self, ended, monkeypatch):
        project, done = ended["raise interrupt outlived"]
        assert done.returncode == 130
        assert done.stderr == "\nStopped. The next run reuses the finished nodes.\n"
        assert project.executions("Troubled") == ["CANCELED"]
        monkeypatch.chdir(project.root)
        project.check_nothing_half()
        assert here(project).run()[0] == {**DONE, "Gen": "cached"}

    def test_json_of_a_stopped_run(self, ended):
        told = json.loads(ended["raise interrupt outlived"][1].stdout)
        assert told["state"] == "stopped"
        assert [one["state"] for one in told["nodes"].values()] == [
            "done", "stopped", "pending", "pending", "pending",
        ]  # fmt: skip

    def test_json_of_a_failed_run(self, ended):
        project, done = ended["fail"]
        assert done.returncode == 1
        told = json.loads(done.stdout)
        assert told["pipeline"] == "troubled"
        assert told["state"] == "failed"
        assert told["error"] == "Troubled failed. KeyError: 'label'"
        assert told["log"] == "logs/of.txt"
        assert told["reuses_nodes"] is True
        assert told["nodes"]["Troubled"]["note"] == "KeyError: 'label'"
        assert told["nodes"]["Push"] == {"state": "pending", "seconds": None, "note": ""}
        assert done.stderr.splitlines() == [
            "Error: Troubled failed. KeyError: 'label'",
            "The whole story is at the end of logs/of.txt.",
        ]
        log = (project.root / "logs" / "of.txt").read_text()
        assert "troubled.py" in log
        assert log.rstrip().endswith("Troubled failed. KeyError: 'label'")

    def test_a_loud_run_prints_what_libraries_print_and_keeps_no_log(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Project(tmp_path).meet("fail")
        done = call("--verbose", "--set", "cache=no")
        assert done.exit_code == 1
        assert "Its cache is off (enable_cache=False), so no node is reused." in done.output
        assert "Error: Troubled failed. KeyError: 'label'" in done.output
        # The traceback, for which there is no other place.
        assert "troubled.py" in done.output
        assert not list(tmp_path.glob("*.log"))

    def test_a_stopped_run_without_a_cache_says_what_that_means(self, tmp_path, monkeypatch):
        # The process of the tests shall go on.
        monkeypatch.setattr(os, "_exit", sys.exit)
        monkeypatch.chdir(tmp_path)
        Project(tmp_path).meet("raise interrupt")
        done = call("--verbose", "--set", "cache=no")
        assert done.exit_code == 130
        assert (
            "Stopped. The next run begins anew, since the pipeline's cache is off." in done.output
        )

    def test_a_wrong_value_exits_with_2(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = call("--verbose", "--set", "limit=many")
        assert done.exit_code == 2
        assert done.output.splitlines()[-1] == (
            f"Error: create_pipeline in {TROUBLED}: Expected limit to be a whole number. "
            "Received: 'many'."
        )
        assert not list(tmp_path.iterdir())


def call(*arguments):
    """Calls the command in this process, in the present folder."""
    return CliRunner().invoke(main, ["run", str(TROUBLED), "--set", "root=.", *arguments])
