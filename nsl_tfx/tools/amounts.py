"""Counts, times and sizes as a person reads them."""

from __future__ import annotations

import os


def count_of(number: int, what: str) -> str:
    """Returns a number of things as text.

    Example:
        >>> count_of(1, "edge"), count_of(2000, "edge")
        ('1 edge', '2,000 edges')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_seconds(seconds: float) -> str:
    """Returns a time as text.

    Example:
        >>> format_seconds(5), format_seconds(200), format_seconds(8000)
        ('5 s', '3 min', '2.2 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def format_bytes(count: float) -> str:
    """Returns a number of bytes as text.

    Example:
        >>> format_bytes(200), format_bytes(3 << 10), format_bytes(3 << 20), format_bytes(5 << 29)
        ('200 bytes', '3 KiB', '3 MiB', '2.5 GiB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1000:
            return f"{max(1, round(count))} {unit}"
    return f"{count / 1024:,.1f} GiB"


def size_on_disk(path: str) -> str:
    """Returns the size of a file, or of a folder's files, in parentheses; nothing where remote.

    Example:
        >>> size_on_disk("gs://bucket/file")
        ''
    """
    if "://" in path:
        return ""
    if os.path.isdir(path):
        sizes = [os.path.getsize(one.path) for one in os.scandir(path) if one.is_file()]
    else:
        sizes = [os.path.getsize(path)]
    return f" ({format_bytes(sum(sizes))})"
