"""Bytes for Arrow to read, in memory of its own."""

from __future__ import annotations

import pyarrow as pa


def arrow_input(content: bytes) -> pa.BufferReader:
    """Returns a file for Arrow's readers that holds a copy of the bytes.

    Arrow's threads read ahead, and let go of what they read whenever they are done. If that is an
    object of Python's and Python ends meanwhile, the process is aborted.

    Example:
        >>> arrow_input(b"abc").read()
        b'abc'
    """
    sink = pa.BufferOutputStream()
    sink.write(content)
    return pa.BufferReader(sink.getvalue())
