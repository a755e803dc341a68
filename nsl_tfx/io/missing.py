"""Why a path names no file to read."""

from __future__ import annotations

import os

from nsl_tfx.io.folders import is_remote


def why_no_file(path: str) -> str:
    """Returns what is at a path that is no file, and what to do, as the end of a sentence.

    Example:
        >>> why_no_file("/no/such/file")
        'but there is no such file. Check the path.'
    """
    if is_remote(path) or not os.path.exists(path):
        return "but there is no such file. Check the path."
    if os.path.isdir(path):
        return f"which is a folder. Say which of its files: {os.path.join(path, '*')!r}."
    return "which is a pipe or a device. Write it to a file first, and name that."
