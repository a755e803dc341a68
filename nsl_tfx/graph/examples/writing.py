"""Beam transforms that write examples and counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsDict
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

from nsl_tfx.graph.examples.shards import (
    BYTES_IN_SHARD,
    num_shards,
    places_of,
    range_of,
    sort_rows,
    write_shard,
)
from nsl_tfx.io import storage

# Split, id and serialized tf.Example. A plain tuple, because Beam passes it between workers.
Row = tuple[str, bytes, bytes]
# Split, number of a file and of all files of the split.
ShardKey = tuple[str, int, int]

_BYTES_IN_BLOCK = 8 << 20
_ROWS_IN_BLOCK = 4096


class WriteShards(beam.PTransform):
    """Writes rows to `Split-<split>/data_tfrecord-SSSSS-of-NNNNN.gz`, the same bytes every time.

    The order of the rows is that of `nsl_tfx.graph.examples.shards`. A shard holds about 128 MiB of
    serialized examples. Every split gets at least one file, if an empty one.

    Element types: `Row` to the paths written.

    Args:
        folder: Holds the splits' folders.
        splits: Names of all splits.
        bytes_in_shard: Serialized examples in one file.
    """

    def __init__(self, folder: str, splits: Sequence[str], bytes_in_shard: int = BYTES_IN_SHARD):
        super().__init__()
        self._folder = folder
        self._splits = tuple(splits)
        self._bytes_in_shard = bytes_in_shard

    def expand(self, rows: Any) -> Any:
        """Applies the transform."""
        blocks = rows | "Blocks" >> beam.ParDo(_JoinRows())
        shards = AsDict(
            blocks
            | "Sizes" >> beam.Map(_block_size)
            | "SplitSizes" >> beam.CombinePerKey(sum)
            | "Shards" >> beam.Map(_split_shards, self._bytes_in_shard)
        )
        every_shard = (
            rows.pipeline
            | "Splits" >> beam.Create(self._splits)
            | "EveryShard" >> beam.FlatMap(_all_shards, shards)
        )
        return (
            (blocks | "Assign" >> beam.FlatMap(_assign_shards, shards), every_shard)
            | "RowsAndShards" >> beam.Flatten()
            | "GroupShards" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write_shard, self._folder)
        )


class WriteCounts(beam.PTransform):
    """Adds up (name, count) and writes the sums to a JSON file.

    Through a file rather than a Beam counter: a runner may repeat a bundle, after which its
    counters are too high, and some runners do not give them back.

    Args:
        path: The file.
    """

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def expand(self, counts: Any) -> Any:
        """Applies the transform."""
        return (
            counts
            | "Sum" >> beam.CombinePerKey(sum)
            | "OneDict" >> beam.combiners.ToDict()
            | "Write" >> beam.Map(_write_counts, self._path)
        )


# Split, ids and records of some rows.
_Block = tuple[str, list[bytes], list[bytes]]


class _JoinRows(beam.DoFn):
    """Joins rows to blocks, because every element that passes between workers costs."""

    def start_bundle(self) -> None:
        # Not once for all: a bundle that failed may leave rows behind, and is repeated.
        self._waiting: dict[str, tuple[list[bytes], list[bytes]]] = {}
        self._rows = self._bytes = 0

    def process(self, row: Row) -> Iterator[_Block]:
        split, identity, record = row
        ids, records = self._waiting.setdefault(split, ([], []))
        ids.append(identity)
        records.append(record)
        self._rows += 1
        self._bytes += len(record)
        if self._rows >= _ROWS_IN_BLOCK or self._bytes >= _BYTES_IN_BLOCK:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        for block in self._flush():
            yield WindowedValue(block, window.max_timestamp(), [window])

    def _flush(self) -> Iterator[_Block]:
        waiting, self._waiting = self._waiting, {}
        self._rows = self._bytes = 0
        for split, (ids, records) in waiting.items():
            yield split, ids, records


def _block_size(block: _Block) -> tuple[str, int]:
    return block[0], sum(map(len, block[2]))


def _split_shards(split_size: tuple[str, int], bytes_in_shard: int) -> tuple[str, int]:
    split, size = split_size
    return split, num_shards(size, bytes_in_shard)


def _assign_shards(
    block: _Block, shards: Mapping[str, int]
) -> Iterator[tuple[ShardKey, tuple[list[bytes], list[bytes]]]]:
    split, ids, records = block
    count = shards[split]
    if count == 1:
        yield (split, 0, count), (ids, records)
        return
    numbers = range_of(places_of(ids, records), count)
    for shard in np.unique(numbers).tolist():
        rows = np.flatnonzero(numbers == shard).tolist()
        yield (split, shard, count), ([ids[row] for row in rows], [records[row] for row in rows])


def _all_shards(split: str, shards: Mapping[str, int]) -> Iterator[tuple[ShardKey, None]]:
    count = shards.get(split, 1)
    for shard in range(count):
        yield (split, shard, count), None


def _write_shard(
    group: tuple[ShardKey, Iterable[tuple[list[bytes], list[bytes]] | None]], folder: str
) -> str:
    (split, shard, count), blocks = group
    ids: list[bytes] = []
    records: list[bytes] = []
    for block in blocks:
        if block is not None:
            ids.extend(block[0])
            records.extend(block[1])
    order: NDArray[np.int64] = sort_rows(places_of(ids, records), ids, records)
    return write_shard(folder, split, shard, count, (records[row] for row in order))


def _write_counts(counts: Mapping[str, int], path: str) -> str:
    storage.write_bytes(path, json.dumps(dict(counts), sort_keys=True).encode())
    return path
