"""The Beam transform that makes a NeighborGraph's files of edges, at any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsList, AsSingleton, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph.completion import (
    BOTH_WAYS_SCHEMA,
    DEGREE_SCHEMA,
    MERGED_SCHEMA,
    Completion,
    complete_graph,
    complete_range,
    count_range,
    merge_range,
    turn_around,
)
from nsl_tfx.graph.counting import GraphCounts, add_counts
from nsl_tfx.graph.description import describe_counts
from nsl_tfx.graph.files import (
    EDGE_SCHEMA,
    EDGES_IN_SHARD,
    Shard,
    edge_table,
    num_shards,
    write_edges,
    write_info,
    write_shard,
)
from nsl_tfx.graph.id_ranges import (
    IdSample,
    cut_ids,
    join_samples,
    own_memory,
    sample_ids,
    split_batch,
    take_rows,
)
from nsl_tfx.graph.nodes import code_labels, coded_nodes

# What a worker holds of a range at its peak, measured: this many times the bytes of the edges and
# nodes that it is given, because both directions, sort keys and results lie beside them.
_WORK_PER_BYTE = 16
# The same for each node whose component is looked for.
_BYTES_PER_LINKED_NODE = 96
_ROWS_IN_BLOCK = 1 << 16

_ID_COLUMNS = ("id", "source", "target")
_COUNTS = "counts"
_DEGREES = "degrees"
_MAIN = "main"
# Where the edges end, among the places of blocks, which have numbers from 0.
_END = (-1, 0)

# Range, number in the range, and sorted edges.
Block = tuple[int, int, pa.RecordBatch]
# By range and block: a number of edges, or the place of the first.
Sizes = dict[tuple[int, int], int]
_SHARDS = "shards"


class FinishGraph(beam.PTransform):
    """Edges to a NeighborGraph's files: merged, symmetrized, sorted, measured.

    Duplicates keep their largest weight. The files are the same to the byte in whatever blocks the
    edges come, and however many ranges of ids they are cut into: one, where that fits the budget.
    What is larger goes three times between workers, in blocks: by target, by source and by file.
    A single id's edges stay together, so that the largest hub's have to fit. Without any node
    nothing is written.

    Element types: a dict of
        edges: `pyarrow.RecordBatch` of `EDGE_SCHEMA`, of any size and in any order.
        nodes: `pyarrow.RecordBatch` of `NODE_SCHEMA`, each id once. May be left out: then the
            nodes are the ends of the edges, without labels or splits.
        info: One dict, the further content of `graph.json`; its `drops` are kept beside those
            counted here. May be left out.
    to the folder's name, once.

    Args:
        folder: Where to write to. A component gives a temporary one, which it publishes whole.
        symmetrize: How both directions of an edge become one graph.
        dangling: What becomes of an edge to or from an id that is not among the nodes.
        labeled: Whether label agreement is reported; where any node has a label, when None.
        worker_memory_mb: MiB that one worker may hold at once.
        edges_in_shard: Edges of one file.

    Raises:
        ValueError: Two nodes have one id, or `dangling` refuses one.
    """

    def __init__(
        self,
        folder: str,
        *,
        symmetrize: Symmetrize = Symmetrize.UNION,
        dangling: DanglingIds = DanglingIds.KEEP,
        labeled: bool | None = None,
        worker_memory_mb: float = 2048,
        edges_in_shard: int = EDGES_IN_SHARD,
    ):
        super().__init__()
        budget = worker_memory_mb * 2**20
        self._folder = folder
        self._labeled = labeled
        self._bytes_in_range = budget / _WORK_PER_BYTE
        self._edges_in_shard = edges_in_shard
        self._how = Completion(
            symmetrize=symmetrize,
            dangling=dangling,
            max_linked_nodes=int(budget / _BYTES_PER_LINKED_NODE),
        )

    def expand(self, inputs: Mapping[str, Any]) -> Any:
        """Applies the transform."""
        how, folder, in_shard = self._how, self._folder, self._edges_in_shard
        has_nodes = "nodes" in inputs
        pipeline = inputs["edges"].pipeline
        edges = inputs["edges"] | "OwnEdges" >> beam.Map(own_memory)
        nodes = (
            inputs["nodes"] | "OwnNodes" >> beam.Map(_code_nodes)
            if has_nodes
            else pipeline | "NoNodes" >> beam.Create([])
        )
        starts = AsSingleton(
            (edges | "SampleEnds" >> beam.Map(_sample), nodes | "SampleIds" >> beam.Map(_sample))
            | "Samples" >> beam.Flatten()
            | "Sample" >> beam.CombineGlobally(join_samples)
            | "Cut" >> beam.Map(cut_ids, self._bytes_in_range)
        )
        merged = (
            (
                edges | "EdgesByTarget" >> beam.ParDo(_EdgesByTarget(), starts),
                nodes | "NodesByTarget" >> beam.ParDo(_ByRange(), starts),
            )
            | "EdgesAndTargets" >> beam.Flatten()
            | "GroupByTarget" >> beam.GroupByKey()
            | "Merge"
            >> beam.FlatMap(_merge, starts, how, has_nodes, folder, in_shard).with_outputs(
                _COUNTS, _SHARDS, main=_MAIN
            )
        )
        complete = (
            (
                merged[_MAIN] | "EdgesBySource" >> beam.ParDo(_ByRange(), starts),
                nodes | "NodesBySource" >> beam.ParDo(_ByRange(min_ranges=2), starts),
            )
            | "EdgesAndSources" >> beam.Flatten()
            | "GroupBySource" >> beam.GroupByKey()
            | "Complete"
            >> beam.FlatMap(_complete, how, has_nodes).with_outputs(_COUNTS, _DEGREES, main=_MAIN)
        )
        counts = [merged[_COUNTS], complete[_COUNTS]]
        if how.directed:
            counts.append(
                complete[_DEGREES]
                | "DegreesByRange" >> beam.ParDo(_ByRange(), starts)
                | "GroupDegrees" >> beam.GroupByKey()
                | "CountNodes" >> beam.Map(_count_nodes, how)
            )
        totals = (
            counts
            | "AllCounts" >> beam.Flatten()
            | "Add" >> beam.CombineGlobally(_AddCounts(how.max_linked_nodes))
        )
        shards = (
            merged[_SHARDS],
            complete[_MAIN] | "WriteShards" >> _WriteShards(starts, folder, in_shard),
        ) | "AllShards" >> beam.Flatten()
        info = inputs.get("info") or pipeline | "NoInfo" >> beam.Create([{}])
        return totals | "WriteInfo" >> beam.FlatMap(
            _write_info, AsList(shards), AsSingleton(info), folder, how, self._labeled
        )


class _WriteShards(beam.PTransform):
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


class _AddCounts(beam.CombineFn):
    """Adds up the counts of a graph's parts; a few at a time, because each addition sorts."""

    _AT_ONCE = 16

    def __init__(self, max_linked_nodes: int):
        super().__init__()
        self._max_linked_nodes = max_linked_nodes

    def create_accumulator(self) -> list[GraphCounts]:
        return []

    def add_input(self, accumulator: list[GraphCounts], element: GraphCounts) -> list[GraphCounts]:
        accumulator.append(element)
        return accumulator if len(accumulator) < self._AT_ONCE else self.compact(accumulator)

    def merge_accumulators(self, accumulators: Iterable[list[GraphCounts]]) -> list[GraphCounts]:
        merged: list[GraphCounts] = []
        for accumulator in accumulators:
            merged = self.compact(merged + accumulator)
        return merged

    def compact(self, accumulator: list[GraphCounts]) -> list[GraphCounts]:
        if len(accumulator) < 2:
            return accumulator
        return [add_counts(accumulator, self._max_linked_nodes)]

    def extract_output(self, accumulator: list[GraphCounts]) -> GraphCounts:
        return add_counts([GraphCounts(), *accumulator], self._max_linked_nodes)


class _ByRange(beam.DoFn):
    """Gives each row of a batch the number of the range that its first column's id lies in.

    Small batches are joined first: cut into many ranges, each would become as many tinier ones.

    Args:
        min_ranges: Rows are let through only where there are so many ranges.
    """

    def __init__(self, min_ranges: int = 1):
        super().__init__()
        self._min_ranges = min_ranges

    def start_bundle(self) -> None:
        # Not once for all: a bundle that failed may leave rows behind, and is repeated.
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._starts: Sequence[bytes] = ()

    def process(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        if len(starts) + 1 < self._min_ranges or not batch.num_rows:
            return
        self._starts = starts
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROWS_IN_BLOCK:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        for element in self._flush():
            yield WindowedValue(element, window.max_timestamp(), [window])

    def _flush(self) -> Iterator[Any]:
        if self._waiting:
            batch = _join(self._waiting)
            self._waiting, self._rows = [], 0
            yield from self.split(batch, self._starts)

    def split(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        """Yields the rows of each range."""
        yield from split_batch(batch, 0, starts)


class _EdgesByTarget(_ByRange):
    """Gives each edge to the range of its target and, turned around, to that of its source.

    Where there is but one range, its worker turns the edges around.
    """

    def split(self, batch: pa.RecordBatch, starts: Sequence[bytes]) -> Iterator[Any]:
        if not starts:
            yield 0, batch
            return
        for turned in turn_around(batch):
            yield from split_batch(turned, 1, starts)


def _code_nodes(batch: pa.RecordBatch) -> pa.RecordBatch:
    return own_memory(code_labels(batch))


def _sample(batch: pa.RecordBatch) -> IdSample:
    ends = [batch.column(i) for i, name in enumerate(batch.schema.names) if name in _ID_COLUMNS]
    return sample_ids(ends, batch.nbytes)


def _merge(
    group: tuple[int, Iterable[pa.RecordBatch]],
    starts: Sequence[bytes],
    how: Completion,
    has_nodes: bool,
    folder: str,
    edges_in_shard: int,
) -> Iterator[Any]:
    """Yields merged edges; where all are here, completes and writes them instead."""
    edges, nodes = _parted(group[1], BOTH_WAYS_SCHEMA if starts else EDGE_SCHEMA, has_nodes)
    if starts:
        merged, counts = merge_range(edges, nodes, how)
        yield from map(own_memory, merged.to_batches(_ROWS_IN_BLOCK))
    else:
        graph = complete_graph(edges, nodes, how)
        counts = graph.counts
        for shard in write_edges(folder, graph.ids, graph.edges, edges_in_shard):
            yield TaggedOutput(_SHARDS, shard)
    yield TaggedOutput(_COUNTS, counts)


def _complete(
    group: tuple[int, Iterable[pa.RecordBatch]], how: Completion, has_nodes: bool
) -> Iterator[Any]:
    """Yields (range, block, sorted edges)."""
    edges, nodes = _parted(group[1], MERGED_SCHEMA, has_nodes)
    graph, degrees = complete_range(edges, nodes, how)
    for block, start in enumerate(range(0, len(graph.edges), _ROWS_IN_BLOCK)):
        rows = np.arange(start, min(start + _ROWS_IN_BLOCK, len(graph.edges)))
        table = edge_table(graph.ids, graph.edges.select(rows))
        yield group[0], block, _join(table.to_batches())
    yield TaggedOutput(_COUNTS, graph.counts)
    if degrees is not None:
        for batch in degrees.to_batches():
            yield TaggedOutput(_DEGREES, batch)


def _count_nodes(group: tuple[int, Iterable[pa.RecordBatch]], how: Completion) -> GraphCounts:
    return count_range(pa.Table.from_batches(list(group[1]), DEGREE_SCHEMA), how)


def _parted(
    batches: Iterable[pa.RecordBatch], edge_schema: pa.Schema, has_nodes: bool
) -> tuple[pa.Table, pa.Table | None]:
    """Returns a group's edges and its nodes, which come mixed."""
    edges: list[pa.RecordBatch] = []
    nodes: list[pa.RecordBatch] = []
    for batch in batches:
        (nodes if batch.schema.names[0] == "id" else edges).append(batch)
    return pa.Table.from_batches(edges, edge_schema), coded_nodes(nodes) if has_nodes else None


def _join(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Returns one batch of all rows, in memory of its own where there are several."""
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


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


def _write_info(
    counts: GraphCounts,
    shards: Sequence[Shard],
    info: Mapping[str, Any],
    folder: str,
    how: Completion,
    labeled: bool | None,
) -> Iterator[str]:
    """Writes what makes the files a graph, once all of them are there."""
    if counts.nodes:
        write_info(folder, counts.nodes, shards, describe_counts(counts, how, info, labeled))
        yield folder
