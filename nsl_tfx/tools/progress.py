"""How far a long run has come, shown on a terminal and nowhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

# Tells of so many more units done.
Advance = Callable[[float], None]
# Tells the share that is done, from 0 to 1, and what is being done.
Report = Callable[[float, str], None]


class _Rate(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{_short(speed)} {task.fields['unit']}/s")


@contextlib.contextmanager
def progress(what: str, total: float | None, unit: str) -> Iterator[Advance]:
    """Shows a bar with rate and time left on the terminal, if standard error is one.

    Args:
        what: What is being done.
        total: How many units there are; None where that is not known.
        unit: What is counted.

    Yields:
        A function to call with the number of units done since its last call.
    """
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Rate(Column(no_wrap=True)),
        TimeElapsedColumn(),
        TextColumn("so far"),
        *([] if total is None else [TimeRemainingColumn(), TextColumn("left")]),
        console=console,
    )
    with bar:
        task = bar.add_task(what, total=total, unit=unit)
        yield lambda count: bar.advance(task, count)


@contextlib.contextmanager
def progress_by_share(what: str) -> Iterator[Report]:
    """Shows a bar with the share done and the time left, likewise.

    Args:
        what: What is being done at first.

    Yields:
        A function to call with the share that is done, and what is being done now.
    """
    if not sys.stderr.isatty():
        yield lambda share, what: None
        return
    bar = Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("so far"),
        TimeRemainingColumn(),
        TextColumn("left"),
        # Last, since it changes its length.
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share, now: bar.update(task, completed=share, description=now)


def tell(text: str) -> None:
    """Prints a line to the terminal, if standard error is one and there is something to say."""
    if text and sys.stderr.isatty():
        Console(stderr=True).print(text, highlight=False, markup=False)


def warn(text: str) -> None:
    """Prints a line that a log should hold too, to standard error, whatever that is."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return f"{number:.0f} "
