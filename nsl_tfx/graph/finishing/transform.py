"""The Beam transform that makes a NeighborGraph's files of edges, at any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph.files import (
    EDGE_SCHEMA,
    EDGES_IN_SHARD,
    Shard,
    edge_table,
    write_edges,
    write_info,
)
from nsl_tfx.graph.finishing.completion import (
    BOTH_WAYS_SCHEMA,
    DEGREE_SCHEMA,
    MERGED_SCHEMA,
    Completion,
    complete_graph,
    complete_range,
    count_range,
    merge_range,
)
from nsl_tfx.graph.finishing.description import describe_counts
from nsl_tfx.graph.finishing.edge_shards import WriteEdgeShards
from nsl_tfx.graph.finishing.nodes import code_labels, coded_nodes
from nsl_tfx.graph.finishing.ranges import ROWS_IN_BLOCK, ByRange, EdgesByTarget, join_batches
from nsl_tfx.graph.id_ranges import (
    IdSample,
    cut_ids,
    join_samples,
    own_memory,
    sample_ids,
)
from nsl_tfx.graph.measuring.counting import GraphCounts, add_counts

# What a worker holds of a range at its peak, measured: this many times the bytes of the edges and
# nodes that it is given, because both directions, sort keys and results lie beside them.
_WORK_PER_BYTE = 16
# The same for each node whose component is looked for.
_BYTES_PER_LINKED_NODE = 96

_ID_COLUMNS = ("id", "source", "target")
_COUNTS = "counts"
_DEGREES = "degrees"
_MAIN = "main"
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
                edges | "EdgesByTarget" >> beam.ParDo(EdgesByTarget(), starts),
                nodes | "NodesByTarget" >> beam.ParDo(ByRange(), starts),
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
                merged[_MAIN] | "EdgesBySource" >> beam.ParDo(ByRange(), starts),
                nodes | "NodesBySource" >> beam.ParDo(ByRange(min_ranges=2), starts),
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
                | "DegreesByRange" >> beam.ParDo(ByRange(), starts)
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
            complete[_MAIN] | "WriteShards" >> WriteEdgeShards(starts, folder, in_shard),
        ) | "AllShards" >> beam.Flatten()
        info = inputs.get("info") or pipeline | "NoInfo" >> beam.Create([{}])
        return totals | "WriteInfo" >> beam.FlatMap(
            _write_info, AsList(shards), AsSingleton(info), folder, how, self._labeled
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
        yield from map(own_memory, merged.to_batches(ROWS_IN_BLOCK))
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
    for block, start in enumerate(range(0, len(graph.edges), ROWS_IN_BLOCK)):
        rows = np.arange(start, min(start + ROWS_IN_BLOCK, len(graph.edges)))
        table = edge_table(graph.ids, graph.edges.select(rows))
        yield group[0], block, join_batches(table.to_batches())
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
