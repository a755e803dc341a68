import contextlib
import dataclasses
import io
import signal
from pathlib import Path

import pytest

TROUBLED = Path(__file__).parent / "troubled.py"


@dataclasses.dataclass
class Project:
    """A folder in which the pipeline of `troubled.py` runs."""

    root: Path

    def run(self, trouble="", view=None, parameters=None, **arguments):
        """Runs it in this process; returns node id to state, and what was printed."""
        from rich.console import Console

        from nsl_tfx.pipelines.runners.loading import load_pipeline
        from nsl_tfx.pipelines.runners.local import run_locally
        from nsl_tfx.pipelines.runners.view import RunView

        self.meet(trouble)
        output = io.StringIO()
        pipeline = load_pipeline(str(TROUBLED), {"root": str(self.root), **arguments})
        view = view or RunView(Console(file=output, width=200))
        states = run_locally(pipeline, view, parameters)
        return {node: state.value for node, state in states.items()}, output.getvalue()

    def meet(self, trouble):
        (self.root / "trouble.txt").write_text(trouble)

    @property
    def store(self):
        import ml_metadata
        from ml_metadata.proto import metadata_store_pb2 as pb

        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(self.root / "metadata.sqlite")
        return ml_metadata.MetadataStore(config)

    def executions(self, node):
        """Returns the state of each execution of a node, by name, the oldest first."""
        from ml_metadata.proto import metadata_store_pb2 as pb

        context = self.store.get_context_by_type_and_name("node", f"troubled.{node}")
        found = self.store.get_executions_by_context(context.id)
        found.sort(key=lambda one: one.id)
        return [pb.Execution.State.Name(one.last_known_state) for one in found]

    def check_nothing_half(self):
        """Raises where an artifact is half, in the metadata or on the disk."""
        from ml_metadata.proto import metadata_store_pb2 as pb

        for artifact in self.store.get_artifacts_by_type("Model"):
            assert artifact.state == pb.Artifact.LIVE
            assert (Path(artifact.uri) / "whole").exists()
        for folder in self.root.glob("artifacts/Troubled/made/*"):
            assert (folder / "whole").exists()
        for node in ("Gen", "Troubled"):
            assert not {"RUNNING", "NEW"} & set(self.executions(node))


@pytest.fixture(scope="session", autouse=True)
def usual_signals():
    """What a shell's background jobs and `unshare` ignore, and their children with them."""
    with contextlib.ExitStack() as stack:
        for number, usual in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL),
        ):
            stack.callback(signal.signal, number, signal.signal(number, usual))
        yield


@pytest.fixture
def project(tmp_path, loadable):
    return Project(tmp_path)


@pytest.fixture(scope="session")
def loadable():
    """Undoes at the end what loading a pipeline changes of where modules are looked for."""
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", sys.path.copy())
        patch.setenv("PYTHONPATH", "")
        yield
