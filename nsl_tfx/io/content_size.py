"""How many bytes a file holds once it is decompressed."""

from __future__ import annotations

import os
import struct
from typing import Any

_GZIP_MAGIC = b"\x1f\x8b"
# The end of a gzip stream counts bytes modulo this.
_COUNTED = 1 << 32
# Examples seldom get smaller than an eighth of themselves.
_LIKELY_RATIO = 8
# In a file of so few bytes gzip's own may be most of them.
_SMALL = 1 << 10


def estimate_content_bytes(path: str) -> int:
    """Returns about how many bytes a file holds: itself or, gzipped, what it unpacks to.

    The end of a gzip file says so for contents below 4 GiB. Where it cannot be right, since the
    file is larger than that, or is several streams put together, it is guessed.

    Args:
        path: The file; one with a scheme (`gs://`, `hdfs://`) is read through `tf.io.gfile`.

    Example:
        >>> import gzip, tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(gzip.compress(bytes(5000)))
        ...     file.flush()
        ...     estimate_content_bytes(file.name)
        5000
    """
    with _open(path) as file:
        is_gzip = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0, os.SEEK_END)
        size = int(file.tell())
        if not is_gzip or size < 4:
            return size
        file.seek(size - 4)
        (counted,) = struct.unpack("<I", file.read(4))
    if (counted < size // 2 and size > _SMALL) or size * _LIKELY_RATIO > _COUNTED:
        return max(int(counted), size * _LIKELY_RATIO)
    return int(counted)


def _open(path: str) -> Any:
    if "://" not in path:
        return open(path, "rb")
    # Not above: a local file is read without loading TensorFlow.
    import tensorflow as tf

    return tf.io.gfile.GFile(path, "rb")
