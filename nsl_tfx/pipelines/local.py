"""Running a pipeline on this machine, with a line for each node."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from absl import logging as absl_logging
from rich.console import Console
from tfx import v1 as tfx


class NodeFailedError(RuntimeError):
    """A node of the pipeline failed; its cause is the exception that the node raised."""

    def __init__(self, node: str, cause: BaseException) -> None:
        super().__init__(f"{node} failed: {type(cause).__name__}: {cause}")
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
    nodes = [component.id for component in pipeline.components]
    progress = _NodeProgress(nodes, console)
    logger = absl_logging.get_absl_logger()
    level = logger.level
    logger.addHandler(progress)
    logger.setLevel(logging.INFO)
    try:
        tfx.orchestration.LocalDagRunner().run(pipeline)
    except Exception as error:
        progress.fail()
        raise NodeFailedError(progress.current or "the pipeline", error) from error
    finally:
        logger.removeHandler(progress)
        logger.setLevel(level)
    return progress.states


class _NodeProgress(logging.Handler):
    """Follows the runner by what it logs: it offers no other way to hear of nodes."""

    def __init__(self, nodes: list[str], console: Console) -> None:
        super().__init__(logging.INFO)
        self.states: dict[str, str] = {}
        self.current: str | None = None
        self._nodes = nodes
        self._width = max(map(len, nodes))
        self._console = console
        self._started = 0.0
        self._cached = False
        self._on_message: list[tuple[re.Pattern[str], Callable[[re.Match[str]], None]]] = [
            (re.compile(r"Component (\S+) is running\.$"), self._start),
            (re.compile(r"A cached execution \d+ is used\.$"), self._note_cached),
            (re.compile(r"Component (\S+) is finished\.$"), self._finish),
        ]

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        for pattern, act in self._on_message:
            if match := pattern.match(message):
                act(match)

    def fail(self) -> None:
        """Prints that the current node failed."""
        if self.current is not None:
            self._print_line("[bold red]failed[/]")

    def _start(self, match: re.Match[str]) -> None:
        self.current, self._cached, self._started = match[1], False, time.monotonic()
        if self._console.is_terminal:
            self._console.print(self._line("[dim]running[/]"), end="\r")

    def _note_cached(self, match: re.Match[str]) -> None:
        self._cached = True

    def _finish(self, match: re.Match[str]) -> None:
        self.states[match[1]] = "cached" if self._cached else "done"
        self._print_line("[cyan]cached[/]" if self._cached else "[green]done[/]  ")
        self.current = None

    def _print_line(self, state: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(f"{self._line(state)}  {seconds:5.1f} s ")

    def _line(self, state: str) -> str:
        assert self.current is not None
        number = self._nodes.index(self.current) + 1
        return f"  {number:2d}/{len(self._nodes)}  {self.current:<{self._width}}  {state}"
