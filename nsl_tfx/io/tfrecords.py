"""TFRecord files as blocks of records, strictly: a damaged file is an error, never a shorter one.

TensorFlow's reader gives one record at a time and has to be loaded first. Beam's takes a gzip
stream that was cut off for a whole one, and silently loses the rest.

A file is a row of records, each of: its length (8 bytes, little endian), the length's checksum (4),
the data, and their checksum (4). A checksum is the CRC-32C, rotated and shifted by a constant.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import google_crc32c

# File, number of its first record (counted from 0), serialized records. A plain tuple, because
# Beam passes it between workers.
RecordBlock = tuple[str, int, list[bytes]]

RECORDS_IN_BLOCK = 4096
BYTES_IN_BLOCK = 8 << 20

_HEADER_BYTES = 12
_FOOTER_BYTES = 4
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_BYTES_IN_CHUNK = 1 << 20
# Lengths whose checksum was found right are remembered, since most files have few; this many.
_MAX_KNOWN = 1 << 14


def read_record_blocks(
    path: str, max_records: int = RECORDS_IN_BLOCK, max_bytes: int = BYTES_IN_BLOCK
) -> Iterator[RecordBlock]:
    """Yields a TFRecord file's records in blocks, in their order; one block is in memory at a time.

    Whether the file is gzipped is told by its content, whatever its name. A plain file that was cut
    off exactly between two records cannot be told from a whole one; a gzipped one can.

    Args:
        path: The file; one with a scheme (`gs://`, `hdfs://`) is read through `tf.io.gfile`.
        max_records: Records of a block.
        max_bytes: Bytes of a block's records; a longer record makes a block of its own.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut off, damaged or no TFRecord file. Full blocks of what comes
            before the damage were given by then.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(frame_record(b"one") + frame_record(b"two"))
        ...     file.flush()
        ...     [(first, records) for _, first, records in read_record_blocks(file.name)]
        [(0, [b'one', b'two'])]
    """
    first, size = 0, 0
    records: list[bytes] = []
    for record in _read_records(path):
        if records and (len(records) >= max_records or size + len(record) > max_bytes):
            yield path, first, records
            first, size, records = first + len(records), 0, []
        records.append(record)
        size += len(record)
    if records:
        yield path, first, records


def frame_record(record: bytes) -> bytes:
    """Returns a record as it lies in a TFRecord file.

    Example:
        >>> len(frame_record(b"four"))
        20
    """
    length = struct.pack("<Q", len(record))
    return b"".join((length, _checksum(length), record, _checksum(record)))


class _DamagedError(Exception):
    """What is wrong with a file, before it is known at which record."""


def _read_records(path: str) -> Iterator[bytes]:
    number = -1
    try:
        for number, record in enumerate(_parse(_read_content(path))):  # noqa: B007 - for the error
            yield record
    except _DamagedError as error:
        raise ValueError(
            f"Expected {path} to hold whole TFRecords, gzipped or not. Received: {error}, at "
            f"record {number + 1} (counted from 0). Write the file anew, or copy it again from "
            "where it is whole."
        ) from None


def _parse(chunks: Iterator[bytes]) -> Iterator[bytes]:
    known: dict[bytes, int] = {}
    data, start = b"", 0
    while True:
        body = start + _HEADER_BYTES
        if body > len(data):
            data, start, body = _extend(data[start:], chunks, _HEADER_BYTES), 0, _HEADER_BYTES
            if not data:
                return
        header = data[start:body]
        length = known.get(header)
        if length is None:
            length = _check_header(header)
            if len(known) < _MAX_KNOWN:
                known[header] = length
        end = body + length
        if end + _FOOTER_BYTES > len(data):
            whole = _HEADER_BYTES + length + _FOOTER_BYTES
            data, start, body = _extend(data[start:], chunks, whole), 0, _HEADER_BYTES
            end = body + length
            if len(data) < whole:
                raise _DamagedError(
                    f"a record that should take {whole} bytes, of which {len(data)} are there"
                )
        record = data[body:end]
        start = end + _FOOTER_BYTES
        if data[end:start] != _checksum(record):
            raise _DamagedError("data that do not match their checksum")
        yield record


def _extend(data: bytes, chunks: Iterator[bytes], wanted: int) -> bytes:
    """Returns the data and, as far as there is more, so many chunks that they hold `wanted`."""
    parts, have = [data], len(data)
    while have < wanted:
        chunk = next(chunks, None)
        if chunk is None:
            break
        parts.append(chunk)
        have += len(chunk)
    return b"".join(parts)


def _check_header(header: bytes) -> int:
    if len(header) < _HEADER_BYTES:
        raise _DamagedError(f"{len(header)} bytes where a record's length should stand")
    if header[8:] != _checksum(header[:8]):
        raise _DamagedError("a record's length that does not match its checksum")
    return int.from_bytes(header[:8], "little")


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")


def _read_content(path: str) -> Iterator[bytes]:
    """Yields the file's content, decompressed."""
    with _open(path) as file:
        start = file.read(_BYTES_IN_CHUNK)
        if _is_header(start[:_HEADER_BYTES]) or not start.startswith(_GZIP_MAGIC):
            if not start and path.endswith(".gz"):
                raise _DamagedError("an empty file, where gzip writes at least its own header")
            yield from _chunks(start, file)
        else:
            yield from _decompress(_chunks(start, file))


def _is_header(data: bytes) -> bool:
    # A record of 35,615 bytes begins with gzip's magic bytes too; its checksum tells it apart.
    return len(data) == _HEADER_BYTES and data[8:] == _checksum(data[:8])


def _chunks(start: bytes, file: Any) -> Iterator[bytes]:
    while start:
        yield start
        start = file.read(_BYTES_IN_CHUNK)


def _decompress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(_GZIP_WINDOW)
    for chunk in chunks:
        while chunk:
            if stream.eof:  # files that were put together are a row of streams
                stream = zlib.decompressobj(_GZIP_WINDOW)
            try:
                data = stream.decompress(chunk, _BYTES_IN_CHUNK)
            except zlib.error as error:
                raise _DamagedError(f"a damaged gzip stream ({error})") from None
            if data:
                yield data
            chunk = stream.unused_data if stream.eof else stream.unconsumed_tail
    if not stream.eof:
        raise _DamagedError("a gzip stream that was cut off")


def _open(path: str) -> Any:
    if "://" not in path:
        return open(path, "rb", buffering=0)
    # Not above: a local file is read without loading TensorFlow.
    import tensorflow as tf

    return tf.io.gfile.GFile(path, "rb")
