"""Types, states and runs as a person reads them."""

from __future__ import annotations

import re

_SECONDS = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+$")
_STATES = {"complete": "done", "running": "running or killed"}


def type_words(name: str) -> str:
    """Returns a type's name without its package's.

    Example:
        >>> type_words("nsl_tfx.NeighborGraph")
        'NeighborGraph'
    """
    return name.rpartition(".")[2] or name


def run_words(name: str) -> str:
    """Returns a run's name, without the microseconds that LocalDagRunner's end in.

    Example:
        >>> run_words("2026-01-01T10:00:00.123456")
        '2026-01-01T10:00:00'
    """
    found = _SECONDS.match(name)
    return found[1] if found else name


def state_words(state: str, seconds: float | None = None) -> str:
    """Returns an execution's state, and its time where it has one that tells anything.

    Example:
        >>> state_words("complete", 4.49), state_words("cached", 0.01), state_words("running")
        ('done in 4.5 s', 'cached', 'running or killed')
    """
    word = _STATES.get(state, state)
    if seconds is None or state == "cached":
        return word
    return f"{word} {'in' if state == 'complete' else 'after'} {time_words(seconds)}"


def time_words(seconds: float) -> str:
    """Returns a time in the unit that fits.

    Example:
        >>> time_words(0.02), time_words(61), time_words(7300)
        ('0.0 s', '1.0 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
