"""The Beam transform that writes sorted edges to a graph's files, wherever ranges are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton

from nsl_tfx.graph.files import EDGE_SCHEMA, Shard, num_shards, write_shard
from nsl_tfx.graph.id_ranges import take_rows

# Where the edges end, among the places of blocks, which have numbers from 0.
_END = (-1, 0)

# Range, number in the range, and sorted edges.
Block = tuple[int, int, pa.RecordBatch]
# By range and block: a number of edges, or the place of the first.
Sizes = dict[tuple[int, int], int]


class WriteEdgeShards(beam.PTransform):
    """Sorted edges of each range to files that do not depend on the ranges.

    Where there is one range, its worker has written the files.

    Element types: (range, block, `pyarrow.RecordBatch`) to `Shard`.

    Args:
        starts: Side input of where the ranges begin.
        folder: Where to write to.
        edges_in_shard: Edges of one file.
    """

    def __init__(self, starts: AsSingleton, folder: str, edges_in_shard: int):
        super().__init__()
        self._starts = starts
        self._folder = folder
        self._edges_in_shard = edges_in_shard

    def expand(self, blocks: Any) -> Any:
        """Applies the transform."""
        sizes = AsDict(
            blocks
            | "Sizes" >> beam.Map(_block_size)
            | "Add" >> beam.CombineGlobally(_join_sizes)
            | "Offsets" >> beam.FlatMap(_offsets)
        )
        every_shard = (
            blocks.pipeline
            | "Once" >> beam.Create([0])
            | "EveryShard" >> beam.FlatMap(_every_shard, sizes, self._starts, self._edges_in_shard)
        )
        return (
            (
                blocks | "ByShard" >> beam.FlatMap(_by_shard, sizes, self._edges_in_shard),
                every_shard,
            )
            | "BlocksAndShards" >> beam.Flatten()
            | "GroupShards" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write_shard, sizes, self._folder, self._edges_in_shard)
        )


def _block_size(block: Block) -> Sizes:
    return {block[:2]: block[2].num_rows}


def _join_sizes(sizes: Iterable[Sizes]) -> Sizes:
    return {block: rows for part in sizes for block, rows in part.items()}


def _offsets(sizes: Sizes) -> Iterator[tuple[tuple[int, int], int]]:
    """Yields the place of each block's first edge among all, and that of the end."""
    place = 0
    for block in sorted(sizes):
        yield block, place
        place += sizes[block]
    yield _END, place


def _every_shard(
    _: int, offsets: Sizes, starts: Sequence[bytes], edges_in_shard: int
) -> Iterator[tuple[int, tuple[int, None]]]:
    if starts:
        for shard in range(num_shards(offsets[_END], edges_in_shard)):
            yield shard, (0, None)


def _by_shard(
    block: Block, offsets: Sizes, edges_in_shard: int
) -> Iterator[tuple[int, tuple[int, pa.RecordBatch]]]:
    """Yields the rows of each file, with their place among all edges."""
    batch, start = block[2], offsets[block[:2]]
    row = 0
    while row < batch.num_rows:
        shard = (start + row) // edges_in_shard
        end = min(batch.num_rows, (shard + 1) * edges_in_shard - start)
        yield shard, (start + row, take_rows(batch, np.arange(row, end)))
        row = end


def _write_shard(
    group: tuple[int, Iterable[tuple[int, pa.RecordBatch | None]]],
    offsets: Sizes,
    folder: str,
    edges_in_shard: int,
) -> Shard:
    shard, values = group
    blocks = {place: batch for place, batch in values if batch is not None}
    table = pa.Table.from_batches([blocks[place] for place in sorted(blocks)], EDGE_SCHEMA)
    return write_shard(folder, shard, num_shards(offsets[_END], edges_in_shard), table)
