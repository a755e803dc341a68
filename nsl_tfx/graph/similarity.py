"""From ids and embeddings to a similarity graph."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.edges import EdgeList, symmetrize
from nsl_tfx.graph.neighbors import nearest_neighbors

_SHOWN = 5


@dataclasses.dataclass(frozen=True, eq=False)
class SimilarityGraph:
    """A graph built from embeddings.

    Attributes:
        ids: The nodes, ascending; a node's place here is its number in `edges`.
        order: For each node, the row of the input that it came from, `[nodes]`.
        edges: The edges, sorted.
        drops: Causes, and how many edges each of them cost. `below_threshold` and `not_mutual`
            count edges to one of the `num_neighbors` nearest. What lies beyond these was never
            looked at: `nodes_at_cap` counts the nodes all of whose nearest neighbors reach the
            threshold, so that they may have lost further edges.
    """

    ids: list[bytes]
    order: NDArray[np.int64]
    edges: EdgeList
    drops: Mapping[str, int]


def build_similarity_graph(
    ids: Sequence[bytes], vectors: ArrayLike, config: SimilarityGraphConfig
) -> SimilarityGraph:
    """Joins each node to its nearest neighbors by cosine similarity.

    Args:
        ids: One id a row, each once, none empty.
        vectors: The embeddings, `[rows, dimension]`, taken as float32.
        config: Number of neighbors, threshold and symmetrization.

    Returns:
        The graph; the same to the byte whatever the order of the rows.

    Raises:
        ValueError: An id is empty or comes twice, a vector is zero, infinite or not a number, or
            the vectors are no matrix with a row an id.

    Example:
        >>> config = SimilarityGraphConfig(embedding_feature="x", num_neighbors=1)
        >>> graph = build_similarity_graph([b"b", b"a", b"c"], [[0, 1], [1, 0], [1, 1]], config)
        >>> [(graph.ids[s], graph.ids[t]) for s, t in zip(graph.edges.source, graph.edges.target)]
        [(b'a', b'c'), (b'b', b'c'), (b'c', b'a'), (b'c', b'b')]
    """
    matrix = check_vectors(ids, vectors)
    order = check_ids(ids)
    nearest = nearest_neighbors(matrix[order], config.num_neighbors)
    # Weights are float32 of whole millionths, which may lie below the float64 of the same number:
    # compared with that, an edge of weight 0.96 would be dropped at the threshold 0.96.
    threshold = config.similarity_threshold
    similar = (
        nearest if threshold is None else nearest.select(nearest.weight >= np.float32(threshold))
    )
    edges = symmetrize(similar, config.symmetrize)
    full = np.bincount(similar.source, minlength=len(ids)) == config.num_neighbors
    drops = {
        "below_threshold": len(nearest) - len(similar),
        "not_mutual": max(0, len(similar) - len(edges)),
        "nodes_at_cap": int(full.sum()) if len(ids) > config.num_neighbors + 1 else 0,
    }
    return SimilarityGraph([ids[row] for row in order], order, edges, drops)


def check_ids(ids: Sequence[bytes]) -> NDArray[np.int64]:
    """Returns the order that sorts the ids, `[rows]`.

    Raises:
        ValueError: An id is empty or comes twice.
    """
    order = sorted(range(len(ids)), key=ids.__getitem__)
    if order and not ids[order[0]]:
        raise ValueError(
            f"Expected ids that are not empty. Received: an empty id in row {order[0]}."
        )
    twice = {ids[i] for i, j in itertools.pairwise(order) if ids[i] == ids[j]}
    if twice:
        raise ValueError(
            f"Expected every id once. Received {len(twice)} of them several times: "
            f"{name_some(sorted(twice))}. Give the examples unique ids, or read each file once."
        )
    return np.asarray(order, np.int64)


def check_vectors(ids: Sequence[bytes], vectors: ArrayLike) -> NDArray[np.float32]:
    """Returns the vectors as a float32 matrix.

    Raises:
        ValueError: The vectors are no matrix with a row an id, or one of them has no direction.
    """
    # What is out of float32's range becomes infinite here and is named below.
    with np.errstate(over="ignore"):
        matrix = np.asarray(vectors).astype(np.float32)
    if not len(ids):
        return matrix.reshape(0, 1)
    if matrix.ndim != 2 or matrix.shape[0] != len(ids) or not matrix.shape[1]:
        raise ValueError(
            f"Expected vectors of shape [{len(ids)}, dimension], one for each id. "
            f"Received shape: {list(matrix.shape)}."
        )
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise ValueError(
            "Expected finite vectors. Received NaN or infinity in those of "
            f"{name_some([ids[row] for row in np.flatnonzero(~finite)])}."
        )
    directed = matrix.any(axis=1)
    if not directed.all():
        raise ValueError(
            "Expected vectors other than zero, whose cosine similarity is not defined. Received "
            f"zeros for {name_some([ids[row] for row in np.flatnonzero(~directed)])}. Leave these "
            "examples out of the graph's split, or add a constant element to all vectors."
        )
    return matrix


def name_some(ids: Sequence[bytes]) -> str:
    """Returns the first few ids as text, and how many there are."""
    shown = ", ".join(repr(one) for one in ids[:_SHOWN])
    return shown if len(ids) <= _SHOWN else f"{shown} and {len(ids) - _SHOWN} more"
