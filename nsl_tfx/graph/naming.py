"""Naming a few of many ids in an error's text."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 5


def name_some(ids: Sequence[bytes]) -> str:
    """Returns the first few ids as text, and how many there are."""
    shown = ", ".join(repr(one) for one in ids[:_SHOWN])
    return shown if len(ids) <= _SHOWN else f"{shown} and {len(ids) - _SHOWN} more"
