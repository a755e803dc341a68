"""Beam's source of record blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from nsl_tfx.io.records import matching_files
from nsl_tfx.io.tfrecords import (
    BYTES_IN_BLOCK,
    RECORDS_IN_BLOCK,
    RecordBlock,
    read_record_blocks,
)


class ReadRecordBlocks(beam.PTransform):
    """Reads TFRecord files, gzipped or not, as blocks of records in no order.

    One worker reads a file from its start to its end, many read many files. Beam's own reader loses
    the rest of a gzip stream that was cut off; this one fails.

    Element type: `RecordBlock`.

    Args:
        patterns: Globs of the files; each must match at least one.
        what: What the files are, for the error where a glob matches none.
        max_records: Records of a block.
        max_bytes: Bytes of a block's records.

    Raises:
        FileNotFoundError: A glob matches no file; raised before the pipeline runs.
        ValueError: A file is cut off, damaged or no TFRecord file; raised while the pipeline runs.
    """

    def __init__(
        self,
        patterns: str | Sequence[str],
        what: str = "TFRecord files",
        max_records: int = RECORDS_IN_BLOCK,
        max_bytes: int = BYTES_IN_BLOCK,
    ):
        super().__init__()
        patterns = [patterns] if isinstance(patterns, str) else list(patterns)
        self._files = sorted({file for one in patterns for file in _matching(one, what)})
        self._limits = (max_records, max_bytes)

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read, *self._limits)
        )


def _matching(pattern: str, what: str) -> list[str]:
    try:
        return matching_files(pattern)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Expected {what} that match {pattern}. Received: no such file. Check that the step "
            "that writes them has run, and that they still lie there."
        ) from None


def _read(path: str, max_records: int, max_bytes: int) -> Iterator[RecordBlock]:
    return read_record_blocks(path, max_records, max_bytes)
