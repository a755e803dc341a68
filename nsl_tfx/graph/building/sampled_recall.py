"""Recall of a graph that was built in buckets, by a full scan for some nodes' true neighbors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.vector_batches import vectors_of
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import EDGE_SCHEMA, edge_table
from nsl_tfx.graph.numbering import number_ids
from nsl_tfx.graph.search.comparing import Scratch, compare_between
from nsl_tfx.graph.search.parallel import default_threads, run_all
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.recall import Recall, measure_recall
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    Keys,
    TopNeighbors,
    make_keys,
    numbers_of,
    weights_of,
)

_SLOTS_AT_ONCE = 512


def scan_for_neighbors(
    batch: pa.RecordBatch, sample: pa.RecordBatch, config: SimilarityGraphConfig
) -> pa.RecordBatch:
    """Returns the edges from each node of a sample to the nodes of a batch that are nearest to it.

    Args:
        batch: Ids and vectors that are offered.
        sample: Ids and vectors that look for neighbors.
        config: The similarity and the number of neighbors.

    Returns:
        A batch of `EDGE_SCHEMA`; no node is its own neighbor.
    """
    points = Points(np.concatenate([vectors_of(sample), vectors_of(batch)]), config.similarity)
    slots = np.arange(sample.num_rows)
    others = np.arange(sample.num_rows, len(points))
    # One more, because a node of the sample meets itself in one of the batches.
    top = TopNeighbors(points, config.num_neighbors + 1, slots)
    scratch = Scratch()
    parts = [
        slots[begin : begin + _SLOTS_AT_ONCE] for begin in range(0, len(slots), _SLOTS_AT_ONCE)
    ]
    run_all(lambda part: compare_between(top, part, others, scratch), parts, default_threads())
    source, place = np.nonzero(top.keys != NO_NEIGHBOR)
    keys = top.keys[source, place]
    ids = pa.concat_arrays([sample.column(0), batch.column(0)])
    target = numbers_of(keys)
    other = pc.not_equal(ids.take(pa.array(source)), ids.take(pa.array(target)))
    kept = other.to_numpy(zero_copy_only=False)
    edges = EdgeList(source[kept], target[kept], weights_of(keys[kept]))
    return edge_batch(ids, edges)


def edge_batch(ids: pa.Array, edges: EdgeList) -> pa.RecordBatch:
    """Returns edges between numbered nodes as one batch of `EDGE_SCHEMA`."""
    batches = edge_table(ids, edges).combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], EDGE_SCHEMA)


def edges_of_sample(edges: pa.RecordBatch, sample: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the edges that start at a node of the sample."""
    return edges.filter(pc.is_in(edges.column(0), value_set=sample.column(0)))


def compare_edges(
    found: pa.Table, truth: pa.Table, sample: pa.RecordBatch, population: int
) -> Recall:
    """Returns how many of the true edges were found; equal weights are equally good.

    Args:
        found: Edges that start at a node of the sample, each once, of `EDGE_SCHEMA`.
        truth: The true ones, likewise.
        sample: The nodes.
        population: Number of all nodes.
    """
    _, (nodes, found_source, found_target, true_source, true_target) = number_ids(
        sample.column(0), found["source"], found["target"], truth["source"], truth["target"]
    )
    return measure_recall(
        _keys_of_edges(found_source, found_target, found["weight"], nodes),
        _keys_of_edges(true_source, true_target, truth["weight"], nodes),
        population,
    )


def _keys_of_edges(source: Rows, target: Rows, weight: pa.ChunkedArray, nodes: Rows) -> Keys:
    """Returns the keys of each node's edges, `[nodes, k]` for the `k` of the one that has most."""
    order = np.argsort(nodes)
    place = order[np.searchsorted(nodes, source, sorter=order)]
    by_place = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(nodes))
    turn = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.full((len(nodes), max(1, counts.max(initial=0))), NO_NEIGHBOR)
    keys[place[by_place], turn] = make_keys(weight.to_numpy(), target)[by_place]
    return keys
