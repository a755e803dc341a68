"""Text out of files, as it may be shown on a terminal."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Returns a text in which what does not show, or steers a terminal, is escaped.

    Args:
        text: Any text.
        keep: Characters that stay nevertheless.

    Example:
        >>> print(printable("Köln\x1b[1m\n"))
        Köln\x1b[1m\n
    """
    # One by one, since `repr` of the whole would escape backslashes too.
    return "".join(one if one.isprintable() or one in keep else repr(one)[1:-1] for one in text)
