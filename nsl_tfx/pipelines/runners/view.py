"""The nodes of a run, on a terminal as a table that changes, elsewhere as a line for each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nsl_tfx.pipelines.runners.states import NodeRecord, NodeState

_STYLES = {
    NodeState.PENDING: "dim",
    NodeState.RUNNING: "bold yellow",
    NodeState.CACHED: "cyan",
    NodeState.DONE: "green",
    NodeState.SKIPPED: "dim",
    NodeState.FAILED: "bold red",
    NodeState.STOPPED: "yellow",
}
_STATE_WIDTH = max(len(state.value) for state in NodeState)
_PER_SECOND = 2
# Rows of the terminal that stay free of nodes: what is above and below them, and the cursor's.
_FRAME = 4


class RunView:
    """Keeps what became of each node, and shows it.

    Args:
        console: Where it is shown.
        live: Whether as a table that changes; None takes it where the console is a terminal. What
            others print there meanwhile would break it.

    Attributes:
        records: Node id to what is known of it, in the order in which they run.

    Example:
        >>> import sys
        >>> view = RunView(Console(file=sys.stdout, width=80))
        >>> with view.showing(["Gen", "Trainer"]):
        ...     view.start("Gen")
        ...     view.finish("Gen", NodeState.SKIPPED, "its condition is not met")
           1/2  Gen      skipped    0.0 s  its condition is not met
        >>> view.records["Trainer"].state.value
        'pending'
    """

    def __init__(self, console: Console, live: bool | None = None) -> None:
        self.records: dict[str, NodeRecord] = {}
        self._console = console
        self._live = console.is_terminal if live is None else live
        self._started = 0.0

    @contextlib.contextmanager
    def showing(self, nodes: Sequence[str]) -> Iterator[None]:
        """Shows nodes while a block runs, and leaves there what became of them."""
        self.records = {node: NodeRecord() for node in nodes}
        if not self._live:
            yield
            return
        live = Live(
            get_renderable=self._window,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            # They belong to the log.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with live:
                yield
        finally:
            self._console.print(self._table(list(self.records)))

    def start(self, node: str) -> None:
        """Takes note that a node begins."""
        self._started = time.monotonic()
        self.records[node] = NodeRecord(NodeState.RUNNING)

    def finish(self, node: str, state: NodeState, note: str = "") -> None:
        """Takes note of what became of the node that began last."""
        self.records[node] = NodeRecord(state, self._elapsed(), note)
        if not self._live:
            self._console.print(self._row(node), soft_wrap=True)

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _window(self) -> Table:
        """Returns as many rows as the terminal has room for, the running node among them."""
        nodes = list(self.records)
        room = max(1, self._console.height - _FRAME)
        begun = sum(self.records[node].state is not NodeState.PENDING for node in nodes)
        first = max(0, min(begun - room // 2, len(nodes) - room))
        return self._table(nodes[first : first + room])

    def _table(self, nodes: Sequence[str]) -> Table:
        table = Table.grid()
        table.add_column(no_wrap=True, overflow="ellipsis")
        for node in nodes:
            table.add_row(self._row(node))
        return table

    def _row(self, node: str) -> Text:
        record = self.records[node]
        names = list(self.records)
        seconds = self._elapsed() if record.state is NodeState.RUNNING else record.seconds
        digits = max(2, len(str(len(names))))
        row = Text(f"  {names.index(node) + 1:{digits}d}/{len(names)}  ")
        row.append(f"{node:<{max(map(len, names))}}  ")
        row.append(f"{record.state.value:<{_STATE_WIDTH}}", _STYLES[record.state])
        row.append("" if seconds is None else f"  {seconds:5.1f} s")
        # What a node failed of is longer than a row, and told at the end.
        if record.note and record.state is not NodeState.FAILED:
            row.append(f"  {record.note}", "dim")
        return row
