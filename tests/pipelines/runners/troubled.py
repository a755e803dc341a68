"""A pipeline of four small nodes, of which the second meets the trouble that a file names.

The file is no input of the node, so that a run with another trouble finds the same cache.
"""

import os
import signal
import threading
from pathlib import Path

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import OutputDict
from tfx.types import standard_artifacts


@tfx.dsl.components.component
def Gen(
    text: tfx.dsl.components.Parameter[str],
    made: tfx.dsl.components.OutputArtifact[standard_artifacts.ExternalArtifact],
):
    Path(made.uri, "text").write_text(text)


@tfx.dsl.components.component
def Troubled(
    source: tfx.dsl.components.InputArtifact[standard_artifacts.ExternalArtifact],
    trouble: tfx.dsl.components.Parameter[str],
    made: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
) -> OutputDict(length=int):
    text = Path(source.uri, "text").read_text()
    with open(os.path.join(made.uri, "half"), "w") as file:
        file.write("half")
        file.flush()
        meet(Path(trouble).read_text().strip(), made.uri)
    Path(made.uri, "whole").write_text(text.upper())
    return {"length": len(text)}


class Lost:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):
            pass


def meet(trouble, folder):
    if trouble == "fail":
        raise KeyError("label")
    if trouble == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "lose interrupt":
        # As in the callbacks of TensorFlow's weak references.
        lost = Lost()
        del lost
        threading.Event().wait(60)
    if trouble.endswith("outlived"):
        # By a thread, as of Beam's workers.
        threading.Thread(target=threading.Event().wait).start()
    if trouble.startswith("raise"):
        signal.raise_signal(signal.SIGTERM if "terminate" in trouble else signal.SIGINT)
        signal.pause()
    while trouble == "wait" and not os.path.exists("go"):
        threading.Event().wait(0.1)
    if trouble.startswith("full"):
        fill(trouble, folder)
    if trouble == "second run":
        from rich.console import Console

        from nsl_tfx.pipelines.runners.local import run_locally

        run_locally(create_pipeline(Path(folder).parents[3]), Console(quiet=True))


def fill(trouble, folder):
    if trouble == "full":
        with open(os.path.join(folder, "large"), "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    if trouble == "full device":
        os.symlink("/dev/full", os.path.join(folder, "large"))
        with open(os.path.join(folder, "large"), "wb") as file:
            file.write(bytes(1 << 20))


@tfx.dsl.components.component
def Check(
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    length: int,
    limit: tfx.dsl.components.Parameter[int],
    blessing: tfx.dsl.components.OutputArtifact[standard_artifacts.ModelBlessing],
):
    Path(blessing.uri, "files").write_text(" ".join(sorted(os.listdir(model.uri))))
    blessing.set_int_custom_property("blessed", int(length <= limit))


@tfx.dsl.components.component
def Push(
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    pushed: tfx.dsl.components.OutputArtifact[standard_artifacts.PushedModel],
):
    Path(pushed.uri, "pushed").write_text(Path(model.uri, "whole").read_text())


@tfx.dsl.components.component
def Tell(
    pushed: tfx.dsl.components.InputArtifact[standard_artifacts.PushedModel],
):
    print("pushed:", Path(pushed.uri, "pushed").read_text())


def create_pipeline(
    root: Path, text: str = "abc", cache: bool = True, limit: int = 9, metadata: str = ""
):
    root = Path(root)
    gen = Gen(text=tfx.dsl.experimental.RuntimeParameter("text", ptype=str, default=text))
    troubled = Troubled(source=gen.outputs["made"], trouble=str(root / "trouble.txt"))
    check = Check(model=troubled.outputs["made"], length=troubled.outputs["length"], limit=limit)
    with tfx.dsl.Cond(check.outputs["blessing"].future()[0].custom_property("blessed") == 1):
        push = Push(model=troubled.outputs["made"])
    tell = Tell(pushed=push.outputs["pushed"])
    return tfx.dsl.Pipeline(
        pipeline_name="troubled",
        pipeline_root=str(root / "artifacts"),
        components=[gen, troubled, check, push, tell],
        enable_cache=cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            metadata or str(root / "metadata.sqlite")
        ),
    )
