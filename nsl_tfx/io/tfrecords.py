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
import numpy as np

# File, number of its first record (counted from 0), serialized records. A plain tuple, because
# Beam passes it between workers.
RecordBlock = tuple[str, int, list[bytes]]

RECORDS_IN_BLOCK = 4096
BYTES_IN_BLOCK = 8 << 20

_HEADER_BYTES = 12
_FOOTER_BYTES = 4
FRAME_BYTES = _HEADER_BYTES + _FOOTER_BYTES
"""What a file holds beside each record's data."""

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
    for part in _read_records(path):
        for record in part:
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


def _read_records(path: str) -> Iterator[list[bytes]]:
    number = 0
    try:
        for records in _parse(_read_content(path)):
            yield records
            number += len(records)
    except _DamagedError as error:
        raise ValueError(
            f"Expected {path} to hold whole TFRecords, gzipped or not. Received: {error}, at "
            f"record {number} (counted from 0). Write the file anew, or copy it again from "
            "where it is whole."
        ) from None


def _parse(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yields what whole records each chunk completes, those before a damage too."""
    known: dict[bytes, int] = {}
    data, end, wanted = b"", 0, _HEADER_BYTES
    while True:
        data = _extend(data[end:], chunks, wanted)
        if not data:
            return
        if len(data) < wanted:
            what = "length" if wanted == _HEADER_BYTES else "record"
            raise _DamagedError(f"{len(data)} bytes where a {what} should take {wanted}")
        records, end, wanted, damage = _take_records(data, known)
        right = _count_right(data, records)
        yield records[:right]
        if right < len(records):
            raise _DamagedError("data that do not match their checksum")
        if damage:
            raise _DamagedError(damage)


def _take_records(data: bytes, known: dict[bytes, int]) -> tuple[list[bytes], int, int, str]:
    """Returns the whole records that data begin with, their data's checksums not checked.

    Args:
        data: Begins where a record does.
        known: Lengths by the headers that were found right; more are added.

    Returns:
        The records, where they end, how many bytes the next one needs as far as can be told, and
        what is wrong with its header.
    """
    records: list[bytes] = []
    start = 0
    while True:
        body = start + _HEADER_BYTES
        header = data[start:body]
        length = known.get(header)
        if length is None:
            if len(header) < _HEADER_BYTES:
                return records, start, _HEADER_BYTES, ""
            if header[8:] != _checksum(header[:8]):
                return records, start, 0, "a record's length that does not match its checksum"
            length = int.from_bytes(header[:8], "little")
            if len(known) < _MAX_KNOWN:
                known[header] = length
        end = body + length + _FOOTER_BYTES
        if end > len(data):
            return records, start, end - start, ""
        records.append(data[body : end - _FOOTER_BYTES])
        start = end


def _count_right(data: bytes, records: list[bytes]) -> int:
    """Returns how many records match their checksums, up to the first that does not."""
    if not records:
        return 0
    sizes = np.fromiter(map(len, records), np.int64, len(records))
    ends = np.cumsum(sizes + (_HEADER_BYTES + _FOOTER_BYTES))
    places = ends[:, None] + np.arange(-_FOOTER_BYTES, 0)
    stored = np.frombuffer(data, np.uint8)[places].view("<u4")[:, 0]
    found = np.fromiter(map(google_crc32c.value, records), np.uint32, len(records))
    # As `_checksum`, but for all at once.
    masked = (found >> np.uint32(15) | found << np.uint32(17)) + np.uint32(0xA282EAD8)
    wrong = np.flatnonzero(masked != stored)
    return int(wrong[0]) if len(wrong) else len(records)


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
