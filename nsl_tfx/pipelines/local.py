"""Running a pipeline on this machine, with a line for each node."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

from ml_metadata.proto import metadata_store_pb2
from rich.console import Console
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.orchestration.portable import launcher

from nsl_tfx.io.locks import sole_run_in


class NodeFailedError(RuntimeError):
    """A node of the pipeline failed; its cause is the exception that the node raised.

    Attributes:
        node: The node's id.
    """

    def __init__(self, node: str, cause: BaseException) -> None:
        super().__init__(f"{node} failed. {type(cause).__name__}: {cause}")
        self.node = node


def run_locally(pipeline: tfx.dsl.Pipeline, console: Console) -> dict[str, str]:
    """Runs a pipeline with LocalDagRunner and prints a line for each node.

    Args:
        pipeline: The pipeline.
        console: Where the lines go.

    Returns:
        Node id to "done" or "cached".

    Raises:
        NodeFailedError: A node failed. Finished nodes are kept: the next run reuses them.
    """
    progress = _Progress(
        [component.id for component in pipeline.components],
        pipeline.metadata_connection_config,
        console,
    )

    class ObservedLauncher(launcher.Launcher):
        def launch(self) -> Any:
            return progress.follow(self._pipeline_node.node_info.id, super().launch)

    # The runner calls nobody back, and what it logs is lost as soon as a library turns logging
    # down; the launcher is the one place that every node passes through.
    with mock.patch.object(launcher, "Launcher", ObservedLauncher):
        tfx.orchestration.LocalDagRunner().run(pipeline)
    return progress.states


@contextlib.contextmanager
def only_run_in(folder: str) -> Iterator[None]:
    """Keeps a second run out of a pipeline's folder: SQLite metadata has room for one writer.

    Args:
        folder: Made where it is missing. The lock goes with the process, however that ends.

    Raises:
        RuntimeError: Another run is at work there.
    """
    os.makedirs(folder, exist_ok=True)
    with sole_run_in(
        folder,
        f"Expected no other run in {folder}; one is at work there. Wait for it to end, or choose "
        "another folder.",
    ):
        yield


class _Progress:
    """Prints when nodes start and end."""

    def __init__(self, nodes: list[str], connection: Any, console: Console) -> None:
        self.states: dict[str, str] = {}
        self._count = len(nodes)
        self._width = max(map(len, nodes))
        self._connection = connection
        self._console = console

    def follow(self, node: str, launch: Any) -> Any:
        """Runs one node; returns what TFX's launcher returns."""
        started = time.monotonic()
        if self._console.is_terminal:
            self._console.print(self._line(node, "[dim]running[/]"), end="\r")
        try:
            execution = launch()
        except Exception as error:
            self._finish(node, "failed", "bold red", started)
            raise NodeFailedError(node, error) from error
        cached = execution is not None and self._is_cached(execution.execution_id)
        self._finish(node, *(("cached", "cyan") if cached else ("done", "green")), started)
        return execution

    def _is_cached(self, execution: int) -> bool:
        with metadata.Metadata(self._connection) as handle:
            (found,) = handle.store.get_executions_by_id([execution])
        return found.last_known_state == metadata_store_pb2.Execution.CACHED

    def _finish(self, node: str, state: str, style: str, started: float) -> None:
        self.states[node] = state
        line = self._line(node, f"[{style}]{state:<7}[/]")
        self._console.print(f"{line}  {time.monotonic() - started:5.1f} s")

    def _line(self, node: str, state: str) -> str:
        number = len(self.states) + (node not in self.states)
        return f"  {number:2d}/{self._count}  {node:<{self._width}}  {state}"
