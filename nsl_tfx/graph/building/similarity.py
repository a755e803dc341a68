"""From ids and embeddings to a similarity graph."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.graph.building.bucketing import make_plan
from nsl_tfx.graph.building.searching import search_in_rounds, search_whole
from nsl_tfx.graph.edges import EdgeList, symmetrize
from nsl_tfx.graph.graph import Graph
from nsl_tfx.graph.ids import as_list, encode_ids
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.search.nearest import edges_of_keys
from nsl_tfx.graph.search.recall import warn_of_missed_recall
from nsl_tfx.graph.search.vectors import check_vectors


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

    def __repr__(self) -> str:
        # Not the ids and arrays, of which there may be millions.
        return f"SimilarityGraph(nodes={len(self.ids)}, edges={len(self.edges)})"

    def to_graph(self) -> Graph:
        """Returns the graph without its rows' order: to write, or for other libraries.

        Its `info` tells how the neighbors were found, and what was dropped.
        """
        return Graph(self.ids, self.edges, {**self.search, "drops": dict(self.drops)})


def build_similarity_graph(
    ids: Sequence[bytes] | Sequence[str] | Sequence[int] | NDArray[Any],
    vectors: ArrayLike,
    config: SimilarityGraphConfig,
    advance: Callable[[float], None] = lambda share: None,
) -> SimilarityGraph:
    """Joins each node to the nodes that are most like it.

    Where the search would take more than `worker_memory_mb`, it is cut into buckets, as BuildGraph
    does, with the same result; the vectors and the edges themselves are held whole.

    Args:
        ids: One id a row, each once, none empty: bytes; text, which becomes UTF-8; or integers,
            which become their digits.
        vectors: The embeddings, `[rows, dimension]`, taken as float32. No rows give a graph without
            nodes, which nothing else takes.
        config: Similarity, number of neighbors, threshold, method and symmetrization.
        advance: Called with the share of the search done since its last call.

    Returns:
        The graph; the same to the byte whatever the order of the rows.

    Raises:
        TypeError: An id is neither bytes, text nor an integer; the ids have no order, as a set's;
            the vectors are no real numbers; or `config` is no SimilarityGraphConfig.
        ValueError: An id is empty or comes twice, a vector is infinite, not a number, too large or,
            for cosine similarity, zero, or the vectors are no matrix with a row an id; or the
            method is `exact` and does not fit `worker_memory_mb`.

    Example:
        >>> config = SimilarityGraphConfig(embedding_feature="x", num_neighbors=1)
        >>> graph = build_similarity_graph([b"b", b"a", b"c"], [[0, 1], [1, 0], [1, 1]], config)
        >>> [(graph.ids[s], graph.ids[t]) for s, t in zip(graph.edges.source, graph.edges.target)]
        [(b'a', b'c'), (b'b', b'c'), (b'c', b'a'), (b'c', b'b')]
    """
    config = require_config("config", config, SimilarityGraphConfig)
    names = _names_of(ids)
    vectors = check_vectors(names, vectors, config.similarity)
    order = check_ids(names)
    if not (order[1:] > order[:-1]).all():
        names, vectors = [names[row] for row in order], vectors[order]
    plan = make_plan(len(vectors), vectors.shape[1], config)
    if plan.is_cut:
        keys, search = search_in_rounds(names, vectors, config, plan, advance)
    else:
        found = search_whole(names, vectors, config, advance)
        keys, search = found.keys, found.describe(config.target_recall)
    similar, drops = _keep_similar(edges_of_keys(keys), len(names), config)
    edges = symmetrize(similar, config.symmetrize)
    drops["not_mutual"] = max(0, len(similar) - len(edges))
    warn_of_missed_recall(search, config.target_recall)
    return SimilarityGraph(names, order, edges, drops, search)


def _names_of(ids: Any) -> list[bytes]:
    if isinstance(ids, (str, bytes, Set, Mapping)) or not hasattr(ids, "__len__"):
        raise TypeError(
            "Expected ids to be a sequence or an array, an id a row of the vectors. Received: "
            f"{type(ids).__name__}. Pass a list whose order is that of the vectors."
        )
    names = list(ids)
    if not all(isinstance(one, bytes) for one in names):
        names = as_list(encode_ids(ids, "ids"))
    return names


def _keep_similar(
    edges: EdgeList, nodes: int, config: SimilarityGraphConfig
) -> tuple[EdgeList, dict[str, int]]:
    """Returns the edges that reach the threshold, and what that cost."""
    # Weights are float32, which may lie below the float64 of the same number: compared with that,
    # an edge of weight 0.96 would be dropped at the threshold 0.96.
    threshold = config.similarity_threshold
    similar = edges if threshold is None else edges.select(edges.weight >= np.float32(threshold))
    full = np.bincount(similar.source, minlength=nodes) == config.num_neighbors
    return similar, {
        "below_threshold": len(edges) - len(similar),
        "nodes_at_cap": int(full.sum()) if nodes > config.num_neighbors + 1 else 0,
    }


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
