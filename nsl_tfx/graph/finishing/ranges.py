"""Beam transforms that send rows to the range of ids that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from nsl_tfx.graph.finishing.completion import turn_around
from nsl_tfx.graph.id_ranges import split_batch

ROWS_IN_BLOCK = 1 << 16


class ByRange(beam.DoFn):
    """Gives each row of a batch the number of the range that its first column's id lies in.

    Small batches are joined first: cut into many ranges, each would become as many tinier ones.

    Args:
        min_ranges: Rows are let through only where there are so many ranges.
    """

    def __init__(self, min_ranges: int = 1):
        super().__init__()
        self._min_ranges = min_ranges

    def start_bundle(self) -> None:
        """Begins without rows."""
        # Not once for all: a bundle that failed may leave rows behind, and is repeated.
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._starts: Sequence[bytes] = ()

    def process(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        """Yields (range, rows), once enough rows have come."""
        if len(starts) + 1 < self._min_ranges or not batch.num_rows:
            return
        self._starts = starts
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROWS_IN_BLOCK:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        """Yields the rows that are left."""
        window = GlobalWindow()
        for element in self._flush():
            yield WindowedValue(element, window.max_timestamp(), [window])

    def _flush(self) -> Iterator[Any]:
        if self._waiting:
            batch = join_batches(self._waiting)
            self._waiting, self._rows = [], 0
            yield from self.split(batch, self._starts)

    def split(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        """Yields the rows of each range."""
        yield from split_batch(batch, 0, starts)


class EdgesByTarget(ByRange):
    """Gives each edge to the range of its target and, turned around, to that of its source.

    Where there is but one range, its worker turns the edges around.
    """

    def split(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        """Yields the rows of each range, for edges turned both ways."""
        if not starts:
            yield 0, batch
            return
        for turned in turn_around(batch):
            yield from split_batch(turned, 1, starts)


def join_batches(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Returns one batch of all rows, in memory of its own where there are several."""
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
