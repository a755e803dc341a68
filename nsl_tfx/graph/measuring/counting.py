"""What a part of a graph adds to the numbers of the whole."""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.measuring.forests import Forest, join_forests
from nsl_tfx.graph.measuring.tallies import Tally, WeightTally, add_tallies, add_weight_tallies

NAMES_SHOWN = 5
UNKNOWN = -1
"""The split's number of an id that no example has."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """What is known of the nodes at one end of each edge, or of each node.

    Attributes:
        label: A number that stands for the label, 0 for none, uint64 `[edges]`.
        split: Number of the split, `UNKNOWN` for an id that no example has, int64 `[edges]`.
    """

    label: NDArray[np.uint64]
    split: NDArray[np.int64]

    def select(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> Ends:
        """Returns those at `index`, a mask or positions."""
        return Ends(self.label[index], self.split[index])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GraphCounts:
    """Counts of a part of a graph; those of all parts, in any order, add up to the whole's.

    Attributes:
        nodes: Nodes.
        edges: Directed edges.
        pairs: Joined pairs of different nodes.
        self_loops: Edges from a node to itself.
        answered_edges: Edges between different nodes whose reverse is there too.
        isolated: Nodes without any edge.
        out_degrees: Nodes by number of edges that start there.
        in_degrees: Nodes by number of edges that end there.
        labels: Nodes by label.
        weights: Edges by weight; then pairs of labeled nodes, and pairs of equal labels.
        between_splits: Edges by the names of both ends' splits.
        components: What hangs together.
        duplicates: Edges that were merged into an equal one.
        not_mutual: Edges dropped because their reverse was missing.
        dangling_sources: Edges that start at an id that no example has.
        dangling_targets: Edges that end at one.
        dangling_edges: Edges that do either.
        dangling_ids: Such ids.
        dangling_names: The smallest few of them.
    """

    nodes: int = 0
    edges: int = 0
    pairs: int = 0
    self_loops: int = 0
    answered_edges: int = 0
    isolated: int = 0
    out_degrees: Tally = dataclasses.field(default_factory=lambda: Tally.of([]))
    in_degrees: Tally = dataclasses.field(default_factory=lambda: Tally.of([]))
    labels: Tally = dataclasses.field(default_factory=lambda: Tally.of([], dtype=np.uint64))
    weights: WeightTally = dataclasses.field(
        default_factory=lambda: WeightTally.of(np.empty(0, np.float32), *[np.empty(0, bool)] * 2)
    )
    between_splits: Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    components: Forest = dataclasses.field(default_factory=Forest)
    duplicates: int = 0
    not_mutual: int = 0
    dangling_sources: int = 0
    dangling_targets: int = 0
    dangling_edges: int = 0
    dangling_ids: int = 0
    dangling_names: Sequence[bytes] = ()


def add_counts(parts: Sequence[GraphCounts], limit: int) -> GraphCounts:
    """Returns the counts of several parts together.

    Args:
        parts: At least one.
        limit: Most nodes whose components are kept.
    """
    if len(parts) == 1:
        return parts[0]
    plain = [
        field.name for field in dataclasses.fields(GraphCounts) if isinstance(field.default, int)
    ]
    names = {name for part in parts for name in part.dangling_names}
    between: Counter[tuple[str, str]] = Counter()
    for part in parts:
        between.update(part.between_splits)
    sums = {name: sum(getattr(part, name) for part in parts) for name in plain}
    return GraphCounts(
        **sums,
        out_degrees=add_tallies([part.out_degrees for part in parts]),
        in_degrees=add_tallies([part.in_degrees for part in parts]),
        labels=add_tallies([part.labels for part in parts]),
        weights=add_weight_tallies([part.weights for part in parts]),
        between_splits=dict(between),
        components=join_forests([part.components for part in parts], limit),
        dangling_names=tuple(heapq.nsmallest(NAMES_SHOWN, names)),
    )


def count_edges(
    edges: EdgeList,
    reverse: NDArray[np.float32],
    sources: Ends,
    targets: Ends,
    splits: Sequence[str],
    keys: NDArray[np.uint64],
    limit: int,
) -> GraphCounts:
    """Counts what edges tell.

    Args:
        edges: Each once.
        reverse: Weight of each edge's reverse, NaN where there is none, `[edges]`. An edge and its
            reverse may be counted in different parts; together they make one pair.
        sources: What is known of the sources.
        targets: What is known of the targets.
        splits: The splits' names.
        keys: A key of each node, the same in every part, uint64 `[nodes]`.
        limit: Most nodes whose components are kept.
    """
    answered = ~np.isnan(reverse)
    other = edges.source != edges.target
    # Of an edge and its reverse one speaks for the pair.
    pair = other & (~answered | (edges.source < edges.target))
    labeled = pair & (sources.label != 0) & (targets.label != 0)
    equal = labeled & (sources.label == targets.label)
    pairs = np.flatnonzero(pair)
    return GraphCounts(
        edges=len(edges),
        pairs=len(pairs),
        self_loops=int(np.sum(~other)),
        answered_edges=int(np.sum(answered & other)),
        weights=_count_weights(edges.weight, reverse, labeled, equal),
        between_splits=_count_splits(sources.split, targets.split, splits),
        components=Forest.of(edges.source[pairs], edges.target[pairs], keys, limit),
    )


def count_nodes(
    out_degree: NDArray[np.int64],
    in_degree: NDArray[np.int64] | None,
    labels: NDArray[np.uint64],
) -> GraphCounts:
    """Counts what nodes tell.

    Args:
        out_degree: Edges that start at each node, `[nodes]`.
        in_degree: Edges that end there; None where both are equal anyway.
        labels: A number that stands for each node's label, 0 for none, `[nodes]`.
    """
    touched = out_degree if in_degree is None else out_degree + in_degree
    return GraphCounts(
        nodes=len(out_degree),
        isolated=int(np.sum(touched == 0)),
        out_degrees=Tally.of(out_degree),
        in_degrees=Tally.of([] if in_degree is None else in_degree),
        labels=Tally.of(labels[labels != 0], dtype=np.uint64),
    )


def _count_weights(
    weight: NDArray[np.float32],
    reverse: NDArray[np.float32],
    labeled: NDArray[np.bool_],
    equal: NDArray[np.bool_],
) -> WeightTally:
    """Counts edges by weight, and labeled pairs by the larger of both directions' weights."""
    # Where a pair's larger weight is not that of the edge that speaks for it, it is moved there.
    moved = labeled & (reverse > weight)
    edges = WeightTally.of(weight, labeled & ~moved, equal & ~moved)
    if not moved.any():
        return edges
    pairs = WeightTally.of(reverse[moved], labeled[moved], equal[moved])
    pairs.tally.counts[:, 0] = 0
    return add_weight_tallies([edges, pairs])


def _count_splits(
    sources: NDArray[np.int64], targets: NDArray[np.int64], splits: Sequence[str]
) -> dict[tuple[str, str], int]:
    known = (sources != UNKNOWN) & (targets != UNKNOWN)
    found = np.bincount((sources * len(splits) + targets)[known])
    return {
        (splits[place // len(splits)], splits[place % len(splits)]): int(found[place])
        for place in np.flatnonzero(found).tolist()
    }
