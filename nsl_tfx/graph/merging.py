"""Duplicate edges and opposite directions become one graph."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Symmetrize
from nsl_tfx.graph.edges import EdgeList


@dataclasses.dataclass(frozen=True, eq=False)
class MergedEdges:
    """Edges of which each is there once.

    Attributes:
        edges: By source and target, ascending.
        reverse: Weight of each edge's reverse, NaN where there is none, float32 `[edges]`.
        duplicates: Edges that were merged into an equal one.
        not_mutual: Edges dropped because their reverse was missing.
    """

    edges: EdgeList
    reverse: NDArray[np.float32]
    duplicates: int
    not_mutual: int


def merge_edges(edges: EdgeList, backward: NDArray[np.bool_], how: Symmetrize) -> MergedEdges:
    """Merges duplicates, which keep their largest weight, and both directions.

    Every edge is given twice, once as it is and once turned around, so that whoever holds all edges
    to some nodes knows both directions of each, and can decide without the other edges.

    Args:
        edges: The edges in any order, duplicates and loops included.
        backward: Marks those that were turned around.
        how: `UNION` keeps an edge that is there in either direction, and gives both directions
            the larger weight; `MUTUAL` keeps those that are there in both, with the larger weight;
            `NONE` keeps those that are there as they are.

    Example:
        >>> edges = EdgeList([0, 1, 0, 1], [1, 0, 1, 0], [0.5, 0.5, 0.75, 0.75])
        >>> merged = merge_edges(edges, np.array([False, True, False, True]), Symmetrize.UNION)
        >>> merged.edges.source.tolist(), merged.edges.weight.tolist(), merged.duplicates
        ([0, 1], [0.75, 0.75], 1)
    """
    if not len(edges):
        return MergedEdges(edges, np.empty(0, np.float32), 0, 0)
    nodes = int(max(edges.source.max(), edges.target.max())) + 1
    keys = edges.source * nodes + edges.target
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    turned, weight = backward[order], edges.weight[order]
    absent = np.float32(-np.inf)
    forward = np.maximum.reduceat(np.where(turned, absent, weight), first)
    reverse = np.maximum.reduceat(np.where(turned, weight, absent), first)
    given = forward > absent
    answered = reverse > absent
    if how is not Symmetrize.NONE:
        forward = reverse = np.maximum(forward, reverse)
    kept = {
        Symmetrize.UNION: np.ones_like(given),
        Symmetrize.MUTUAL: given & answered,
        Symmetrize.NONE: given,
    }[how]
    known_reverse = np.where(answered | (how is Symmetrize.UNION), reverse, np.float32(np.nan))
    pairs = keys[first][kept]
    return MergedEdges(
        EdgeList(pairs // nodes, pairs % nodes, forward[kept]),
        known_reverse[kept],
        duplicates=int(np.sum(~turned)) - int(np.sum(given)),
        not_mutual=int(np.sum(given & ~answered)) if how is Symmetrize.MUTUAL else 0,
    )


def sort_by_weight(edges: EdgeList) -> EdgeList:
    """Returns edges that are in the order of source and target by source, weight and target.

    One sort of one key does it: the source's number above the weight's bits, turned so that larger
    weights come first. It is stable, which leaves the targets of equal weights ascending.
    """
    bits = (edges.weight + np.float32(0)).view(np.uint32)
    sign = np.uint32(1 << 31)
    descending = np.where(bits & sign, bits, ~(bits | sign)).astype(np.uint64)
    keys = (edges.source.astype(np.uint64) << np.uint64(32)) | descending
    return edges.select(np.argsort(keys, kind="stable"))
