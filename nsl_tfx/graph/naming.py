"""Ids in the texts that people read."""

from __future__ import annotations

from collections.abc import Sequence

from nsl_tfx.io.printable import printable

_SHOWN = 5


def name_id(identity: bytes) -> str:
    r"""Returns an id as text in quotes; what is no text, or would not show, is escaped.

    Example:
        >>> print(name_id("Köln".encode()), name_id(b"\xff\n"))
        'Köln' '\xff\n'
    """
    text = identity.decode("utf-8", "backslashreplace")
    return f"'{printable(text)}'"


def name_some(ids: Sequence[bytes]) -> str:
    """Returns the first few ids as text, and how many there are.

    Example:
        >>> name_some([b"a", b"b", b"c", b"d", b"e", b"f"])
        "'a', 'b', 'c', 'd', 'e' and 1 more"
    """
    shown = ", ".join(map(name_id, ids[:_SHOWN]))
    return shown if len(ids) <= _SHOWN else f"{shown} and {len(ids) - _SHOWN} more"
