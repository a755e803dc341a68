"""Beam transforms from vectors to nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.bucketing import (
    ROWS_IN_BLOCK,
    Buckets,
    Drawn,
    Plan,
    bucket_config,
    cells_of,
    describe_cut,
    draw,
    join_drawn,
    leader_luck,
    pack_cells,
    part_luck,
    sample_luck,
)
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.sampled_recall import (
    compare_edges,
    edge_batch,
    edges_of_sample,
    scan_for_neighbors,
)
from nsl_tfx.graph.search.recall import Recall
from nsl_tfx.graph.searching import search_whole
from nsl_tfx.graph.similarity import check_ids
from nsl_tfx.graph.top_edges import top_edges
from nsl_tfx.graph.vector_batches import join_in_order, join_vectors, take_vectors, vector_batch

_MAIN = "main"
_SEARCH = "search"
_WHOLE = (0, 0)
_NODES_IN_BATCH = 1 << 13
_EDGES_BEFORE_MERGING = 1 << 19
# What merging holds for an edge at its peak: ids, numbers, keys and their order.
_BYTES_PER_EDGE = 400

# The rows of a block, and the cell of each row in each round, int64 [rounds, rows].
Celled = tuple[pa.RecordBatch, "NDArray[np.int64]"]


class FindNeighbors(beam.PTransform):
    """Vectors to each node's nearest neighbors.

    Element types: batches of `vector_batch` to a dict of
        edges: `pyarrow.RecordBatch` of `EDGE_SCHEMA`, all edges of a source in one batch.
        search: One dict of plain JSON values, how they were found; nothing without vectors.

    Args:
        config: How they are found.
        plan: Side input of the `Plan`.
    """

    def __init__(self, config: SimilarityGraphConfig, plan: AsSingleton):
        super().__init__()
        self._config = config
        self._plan = plan

    def expand(self, vectors: Any) -> dict[str, Any]:
        """Applies the transform."""
        config, plan = self._config, self._plan
        cut = vectors | "Cut" >> _CutIntoBuckets(config, plan)
        searched = (
            (vectors | "Whole" >> beam.FlatMap(_if_whole, plan, _WHOLE), cut["vectors"])
            | "Buckets" >> beam.Flatten()
            | "GroupBuckets" >> beam.GroupByKey()
            | "Search" >> beam.FlatMap(_search, config, plan).with_outputs(_SEARCH, main=_MAIN)
        )
        merged = (
            searched[_MAIN]
            | "BySource" >> beam.FlatMap(_by_source, plan, config)
            | "Merge" >> beam.CombinePerKey(_TopEdges(config.num_neighbors))
            | "Merged" >> beam.Values()
        )
        whole = searched[_MAIN] | "WholeEdges" >> beam.FlatMap(_if_whole, plan)
        recall = (vectors, merged) | "MeasureRecall" >> _MeasureRecall(config, plan)
        search = (
            searched[_SEARCH] | "WholeSearch" >> beam.FlatMap(_if_whole, plan),
            recall | "CutSearch" >> beam.Map(describe_cut, AsSingleton(cut["buckets"]), config),
        )
        return {
            "edges": (whole, merged) | "Edges" >> beam.Flatten(),
            "search": search | "HowFound" >> beam.Flatten(),
        }


class _CutIntoBuckets(beam.PTransform):
    """Vectors that do not fit one worker to ((round, bucket), batch), and the rounds' `Buckets`."""

    def __init__(self, config: SimilarityGraphConfig, plan: AsSingleton):
        super().__init__()
        self._config = config
        self._plan = plan

    def expand(self, vectors: Any) -> dict[str, Any]:
        config, plan = self._config, self._plan
        leaders = AsDict(
            vectors
            | "DrawLeaders" >> beam.FlatMap(_draw_leaders, plan, config)
            | "Leaders" >> beam.CombinePerKey(_JoinDrawn())
            | "LeadersAlone" >> beam.MapTuple(_without_hashes)
        )
        celled = (
            vectors
            | "Blocks" >> beam.ParDo(_LargerBlocks(), plan)
            | "Cells" >> beam.Map(_with_cells, leaders, config)
        )
        buckets = (
            celled
            | "CellSizes" >> beam.FlatMap(_cell_sizes)
            | "AddCellSizes" >> beam.CombinePerKey(sum)
            | "AllCells" >> beam.combiners.ToDict()
            | "Pack" >> beam.Map(_pack, leaders, plan, config)
        )
        parted = celled | "Part" >> beam.FlatMap(_part, AsSingleton(buckets), config)
        return {"vectors": parted, "buckets": buckets}


class _MeasureRecall(beam.PTransform):
    """(Vectors, merged edges) to the recall, where the vectors did not fit one worker.

    Each block is scanned for what is nearest to a sample of nodes: a full comparison, which no
    bucket bounds.
    """

    def __init__(self, config: SimilarityGraphConfig, plan: AsSingleton):
        super().__init__()
        self._config = config
        self._plan = plan

    def expand(self, inputs: tuple[Any, Any]) -> Any:
        vectors, edges = inputs
        config, plan = self._config, self._plan
        sample = AsSingleton(
            vectors
            | "DrawSample" >> beam.FlatMap(_draw_sample, plan, config)
            | "Sample" >> beam.CombinePerKey(_JoinDrawn())
            | "SampleAlone" >> beam.Map(lambda keyed: keyed[1].batch)
        )
        truth = (
            vectors
            | "ScanBlocks" >> beam.ParDo(_LargerBlocks(), plan)
            | "Scan" >> beam.Map(_scan, sample, config)
            | "Truth" >> beam.CombinePerKey(_TopEdges(config.num_neighbors))
            | "TruthAlone" >> beam.Values()
        )
        found = (
            edges
            | "OfSample" >> beam.Map(edges_of_sample, sample)
            | "Found" >> beam.combiners.ToList()
        )
        return truth | "Compare" >> beam.Map(_compare, AsSingleton(found), sample, plan)


class _JoinDrawn(beam.CombineFn):
    """Keeps the nodes with the smallest hashes; as many as each part brought at most."""

    def create_accumulator(self) -> tuple[int, list[Drawn]]:
        return 0, []

    def add_input(
        self, accumulator: tuple[int, list[Drawn]], element: tuple[int, Drawn]
    ) -> tuple[int, list[Drawn]]:
        count, drawn = element
        parts = [*accumulator[1], drawn]
        if sum(len(part.hashes) for part in parts) > 2 * count + ROWS_IN_BLOCK:
            parts = [join_drawn(parts, count)]
        return count, parts

    def merge_accumulators(
        self, accumulators: Iterable[tuple[int, list[Drawn]]]
    ) -> tuple[int, list[Drawn]]:
        merged = self.create_accumulator()
        for count, parts in accumulators:
            for part in parts:
                merged = self.add_input(merged, (count, part))
        return merged

    def extract_output(self, accumulator: tuple[int, list[Drawn]]) -> Drawn:
        return join_drawn(accumulator[1], accumulator[0])


class _TopEdges(beam.CombineFn):
    """Merges the edges that several searches found, keeping the best of each source."""

    def __init__(self, num_neighbors: int):
        super().__init__()
        self._num_neighbors = num_neighbors

    def create_accumulator(self) -> list[pa.RecordBatch]:
        return []

    def add_input(
        self, accumulator: list[pa.RecordBatch], batch: pa.RecordBatch
    ) -> list[pa.RecordBatch]:
        accumulator.append(batch)
        # The first batch may be what an earlier merging left: what came since has to outgrow it.
        waiting = sum(one.num_rows for one in accumulator[1:])
        if waiting <= max(_EDGES_BEFORE_MERGING, accumulator[0].num_rows):
            return accumulator
        return [top_edges(accumulator, self._num_neighbors)]

    def merge_accumulators(
        self, accumulators: Iterable[list[pa.RecordBatch]]
    ) -> list[pa.RecordBatch]:
        merged: list[pa.RecordBatch] = []
        for accumulator in accumulators:
            for batch in accumulator:
                merged = self.add_input(merged, batch)
        return merged

    def compact(self, accumulator: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        return [top_edges(accumulator, self._num_neighbors)]

    def extract_output(self, accumulator: list[pa.RecordBatch]) -> pa.RecordBatch:
        return top_edges(accumulator, self._num_neighbors)


class _LargerBlocks(beam.DoFn):
    """Joins a bundle's batches to larger ones; lets nothing through where one worker holds all."""

    def start_bundle(self) -> None:
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def process(self, batch: pa.RecordBatch, plan: Plan) -> Iterator[pa.RecordBatch]:
        if not plan.is_cut:
            return
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= min(ROWS_IN_BLOCK, plan.rows_in_bucket):
            yield self._joined()

    def finish_bundle(self) -> Iterator[Any]:
        if self._waiting:
            window = GlobalWindow()
            yield WindowedValue(self._joined(), window.max_timestamp(), [window])

    def _joined(self) -> pa.RecordBatch:
        block = vector_batch(*join_vectors(self._waiting))
        self._waiting, self._rows = [], 0
        return block


def _if_whole(element: Any, plan: Plan, key: Any = None) -> list[Any]:
    if plan.is_cut:
        return []
    return [element if key is None else (key, element)]


def _search(
    bucket: tuple[tuple[int, int], Iterable[pa.RecordBatch]],
    config: SimilarityGraphConfig,
    plan: Plan,
) -> Iterator[Any]:
    """Yields each node's nearest neighbors in a bucket, and how they were found."""
    (round_number, _), batches = bucket
    ids, vectors = join_in_order(batches)
    check_ids(ids)
    found = search_whole(
        ids, vectors, bucket_config(config, round_number) if plan.is_cut else config
    )
    names = pa.array(ids, pa.binary())
    for begin in range(0, len(ids), _NODES_IN_BATCH):
        edges = found.edges(begin, begin + _NODES_IN_BATCH)
        if len(edges):
            yield edge_batch(names, edges)
    yield TaggedOutput(_SEARCH, found.describe(config.target_recall))


def _by_source(
    edges: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yields the edges of each range of the sources' hashes, where rounds have to be merged."""
    if not plan.is_cut:
        return
    pairs = plan.rows * min(config.num_neighbors, plan.rows - 1) * plan.rounds
    ranges = -(-pairs * _BYTES_PER_EDGE // (config.worker_memory_mb << 20))
    encoded = edges.column(0).dictionary_encode()
    hashes = hash_ids(encoded.dictionary.to_pylist())[encoded.indices.to_numpy()]
    place = (hashes >> np.uint64(32)).astype(np.int64) * ranges >> 32
    for number in np.unique(place):
        yield int(number), edges.take(pa.array(np.flatnonzero(place == number)))


def _draw_leaders(
    batch: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[tuple[int, tuple[int, Drawn]]]:
    if plan.is_cut:
        hashes = hash_ids(batch.column(0).to_pylist())
        for number in range(plan.rounds):
            luck = leader_luck(hashes, config.random_seed, number)
            yield number, (plan.leaders, draw(batch, luck, plan.leaders))


def _draw_sample(
    batch: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[tuple[int, tuple[int, Drawn]]]:
    if plan.is_cut:
        luck = sample_luck(hash_ids(batch.column(0).to_pylist()), config.random_seed)
        yield 0, (config.recall_sample, draw(batch, luck, config.recall_sample))


def _without_hashes(number: int, drawn: Drawn) -> tuple[int, pa.RecordBatch]:
    return number, drawn.batch


def _with_cells(
    batch: pa.RecordBatch, leaders: Mapping[int, pa.RecordBatch], config: SimilarityGraphConfig
) -> Celled:
    return batch, cells_of(batch, [leaders[number] for number in sorted(leaders)], config)


def _cell_sizes(celled: Celled) -> Iterator[tuple[tuple[int, int], int]]:
    for number, cells in enumerate(celled[1]):
        for cell, rows in enumerate(np.bincount(cells)):
            if rows:
                yield (number, cell), int(rows)


def _pack(
    sizes: Mapping[tuple[int, int], int],
    leaders: Mapping[int, pa.RecordBatch],
    plan: Plan,
    config: SimilarityGraphConfig,
) -> list[Buckets]:
    return [
        pack_cells(
            {cell: rows for (of_round, cell), rows in sizes.items() if of_round == number},
            leaders[number],
            config,
            plan.rows_in_bucket,
        )
        for number in sorted(leaders)
    ]


def _part(
    celled: Celled, buckets: Sequence[Buckets], config: SimilarityGraphConfig
) -> Iterator[tuple[tuple[int, int], pa.RecordBatch]]:
    batch, cells = celled
    hashes = hash_ids(batch.column(0).to_pylist())
    for number, packed in enumerate(buckets):
        bucket = packed.of(cells[number], part_luck(hashes, config.random_seed, number))
        for one in np.unique(bucket):
            yield (number, int(one)), take_vectors(batch, np.flatnonzero(bucket == one))


def _scan(
    batch: pa.RecordBatch, sample: pa.RecordBatch, config: SimilarityGraphConfig
) -> tuple[int, pa.RecordBatch]:
    return 0, scan_for_neighbors(batch, sample, config)


def _compare(
    truth: pa.RecordBatch, found: Sequence[pa.RecordBatch], sample: pa.RecordBatch, plan: Plan
) -> Recall:
    return compare_edges(
        pa.Table.from_batches(found, EDGE_SCHEMA),
        pa.Table.from_batches([truth], EDGE_SCHEMA),
        sample,
        plan.rows,
    )
