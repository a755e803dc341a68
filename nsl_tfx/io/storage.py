"""Bytes of a file, wherever it lies.

A plain path is read with Python's own calls, so that looking at a local graph does not load
TensorFlow; a path with a scheme (`gs://`, `hdfs://`) goes through `tf.io.gfile`, as all of TFX
does. Files pass through memory whole, because remote file objects differ in what they can do;
graphs are written in shards of bounded size.
"""

from __future__ import annotations

import glob
import os
from typing import Any

from nsl_tfx.io.folders import check_named
from nsl_tfx.io.folders import is_remote as is_remote
from nsl_tfx.io.publishing import published


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


def join(folder: str, name: str) -> str:
    """Returns the path of a file in a folder.

    Raises:
        ValueError: The folder's path is empty.
    """
    check_named(folder)
    return f"{folder.rstrip('/')}/{name}"


def open_file(path: str) -> Any:
    """Opens a file to read bytes from; a remote one has less than a file of Python."""
    return _gfile().GFile(path, "rb") if is_remote(path) else open(path, "rb")


def read_bytes(path: str) -> bytes:
    """Returns a file's content."""
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    with _gfile().GFile(path, "rb") as file:
        return bytes(file.read())


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file, which appears whole or not at all; makes its folder first."""
    with published(path, compress=False) as file:
        file.write(content)


def size_of(path: str) -> int:
    """Returns how many bytes a file has."""
    return int(_gfile().stat(path).length) if is_remote(path) else os.path.getsize(path)


def exists(path: str) -> bool:
    """Tells whether there is such a file or folder."""
    return bool(_gfile().exists(path)) if is_remote(path) else os.path.exists(path)


def is_folder(path: str) -> bool:
    """Tells whether there is such a folder."""
    return bool(_gfile().isdir(path)) if is_remote(path) else os.path.isdir(path)


def matching(folder: str, pattern: str) -> list[str]:
    """Returns the files of a folder whose name matches a glob pattern, sorted."""
    if is_remote(folder):
        return sorted(_gfile().glob(join(folder, pattern)))
    return sorted(glob.glob(join(glob.escape(folder), pattern)))


def remove(path: str) -> None:
    """Removes a file."""
    if is_remote(path):
        _gfile().remove(path)
    else:
        os.remove(path)
