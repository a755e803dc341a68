"""What a graph is like: its size, shape and how well it agrees with the labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csgraph

from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.statistics import wilson_interval

_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelAgreement:
    """How often an edge joins equal labels (homophily).

    Attributes:
        labeled_nodes: Nodes that carry a label.
        pairs: Joined pairs of nodes that both carry one; a pair joined both ways counts once.
        share: Share of these pairs whose labels are equal; None without pairs.
        low: Lower end of the share's 95 % Wilson interval. Pairs that share a node are counted as
            independent, which they are not quite.
        high: Upper end.
        chance: Probability that two different labeled nodes drawn at random agree: what a graph
            that knows nothing would reach. None with fewer than two labeled nodes.
    """

    labeled_nodes: int
    pairs: int
    share: float | None
    low: float
    high: float
    chance: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphMetrics:
    """A graph's quality.

    Attributes:
        nodes: Number of nodes, those without an edge included.
        edges: Number of directed edges: a pair joined both ways counts twice.
        pairs: Number of joined pairs.
        mean_degree: Edges that start at a node, on average.
        degree_histogram: Degree to number of nodes.
        isolated_nodes: Nodes at which no edge starts or ends.
        isolated_share: Their share of all nodes.
        weight_quantiles: Probability, as text, to the weight at that quantile.
        components: Number of connected components, whatever the edges' direction.
        largest_component_share: Share of the nodes in the largest of them.
        label_agreement: None where no labels were given.
    """

    nodes: int
    edges: int
    pairs: int
    mean_degree: float
    degree_histogram: Mapping[int, int]
    isolated_nodes: int
    isolated_share: float
    weight_quantiles: Mapping[str, float]
    components: int
    largest_component_share: float
    label_agreement: LabelAgreement | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the metrics as plain JSON values."""
        return dataclasses.asdict(self)


def measure_graph(
    nodes: int, edges: EdgeList, labels: Sequence[Hashable | None] | None = None
) -> GraphMetrics:
    """Measures a graph.

    Args:
        nodes: Number of nodes; edges refer to 0 up to this.
        edges: The edges.
        labels: The label of each node, None for a node without one; no label agreement when None.

    Raises:
        ValueError: There are no nodes, or the labels are not one a node.

    Example:
        >>> edges = EdgeList(source=[0, 1], target=[1, 0], weight=[0.5, 0.5])
        >>> metrics = measure_graph(3, edges, labels=["cat", "cat", None])
        >>> metrics.isolated_nodes, metrics.label_agreement.share
        (1, 1.0)
    """
    if nodes < 1:
        raise ValueError(f"Expected at least one node. Received: nodes={nodes}.")
    if labels is not None and len(labels) != nodes:
        raise ValueError(f"Expected {nodes} labels, one for each node. Received: {len(labels)}.")
    degree = np.bincount(edges.source, minlength=nodes)
    isolated = int(np.sum((degree == 0) & (np.bincount(edges.target, minlength=nodes) == 0)))
    low, high = _joined_pairs(nodes, edges)
    adjacency = coo_matrix((np.ones(len(low), bool), (low, high)), shape=(nodes, nodes))
    components, component_of = csgraph.connected_components(adjacency, directed=False)
    return GraphMetrics(
        nodes=nodes,
        edges=len(edges),
        pairs=len(low),
        mean_degree=len(edges) / nodes,
        degree_histogram={
            int(value): int(count) for value, count in enumerate(np.bincount(degree)) if count
        },
        isolated_nodes=isolated,
        isolated_share=isolated / nodes,
        weight_quantiles=_quantiles(edges),
        components=int(components),
        largest_component_share=float(np.bincount(component_of).max() / nodes),
        label_agreement=None if labels is None else _label_agreement(labels, low, high),
    )


def _joined_pairs(nodes: int, edges: EdgeList) -> tuple[Any, Any]:
    """Returns the lower and the higher node of each joined pair, each pair once, no loops."""
    low = np.minimum(edges.source, edges.target)
    high = np.maximum(edges.source, edges.target)
    keys = np.unique((low * nodes + high)[low != high])
    return keys // nodes, keys % nodes


def _quantiles(edges: EdgeList) -> dict[str, float]:
    if not len(edges):
        return {}
    values = np.quantile(edges.weight.astype(np.float64), _QUANTILES)
    return {str(q): round(float(value), 6) for q, value in zip(_QUANTILES, values, strict=True)}


def _label_agreement(labels: Sequence[Hashable | None], low: Any, high: Any) -> LabelAgreement:
    numbers: dict[Hashable, int] = {}
    # -1 marks a node without a label; what the labels are does not matter, only which are equal.
    classes = np.array(
        [-1 if label is None else numbers.setdefault(label, len(numbers)) for label in labels],
        np.int64,
    )
    counts = np.bincount(classes[classes >= 0], minlength=1).astype(np.float64)
    labeled = int(counts.sum())
    both = (classes[low] >= 0) & (classes[high] >= 0)
    pairs = int(both.sum())
    equal = int(np.sum(both & (classes[low] == classes[high])))
    interval = wilson_interval(equal, pairs)
    return LabelAgreement(
        labeled_nodes=labeled,
        pairs=pairs,
        share=equal / pairs if pairs else None,
        low=interval[0],
        high=interval[1],
        chance=(
            float(np.sum(counts * (counts - 1)) / (labeled * (labeled - 1)))
            if labeled > 1
            else None
        ),
    )
