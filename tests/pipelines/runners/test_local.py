"""Runs of a small pipeline in this process: what becomes of its nodes, in good and in bad days."""

import contextlib
import os
import signal
import sqlite3
import subprocess

import pytest

from nsl_tfx.pipelines.runners.loading import load_pipeline
from tests.pipelines.runners.conftest import TROUBLED

pytestmark = [pytest.mark.tfx, pytest.mark.slow]

NODES = ["Gen", "Troubled", "Check", "Push", "Tell"]
DONE = dict.fromkeys(NODES, "done")
CACHED = dict.fromkeys(NODES, "cached")


@pytest.fixture(scope="module")
def local():
    from nsl_tfx.pipelines.runners import local

    return local


@pytest.fixture
def view():
    from rich.console import Console

    from nsl_tfx.pipelines.runners.view import RunView

    return RunView(Console(quiet=True))


def states(view):
    return {node: record.state.value for node, record in view.records.items()}


def test_each_node_is_told_and_a_second_run_reuses_all(project):
    found, output = project.run()
    assert found == DONE
    lines = [line.split() for line in output.splitlines()]
    assert [line[:3] for line in lines] == [[f"{i}/5", n, "done"] for i, n in enumerate(NODES, 1)]
    assert project.run()[0] == CACHED


def test_without_the_cache_nothing_is_reused(project):
    assert project.run(cache="no")[0] == DONE
    assert project.run(cache="no")[0] == DONE


def test_a_changed_argument_runs_what_depends_on_it(project):
    project.run()
    found, output = project.run(limit="2")
    assert found == {
        "Gen": "cached",
        "Troubled": "cached",
        "Check": "done",
        "Push": "skipped",
        "Tell": "skipped",
    }
    assert "its condition is not met" in output
    assert "Push was skipped" in output


class TestParameters:
    def test_a_value_takes_the_place_of_the_default(self, project):
        project.run(parameters={"text": "something else"})
        made = project.root / "artifacts" / "Troubled" / "made" / "2" / "whole"
        assert made.read_text() == "SOMETHING ELSE"

    def test_an_unknown_one_is_refused(self, project):
        with pytest.raises(ValueError, match=r"among: text\. Received: texd\."):
            project.run(parameters={"texd": "x"})
        assert project.store.get_executions() == []

    @pytest.mark.parametrize(
        ("kind", "text", "value"), [(int, "3", 3), (float, "0.5", 0.5), (str, "3", "3")]
    )
    def test_values_have_the_parameters_type(self, kind, text, value):
        bound = bind(kind, {"limit": text})
        assert bound == value
        assert type(bound) is type(value)

    @pytest.mark.parametrize(("kind", "words"), [(int, "a whole number"), (float, "a number")])
    def test_no_value_of_the_type_is_refused(self, kind, words):
        with pytest.raises(ValueError, match=f"limit to be {words}. Received: 'x'"):
            bind(kind, {"limit": "x"})

    def test_one_without_a_default_must_be_given(self):
        with pytest.raises(ValueError, match="Missing: limit"):
            bind(int, {})


def bind(kind, texts):
    """Returns what a runtime parameter without a default becomes in the compiled pipeline."""
    from tfx.proto.orchestration import pipeline_pb2

    from nsl_tfx.pipelines.runners.parameters import bind_parameters

    kinds = {int: "INT", float: "DOUBLE", str: "STRING"}
    compiled = pipeline_pb2.Pipeline()
    node = compiled.nodes.add().pipeline_node
    parameter = node.parameters.parameters["limit"].runtime_parameter
    parameter.name = "limit"
    parameter.type = pipeline_pb2.RuntimeParameter.Type.Value(kinds[kind])
    bind_parameters(compiled, texts, "now")
    value = node.parameters.parameters["limit"].field_value
    return getattr(value, value.WhichOneof("value"))


def test_a_failing_node_is_named_and_the_next_run_goes_on(local, project, view):
    with pytest.raises(local.NodeFailedError, match=r"^Troubled failed\. KeyError: 'label'$") as e:
        project.run("fail", view)
    assert e.value.node == "Troubled"
    assert isinstance(e.value.__cause__, KeyError)
    assert list(states(view).values()) == ["done", "failed", "pending", "pending", "pending"]
    project.check_nothing_half()
    assert project.run()[0] == {**DONE, "Gen": "cached"}


def test_inputs_that_cannot_be_had_are_a_failure(local, project, view):
    """TFX goes on as if such a node had succeeded, and says nothing."""
    from tfx import v1 as tfx

    project.meet("")
    pipeline = load_pipeline(str(TROUBLED), {"root": str(project.root)})
    push = next(node for node in pipeline.components if node.id == "Push")
    latest = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
    )
    push = type(push)(model=latest.outputs["model"])
    alone = tfx.dsl.Pipeline(
        "alone",
        str(project.root / "artifacts"),
        pipeline.metadata_connection_config,
        [latest, push],
    )
    with pytest.raises(local.NodeFailedError) as caught:
        local.run_locally(alone, view)
    assert str(caught.value) == (
        "Push failed. It needs what Resolver looks for, which is not there."
    )
    assert states(view) == {"Resolver": "done", "Push": "failed"}
    assert view.records["Resolver"].note == "found nothing"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestCtrlC:
    @pytest.fixture(params=["raise interrupt", "raise terminate", "lose interrupt"])
    def stopped(self, request, project, view):
        with pytest.raises(KeyboardInterrupt):
            project.run(request.param, view)
        return project

    def test_nothing_half_is_left_and_the_next_run_goes_on(self, stopped, view):
        assert list(states(view).values()) == ["done", "stopped", "pending", "pending", "pending"]
        assert stopped.executions("Troubled") == ["CANCELED"]
        stopped.check_nothing_half()
        assert stopped.run()[0] == {**DONE, "Gen": "cached"}
        assert stopped.executions("Troubled") == ["CANCELED", "COMPLETE"]

    def test_ctrl_c_works_as_before(self, stopped):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class TestDiskFull:
    def check(self, local, project):
        with pytest.raises(local.NodeFailedError) as caught:
            project.run("full device")
        assert str(caught.value).startswith("Troubled failed. No space is left on the disk where ")
        assert "the next run reuses the finished nodes" in str(caught.value)
        project.check_nothing_half()

    def test_the_device_says_so(self, local, project):
        self.check(local, project)
        assert project.run()[0] == {**DONE, "Gen": "cached"}

    def test_a_small_disk_fills(self, local, project):
        with small_disk(project.root, "2m"):
            with pytest.raises(local.NodeFailedError, match=r"^Troubled failed\. No space is left"):
                project.run("full")
            project.check_nothing_half()
            assert project.run()[0] == {**DONE, "Gen": "cached"}

    def test_a_disk_that_is_full_already_is_told_before_anything_runs(self, project):
        with small_disk(project.root, "1m"):
            project.meet("")
            with contextlib.suppress(OSError), open(project.root / "large", "wb", 0) as file:
                while True:
                    file.write(bytes(4096))
            with pytest.raises(ValueError, match="No space left on device"):
                project.run()


@contextlib.contextmanager
def small_disk(folder, size):
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small disk, so a disk that fills was NOT tried.")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"No small disk can be mounted, so none was filled: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        # Lazily, since the metadata's connection may be open still.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class TestTwoRunsAtOnce:
    def test_the_second_is_refused_and_the_first_is_unharmed(self, local, project):
        with pytest.raises(local.NodeFailedError, match="Expected no other run with") as caught:
            project.run("second run")
        assert isinstance(caught.value.__cause__, local.BusyError)
        assert project.executions("Gen") == ["COMPLETE"]
        assert project.run()[0] == {**DONE, "Gen": "cached"}

    def test_other_metadata_are_free(self, local, project, tmp_path):
        from nsl_tfx.io.locks import sole_user_of

        with sole_user_of(f"{tmp_path}/metadata.sqlite.run", "busy"):
            with pytest.raises(local.BusyError):
                project.run()
            assert project.run(metadata=str(tmp_path / "other.sqlite"))[0] == DONE

    def test_a_folder_can_be_kept_for_one_run(self, local, tmp_path):
        folder = str(tmp_path / "new")
        first, second = (local.only_run_in(folder) for _ in range(2))
        with first, pytest.raises(RuntimeError, match="one is at work there"):
            second.__enter__()
        with local.only_run_in(folder):
            pass


class TestPlaces:
    """What is wrong with folders and metadata is told before anything runs."""

    def refused(self, project, **arguments):
        with pytest.raises(ValueError, match="Expected") as caught:
            project.run(**arguments)
        return str(caught.value)

    def test_missing_folders_are_made(self, project):
        metadata = str(project.root / "new" / "folder" / "m.sqlite")
        assert project.run(metadata=metadata)[0] == DONE

    def test_a_file_where_a_folder_should_be(self, project):
        (project.root / "artifacts").write_text("")
        assert "Expected a pipeline_root that can be written to." in self.refused(project)

    def test_metadata_below_a_file(self, project):
        (project.root / "file").write_text("")
        message = self.refused(project, metadata=str(project.root / "file" / "m.sqlite"))
        # TFX itself makes that folder, when the pipeline is made.
        assert "troubled.py" in message
        assert "file is not a directory." in message

    def test_a_read_only_disk(self, project):
        with small_disk(project.root, "1m"):
            project.meet("")
            subprocess.run(["mount", "-o", "remount,ro", str(project.root)], check=True)
            with pytest.raises(ValueError, match="Read-only file system"):
                # The file that names the trouble is written already.
                run_as_is(project)

    def test_metadata_that_are_something_else(self, project):
        (project.root / "metadata.sqlite").write_text("no database\n" * 100)
        assert "Expected a SQLite file." in self.refused(project)

    def test_a_database_of_others_is_left_alone(self, project):
        file = project.root / "metadata.sqlite"
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE mine (x)")
        before = file.read_bytes()
        assert "which holds none" in self.refused(project)
        assert file.read_bytes() == before

    @pytest.mark.parametrize(
        ("version", "cure"), [(99, "or a later one."), (6, "enable_upgrade_migration=True")]
    )
    def test_metadata_of_another_version(self, project, version, cure):
        project.run()
        with contextlib.closing(sqlite3.connect(project.root / "metadata.sqlite")) as database:
            database.execute(f"UPDATE MLMDEnv SET schema_version = {version}")
            database.commit()
        message = self.refused(project)
        assert f"of schema version {version}." in message
        assert cure in message

    def test_a_folder_in_place_of_the_metadata(self, project):
        (project.root / "metadata.sqlite").mkdir()
        assert "Is a directory" in self.refused(project)

    def test_a_path_that_looks_like_a_pattern(self, project):
        root = project.root / "a[1]"
        root.mkdir()
        project.root = root
        assert "which TFX takes for patterns" in self.refused(project)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"pipeline_root": ""}, "Name a folder for artifacts"),
            ({"metadata_connection_config": None}, "sqlite_metadata_connection_config("),
        ],
    )
    def test_a_pipeline_that_names_no_place(self, local, tmp_path, view, change, message):
        from tfx import v1 as tfx

        sqlite = tfx.orchestration.metadata.sqlite_metadata_connection_config
        settings = {
            "pipeline_root": str(tmp_path),
            "metadata_connection_config": sqlite(str(tmp_path / "m.sqlite")),
            **change,
        }
        with pytest.raises(ValueError, match="Expected a pipeline with a") as caught:
            local.run_locally(tfx.dsl.Pipeline("empty", **settings), view)
        assert message in str(caught.value)

    def test_a_beam_runner_that_is_not_here(self, local, tmp_path, view):
        from tfx import v1 as tfx

        examples = tfx.components.CsvExampleGen(str(tmp_path))
        pipeline = tfx.dsl.Pipeline(
            "elsewhere",
            str(tmp_path / "root"),
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(tmp_path / "m.sqlite")
            ),
            components=[examples.with_beam_pipeline_args(["--runner=Flunk"])],
        )
        with pytest.raises(ValueError, match=r"of CsvExampleGen .* --runner=Flunk"):
            local.run_locally(pipeline, view)
        assert view.records == {}


def run_as_is(project):
    project.meet = lambda trouble: None
    return project.run()


@pytest.mark.parametrize(
    "left",
    ["", "no json", '{"run": "never begun", "root": "/nowhere"}'],
)
def test_any_record_of_a_last_run_is_passed_over(project, left):
    (project.root / "metadata.sqlite.run").write_text(left)
    assert project.run()[0] == DONE
    assert (project.root / "metadata.sqlite.run").read_text() == ""
