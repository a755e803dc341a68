"""Paths as callers give them."""

from __future__ import annotations

import os
from typing import Any


def path_text(path: Any, name: str) -> str:
    """Returns a path as text.

    Args:
        path: Text, or what stands for a path, such as a `pathlib.Path`.
        name: The argument's name, for the error's text.

    Raises:
        TypeError: It is neither.

    Example:
        >>> import pathlib
        >>> path_text(pathlib.PurePosixPath("a", "b"), "folder")
        'a/b'
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(
            f"Expected {name} to be a path: text or a pathlib.Path. Received: {path!r} (a "
            f"{type(path).__name__})."
        )
    return text
