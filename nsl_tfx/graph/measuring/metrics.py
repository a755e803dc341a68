"""What a graph is like: its size, shape and how well it agrees with the labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nsl_tfx.graph.measuring.counting import GraphCounts
from nsl_tfx.graph.measuring.tallies import Tally
from nsl_tfx.statistics import wilson_interval

_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
_DEGREE_QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)
_GROUPS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightGroup:
    """Label agreement of the pairs whose weights lie in a range.

    Attributes:
        min_weight: Smallest weight among these pairs.
        max_weight: Largest.
        pairs: Their number.
        share: Share of them whose labels are equal.
        low: Lower end of the share's 95 % Wilson interval.
        high: Upper end.
    """

    min_weight: float
    max_weight: float
    pairs: int
    share: float
    low: float
    high: float


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
        by_weight: The same for about equally many pairs each, in ascending order of weight: a
            threshold is worth raising where the first of them agree by chance. Pairs of one weight
            stay together, so there are fewer than ten where many weights are equal. A pair whose
            directions differ counts with the larger weight.
    """

    labeled_nodes: int
    pairs: int
    share: float | None
    low: float
    high: float
    chance: float | None
    by_weight: Sequence[WeightGroup] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DanglingEdges:
    r"""Edges to or from ids that no example has.

    Attributes:
        ids: Number of such ids.
        names: A few of them, the smallest; bytes that are not UTF-8 as `\xff`.
        edges: Edges with such an id at one end or both.
        sources: Edges that start at one.
        targets: Edges that end at one.
    """

    ids: int
    names: Sequence[str]
    edges: int
    sources: int
    targets: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphMetrics:
    """A graph's quality.

    Attributes:
        nodes: Number of nodes, those without an edge included.
        edges: Number of directed edges: a pair joined both ways counts twice.
        pairs: Number of joined pairs of different nodes.
        self_loops: Number of edges from a node to itself.
        mean_degree: Edges that start at a node, on average.
        degree_histogram: Number of edges that start at a node, to number of nodes.
        degree_quantiles: Probability, as text, to the degree that this share of the nodes does not
            exceed.
        in_degree_histogram: The same for edges that end at a node; None for an undirected graph,
            where both are equal.
        in_degree_quantiles: As `degree_quantiles`; None for an undirected graph.
        reciprocity: Share of the edges between different nodes whose reverse is there too; None for
            an undirected graph, and without such edges.
        isolated_nodes: Nodes at which no edge starts or ends.
        isolated_share: Their share of all nodes.
        weight_quantiles: Probability, as text, to the weight at that quantile.
        weight_quantiles_exact: Whether they are; where there are more than two million different
            weights, they are exact to a part in some thousands.
        components: Number of connected components, whatever the edges' direction; None where
            `not_measured` says why.
        largest_component_share: Share of the nodes in the largest of them; None likewise.
        label_agreement: None where no labels were given.
        split_edges: For each split that edges start in, the number of edges to each split; None
            where no splits were given.
        cross_split_edges: Edges whose ends lie in different splits: a model that learns from them
            sees something of the other split. None where no splits were given.
        dangling: None where all ids are known, or none are.
        not_measured: Metric to the reason why it is None.
    """

    nodes: int
    edges: int
    pairs: int
    self_loops: int
    mean_degree: float
    degree_histogram: Mapping[int, int]
    degree_quantiles: Mapping[str, int]
    in_degree_histogram: Mapping[int, int] | None
    in_degree_quantiles: Mapping[str, int] | None
    reciprocity: float | None
    isolated_nodes: int
    isolated_share: float
    weight_quantiles: Mapping[str, float]
    weight_quantiles_exact: bool
    components: int | None
    largest_component_share: float | None
    label_agreement: LabelAgreement | None
    split_edges: Mapping[str, Mapping[str, int]] | None
    cross_split_edges: int | None
    dangling: DanglingEdges | None
    not_measured: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the metrics as plain JSON values, whose keys are text."""
        values = dataclasses.asdict(self)
        for name in ("degree_histogram", "in_degree_histogram"):
            histogram = values[name]
            if histogram is not None:
                values[name] = {str(degree): count for degree, count in histogram.items()}
        return values


def summarize_counts(
    counts: GraphCounts, *, directed: bool, labeled: bool, split: bool
) -> GraphMetrics:
    """Returns what the counts of a whole graph mean.

    Args:
        counts: Of all nodes and edges.
        directed: Whether the graph is.
        labeled: Whether labels were given.
        split: Whether splits were given.

    Raises:
        ValueError: There are no nodes.
    """
    nodes, edges = counts.nodes, counts.edges
    if nodes < 1:
        raise ValueError(f"Expected at least one node. Received: nodes={nodes}.")
    joining = edges - counts.self_loops
    components, largest, reasons = _components(counts)
    return GraphMetrics(
        nodes=nodes,
        edges=edges,
        pairs=counts.pairs,
        self_loops=counts.self_loops,
        mean_degree=edges / nodes,
        degree_histogram=counts.out_degrees.to_dict(),
        degree_quantiles=_degree_quantiles(counts.out_degrees),
        in_degree_histogram=counts.in_degrees.to_dict() if directed else None,
        in_degree_quantiles=_degree_quantiles(counts.in_degrees) if directed else None,
        reciprocity=counts.answered_edges / joining if directed and joining else None,
        isolated_nodes=counts.isolated,
        isolated_share=counts.isolated / nodes,
        weight_quantiles=_weight_quantiles(counts),
        weight_quantiles_exact=counts.weights.shift == 0,
        components=components,
        largest_component_share=largest,
        label_agreement=_label_agreement(counts) if labeled else None,
        split_edges=_split_edges(counts) if split else None,
        cross_split_edges=(
            sum(count for ends, count in counts.between_splits.items() if ends[0] != ends[1])
            if split
            else None
        ),
        dangling=_dangling(counts),
        not_measured=reasons,
    )


def _components(counts: GraphCounts) -> tuple[int | None, float | None, dict[str, str]]:
    if counts.components.overflowed:
        reason = "more nodes than fit the memory of one worker"
        return None, None, {"components": reason, "largest_component_share": reason}
    sizes = counts.components.sizes()
    alone = counts.nodes - len(counts.components.members)
    return len(sizes) + alone, max(1, *sizes[:1].tolist(), 0) / counts.nodes, {}


def _degree_quantiles(degrees: Tally) -> dict[str, int]:
    ends = np.cumsum(degrees.counts[:, 0])
    if not len(ends):
        return {}
    # The smallest degree that a share of the nodes does not exceed: a degree that occurs.
    places = [int(np.searchsorted(ends, np.ceil(q * ends[-1]))) for q in _DEGREE_QUANTILES]
    return {
        str(q): int(degrees.keys[place]) for q, place in zip(_DEGREE_QUANTILES, places, strict=True)
    }


def _weight_quantiles(counts: GraphCounts) -> dict[str, float]:
    if not counts.edges:
        return {}
    return {str(q): round(counts.weights.quantile(q), 6) for q in _QUANTILES}


def _label_agreement(counts: GraphCounts) -> LabelAgreement:
    per_label = counts.labels.counts[:, 0].astype(np.float64)
    labeled = int(per_label.sum())
    pairs, equal = (int(total) for total in counts.weights.tally.counts[:, 1:].sum(axis=0))
    low, high = wilson_interval(equal, pairs)
    return LabelAgreement(
        labeled_nodes=labeled,
        pairs=pairs,
        share=equal / pairs if pairs else None,
        low=low,
        high=high,
        chance=(
            float(np.sum(per_label * (per_label - 1)) / (labeled * (labeled - 1)))
            if labeled > 1
            else None
        ),
        by_weight=tuple(_weight_groups(counts)),
    )


def _weight_groups(counts: GraphCounts) -> Iterable[WeightGroup]:
    present = counts.weights.tally.counts[:, 1] > 0
    weights = counts.weights.values[present]
    pairs, equal = counts.weights.tally.counts[present, 1:].T
    ends = np.cumsum(pairs)
    # Twice the place of a weight's middle pair, so that it stays an integer.
    group = (2 * ends - pairs) * _GROUPS // (2 * ends[-1]) if len(ends) else ends
    for number in np.unique(group):
        rows = group == number
        total, agreeing = int(pairs[rows].sum()), int(equal[rows].sum())
        low, high = wilson_interval(agreeing, total)
        yield WeightGroup(
            min_weight=round(float(weights[rows].min()), 6),
            max_weight=round(float(weights[rows].max()), 6),
            pairs=total,
            share=agreeing / total,
            low=low,
            high=high,
        )


def _split_edges(counts: GraphCounts) -> dict[str, dict[str, int]]:
    names = sorted({name for ends in counts.between_splits for name in ends})
    return {
        source: {target: counts.between_splits.get((source, target), 0) for target in names}
        for source in names
    }


def _dangling(counts: GraphCounts) -> DanglingEdges | None:
    if not counts.dangling_ids:
        return None
    return DanglingEdges(
        ids=counts.dangling_ids,
        names=tuple(name.decode("utf-8", "backslashreplace") for name in counts.dangling_names),
        edges=counts.dangling_edges,
        sources=counts.dangling_sources,
        targets=counts.dangling_targets,
    )
