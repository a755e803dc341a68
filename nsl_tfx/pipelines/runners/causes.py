"""What a node failed of, in a line or two."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT)
# As Python and TensorFlow, as quotas, and as SQLite have it.
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_LINES = 2
_LENGTH = 400


def describe(error: BaseException, root: str) -> str:
    """Returns what a node failed of, in a line or two; the whole story belongs to the log.

    Args:
        error: What it raised.
        root: Folder of the pipeline's artifacts.

    Example:
        >>> describe(KeyError("label"), "artifacts")
        "KeyError: 'label'"
    """
    full = next((one for one in _chain(error) if _is_full(one)), None)
    if full is not None:
        place = getattr(full, "filename", None)
        where = f"{place} lies" if place else f"{root} lies, or of {tempfile.gettempdir()}"
        return (
            f"No space is left on the disk where {where}. Free some, or choose another folder; no "
            "half artifact was published, and the next run reuses the finished nodes."
        )
    return f"{type(error).__name__}: {shorten(str(error))}".rstrip(": ")


def shorten(text: str) -> str:
    r"""Returns the first lines of an error's text, of a traceback in it the error at its end.

    Example:
        >>> shorten("ValueError: x is 3 [while running 'Train/Map']")
        'ValueError: x is 3'
    """
    _, traceback, below = text.rpartition("Traceback (most recent call last):")
    lines = [line.rstrip() for line in (below or text).splitlines() if line.strip()]
    if traceback:
        # What is indented are places and their code.
        lines = [line for line in lines if not line.startswith(" ")]
    short = "\n".join(lines[:_LINES])
    short = re.sub(r" \[while running '[^']*'\]", "", short)
    return short if len(short) <= _LENGTH else f"{short[:_LENGTH]} ..."


def was_interrupted(error: BaseException) -> bool:
    """Tells whether an error is what compiled code made of Ctrl-C."""
    return any(isinstance(one, KeyboardInterrupt) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that it was raised from or after."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__context__, one.__cause__]


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(words in str(error) for words in _FULL_WORDS)
