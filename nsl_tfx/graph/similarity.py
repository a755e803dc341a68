"""From ids and embeddings to a similarity graph."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.edges import EdgeList, symmetrize
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.search import nearest_neighbors
from nsl_tfx.graph.vectors import check_vectors


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
        search: How the neighbors were found.
    """

    ids: list[bytes]
    order: NDArray[np.int64]
    edges: EdgeList
    drops: Mapping[str, int]
    search: Mapping[str, Any]


def build_similarity_graph(
    ids: Sequence[bytes],
    vectors: ArrayLike,
    config: SimilarityGraphConfig,
    advance: Callable[[float], None] = lambda share: None,
) -> SimilarityGraph:
    """Joins each node to the nodes that are most like it.

    Args:
        ids: One id a row, each once, none empty.
        vectors: The embeddings, `[rows, dimension]`, taken as float32.
        config: Similarity, number of neighbors, threshold, method and symmetrization.
        advance: Called with the share of the search done since its last call.

    Returns:
        The graph; the same to the byte whatever the order of the rows.

    Raises:
        ValueError: An id is empty or comes twice, a vector is infinite, not a number, too large or,
            for cosine similarity, zero, or the vectors are no matrix with a row an id.

    Example:
        >>> config = SimilarityGraphConfig(embedding_feature="x", num_neighbors=1)
        >>> graph = build_similarity_graph([b"b", b"a", b"c"], [[0, 1], [1, 0], [1, 1]], config)
        >>> [(graph.ids[s], graph.ids[t]) for s, t in zip(graph.edges.source, graph.edges.target)]
        [(b'a', b'c'), (b'b', b'c'), (b'c', b'a'), (b'c', b'b')]
    """
    graph = find_similar(ids, check_vectors(ids, vectors, config.similarity), config, advance)
    edges = symmetrize(graph.edges, config.symmetrize)
    drops = {**graph.drops, "not_mutual": max(0, len(graph.edges) - len(edges))}
    return dataclasses.replace(graph, edges=edges, drops=drops)


def find_similar(
    ids: Sequence[bytes],
    vectors: NDArray[np.float32],
    config: SimilarityGraphConfig,
    advance: Callable[[float], None] = lambda share: None,
) -> SimilarityGraph:
    """Returns the directed graph of each node's nearest neighbors that reach the threshold.

    Args:
        ids: One id a row.
        vectors: As `check_vectors` returns them, `[rows, dimension]`.
        config: Similarity, number of neighbors, threshold and method.
        advance: Called with the share of the search done since its last call.

    Raises:
        ValueError: An id is empty or comes twice.
    """
    order = check_ids(ids)
    in_order = bool((order[1:] > order[:-1]).all())
    names = list(ids) if in_order else [ids[row] for row in order]
    found = nearest_neighbors(
        vectors if in_order else vectors[order],
        config.num_neighbors,
        similarity=config.similarity,
        method=config.method,
        hashes=hash_ids(names),
        seed=config.random_seed,
        target_recall=config.target_recall,
        recall_sample=config.recall_sample,
        advance=advance,
    )
    edges = found.edges()
    # Weights are float32, which may lie below the float64 of the same number: compared with that,
    # an edge of weight 0.96 would be dropped at the threshold 0.96.
    threshold = config.similarity_threshold
    similar = edges if threshold is None else edges.select(edges.weight >= np.float32(threshold))
    full = np.bincount(similar.source, minlength=len(ids)) == config.num_neighbors
    drops = {
        "below_threshold": len(edges) - len(similar),
        "nodes_at_cap": int(full.sum()) if len(ids) > config.num_neighbors + 1 else 0,
    }
    return SimilarityGraph(names, order, similar, drops, found.describe())


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
