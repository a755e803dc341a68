"""A graph in memory, measured."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Symmetrize
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.measuring.counting import Ends, add_counts, count_edges, count_nodes
from nsl_tfx.graph.measuring.metrics import GraphMetrics, summarize_counts
from nsl_tfx.graph.merging import merge_edges


def measure_graph(
    nodes: int,
    edges: EdgeList,
    labels: Sequence[Hashable | None] | None = None,
    splits: Sequence[str] | None = None,
    directed: bool | None = None,
) -> GraphMetrics:
    """Measures a graph.

    Args:
        nodes: Number of nodes; edges refer to 0 up to this.
        edges: The edges, each once.
        labels: The label of each node, None for a node without one; no label agreement when None.
        splits: The name of each node's split; no edges across splits are counted when None.
        directed: Whether the graph is; when None, it is where an edge lacks its reverse.

    Raises:
        ValueError: There are no nodes, or the labels or splits are not one a node.

    Example:
        >>> edges = EdgeList(source=[0, 1], target=[1, 0], weight=[0.5, 0.5])
        >>> metrics = measure_graph(3, edges, labels=["cat", "cat", None])
        >>> metrics.isolated_nodes, metrics.label_agreement.share
        (1, 1.0)
    """
    for name, values in (("labels", labels), ("splits", splits)):
        if values is not None and len(values) != nodes:
            raise ValueError(
                f"Expected {nodes} {name}, one for each node. Received: {len(values)}."
            )
    label_numbers, _ = _numbers([] if labels is None else labels, nodes)
    # A node without a split does not occur, so numbers start at 1 here and at 0 there.
    split_numbers, names = _numbers([""] * nodes if splits is None else splits, nodes)
    attributes = Ends(label_numbers.astype(np.uint64), split_numbers - 1)
    both = EdgeList.concatenate([edges, edges.reversed()])
    merged = merge_edges(both, np.arange(len(both)) >= len(edges), Symmetrize.NONE)
    keys = np.arange(nodes, dtype=np.uint64)
    counts = add_counts(
        [
            count_edges(
                merged.edges,
                merged.reverse,
                attributes.select(merged.edges.source),
                attributes.select(merged.edges.target),
                names,
                keys,
                limit=nodes,
            ),
            count_nodes(
                np.bincount(edges.source, minlength=nodes),
                np.bincount(edges.target, minlength=nodes),
                attributes.label,
            ),
        ],
        limit=nodes,
    )
    if directed is None:
        directed = counts.answered_edges + counts.self_loops < counts.edges
    return summarize_counts(
        counts, directed=directed, labeled=labels is not None, split=splits is not None
    )


def _numbers(values: Sequence[Hashable | None], nodes: int) -> tuple[NDArray[np.int64], list[Any]]:
    """Returns the number of each value, from 1, with 0 for None; and the values in that order."""
    numbers: dict[Hashable, int] = {}
    found = [0 if one is None else numbers.setdefault(one, len(numbers) + 1) for one in values]
    return np.array(found or [0] * nodes, np.int64), list(numbers)
