"""The pairs at or above a cosine similarity, decided in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.search import similar_pairs
from nsl_tfx.graph.search.vectors import check_vectors

# The search rounds to float32; what it finds so near to the threshold is computed again.
_NEAR = 1e-7
# What float64 may lose in a dot product of unit vectors: equal vectors reach the threshold 1.
_NOISE = 1e-12
_NUMBERS_AT_ONCE = 1 << 22


def cosine_edges(
    ids: Sequence[bytes],
    vectors: NDArray[np.float32],
    threshold: float,
    advance: Callable[[float], None] = lambda share: None,
) -> EdgeList:
    """Returns an edge for each ordered pair of different rows at or above the threshold, sorted.

    Args:
        ids: One id a row, for the errors' texts.
        vectors: `[rows, dimension]`, finite. A row of zeros has the similarity 0 to all others.
        threshold: The smallest cosine similarity of an edge.
        advance: Called with the share of the work done since its last call.

    Raises:
        ValueError: A vector is not finite; the message names its id.

    Example:
        >>> vectors = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
        >>> edges = cosine_edges([b"a", b"b", b"c"], vectors, 0.7)
        >>> edges.source.tolist(), edges.target.tolist(), edges.weight.round(3).tolist()
        ([0, 1], [1, 0], [0.707..., 0.707...])
    """
    directed = np.flatnonzero(vectors.any(axis=1))
    matrix = check_vectors([ids[row] for row in directed], vectors[directed])
    found = similar_pairs(matrix, max(-1.0, threshold - _NEAR), advance=advance)
    found = found.select(_reaches(matrix, found, threshold))
    parts = [EdgeList(directed[found.source], directed[found.target], found.weight)]
    if threshold <= 0:
        parts.append(_pairs_of_zeros(len(vectors), directed))
    edges = EdgeList.concatenate(parts)
    return EdgeList.concatenate([edges, edges.reversed()]).sorted()


def _reaches(vectors: NDArray[np.float32], edges: EdgeList, threshold: float) -> NDArray[np.bool_]:
    reaches = edges.weight >= threshold
    near = np.flatnonzero(np.abs(edges.weight - threshold) <= 2 * _NEAR)
    step = max(1, _NUMBERS_AT_ONCE // vectors.shape[1])
    for begin in range(0, len(near), step):
        part = near[begin : begin + step]
        left = vectors[edges.source[part]].astype(np.float64)
        right = vectors[edges.target[part]].astype(np.float64)
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        reaches[part] = (left * right).sum(axis=1) / lengths >= threshold - _NOISE
    return reaches


def _pairs_of_zeros(rows: int, directed: NDArray[np.int64]) -> EdgeList:
    zeros = np.setdiff1d(np.arange(rows), directed)
    source, target = np.repeat(zeros, rows), np.tile(np.arange(rows), len(zeros))
    # Each pair once: of two zeros from the lower to the higher one.
    other = (source < target) | np.isin(target, directed)
    return EdgeList(source[other], target[other], np.zeros(other.sum(), np.float32))
