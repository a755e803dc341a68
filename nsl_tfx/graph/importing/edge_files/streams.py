"""A file's content, decompressed, piece by piece; a damaged one is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from nsl_tfx.io import storage

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Arrow's name of a compression by the file's ending."""

_GZIP_MAGIC = b"\x1f\x8b"
_BYTES_IN_CHUNK = 8 << 20


def read_chunks(path: str, chunk_bytes: int = _BYTES_IN_CHUNK) -> Iterator[bytes]:
    """Yields a file's content, decompressed where its name ends so.

    Args:
        path: The file, local or with a scheme such as `gs://`.
        chunk_bytes: Bytes of a chunk.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The compressed content is cut off or damaged.
    """
    with storage.open_file(path) as file:
        compression = next((c for ending, c in COMPRESSIONS.items() if path.endswith(ending)), None)
        start = file.read(len(_GZIP_MAGIC))
        if compression is None and start == _GZIP_MAGIC:
            compression = "gzip"
        if compression is None:
            chunk = start + file.read(chunk_bytes)
            while chunk:
                yield chunk
                chunk = file.read(chunk_bytes)
            return
        if not start:
            raise _damaged(path, compression, "an empty file")
        source = pa.PythonFile(_Rest(start, file), mode="r")
        try:
            with pa.CompressedInputStream(source, compression) as stream:
                while chunk := stream.read(chunk_bytes):
                    yield chunk
        except OSError as error:
            raise _damaged(path, compression, str(error)) from None


def _damaged(path: str, compression: str, what: str) -> ValueError:
    return ValueError(
        f"Expected {path} to hold whole {compression} data. Received: {what}. The file was cut off "
        "or damaged, or its name ends as that of a compressed one: copy it again from where it is "
        "whole, or rename it."
    )


class _Rest:
    """A file whose first bytes were read already, as Arrow wants it.

    A remote file lacks part of what Arrow asks of a Python file.
    """

    closed = False

    def __init__(self, start: bytes, file: Any):
        self._start = start
        self._file = file

    def read(self, size: int) -> bytes:
        start, self._start = self._start[:size], self._start[size:]
        return start + bytes(self._file.read(size - len(start))) if size > len(start) else start

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Leaves the file to whoever opened it."""
