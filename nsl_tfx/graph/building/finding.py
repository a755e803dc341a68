"""Beam transforms from vectors to nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, TaggedOutput

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.bucketing import (
    Drawn,
    Plan,
    bucket_config,
    describe_cut,
    draw,
    sample_luck,
)
from nsl_tfx.graph.building.cutting import CutIntoBuckets, JoinDrawn, LargerBlocks
from nsl_tfx.graph.building.sampled_recall import (
    compare_edges,
    edge_batch,
    edges_of_sample,
    scan_for_neighbors,
)
from nsl_tfx.graph.building.searching import search_whole
from nsl_tfx.graph.building.similarity import check_ids
from nsl_tfx.graph.building.top_edges import top_edges
from nsl_tfx.graph.building.vector_batches import join_in_order
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.search.recall import Recall

_MAIN = "main"
_SEARCH = "search"
_WHOLE = (0, 0)
_NODES_IN_BATCH = 1 << 13
_EDGES_BEFORE_MERGING = 1 << 19
# What merging holds for an edge at its peak: ids, numbers, keys and their order.
_BYTES_PER_EDGE = 400


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
        cut = vectors | "Cut" >> CutIntoBuckets(config, plan)
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
        # A Flatten whose input goes elsewhere, too, is one that Flink and Spark refuse.
        onwards = merged | "Onwards" >> beam.Map(_same)
        return {
            "edges": (whole, onwards) | "Edges" >> beam.Flatten(),
            "search": search | "HowFound" >> beam.Flatten(),
        }


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
            | "Sample" >> beam.CombinePerKey(JoinDrawn())
            | "SampleAlone" >> beam.Map(lambda keyed: keyed[1].batch)
        )
        truth = (
            vectors
            | "ScanBlocks" >> beam.ParDo(LargerBlocks(), plan)
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


def _same(element: Any) -> Any:
    return element


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


def _draw_sample(
    batch: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[tuple[int, tuple[int, Drawn]]]:
    if plan.is_cut:
        luck = sample_luck(hash_ids(batch.column(0).to_pylist()), config.random_seed)
        yield 0, (config.recall_sample, draw(batch, luck, config.recall_sample))


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
