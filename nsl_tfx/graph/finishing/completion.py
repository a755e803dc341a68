"""The last steps of every graph: merge its edges, look up what is known of their ends, and count.

Two ways lead to the same result. A graph that fits one worker is completed at once, by
`complete_graph`. A larger one is cut into ranges of ids: `merge_range` takes all edges that end in
a range, and knows their targets; `complete_range` takes all that start in a range, and knows their
sources too; and `count_range` counts the nodes of a directed graph.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import EDGE_SCHEMA, edge_table
from nsl_tfx.graph.finishing.nodes import NumberedNodes, number_nodes, number_splits
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.measuring.counting import (
    NAMES_SHOWN,
    UNKNOWN,
    Ends,
    GraphCounts,
    add_counts,
    count_edges,
    count_nodes,
)
from nsl_tfx.graph.merging import MergedEdges, merge_edges, sort_by_weight
from nsl_tfx.graph.numbering import number_ids

BOTH_WAYS_SCHEMA = EDGE_SCHEMA.append(pa.field("backward", pa.bool_(), nullable=False))
"""Edges, some of them turned around."""

MERGED_SCHEMA = pa.schema(
    [
        *EDGE_SCHEMA,
        pa.field("reverse", pa.float32(), nullable=False),
        pa.field("label", pa.uint64(), nullable=False),
        pa.field("split", pa.string()),
    ]
)
"""Edges with the weight of their reverse (NaN for none), and their target's label and split (null
where no example has the id)."""

DEGREE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(), nullable=False),
        pa.field("out_degree", pa.int64(), nullable=False),
        pa.field("in_degree", pa.int64(), nullable=False),
        pa.field("label", pa.uint64(), nullable=False),
        pa.field("known", pa.bool_(), nullable=False),
    ]
)
"""A part of what is known of nodes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completion:
    """What becomes of edges.

    Attributes:
        symmetrize: How both directions of an edge become one graph.
        dangling: What becomes of edges to or from ids that no example has.
        max_linked_nodes: Most nodes whose components are looked for.
    """

    symmetrize: Symmetrize
    dangling: DanglingIds
    max_linked_nodes: int

    @property
    def directed(self) -> bool:
        """Whether the graph is."""
        return self.symmetrize is Symmetrize.NONE


@dataclasses.dataclass(frozen=True, eq=False)
class CompleteGraph:
    """A graph, or all of its edges that start in a range of ids.

    Attributes:
        ids: All ids that occur, ascending.
        edges: Sorted.
        counts: Of what is here.
    """

    ids: pa.Array
    edges: EdgeList
    counts: GraphCounts


def complete_graph(edges: pa.Table, nodes: pa.Table | None, how: Completion) -> CompleteGraph:
    """Returns a graph of edges in any order.

    Args:
        edges: Of `EDGE_SCHEMA`, duplicates included.
        nodes: Of `coded_nodes`; None where every end of an edge is a node.
        how: What becomes of the edges.

    Raises:
        ValueError: Two nodes have one id.
    """
    known, (source, target) = number_nodes(nodes, edges["source"], edges["target"])
    given = EdgeList(source, target, edges["weight"].to_numpy())
    both = EdgeList.concatenate([given, given.reversed()])
    merged = merge_edges(both, np.arange(len(both)) >= len(given), how.symmetrize)
    targets = known.ends.select(merged.edges.target)
    keys = np.arange(len(known.ids), dtype=np.uint64)
    kept, edge_counts = _keep_edges(merged, targets, known, keys, how)
    own = _listed(nodes, known)
    own[merged.edges.source] = own[merged.edges.target] = True
    node_counts = _count_own(own, *_degrees(kept, len(known.ids)), known, how)
    counts = add_counts([edge_counts, node_counts, _merge_counts(merged)], how.max_linked_nodes)
    return CompleteGraph(known.ids, sort_by_weight(kept), counts)


def turn_around(edges: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Returns edges as they are, and turned around, both of `BOTH_WAYS_SCHEMA`."""
    source, target, weight = edges.columns
    forward, backward = (pa.array(np.full(edges.num_rows, turned)) for turned in (False, True))
    return (
        pa.RecordBatch.from_arrays([source, target, weight, forward], schema=BOTH_WAYS_SCHEMA),
        pa.RecordBatch.from_arrays([target, source, weight, backward], schema=BOTH_WAYS_SCHEMA),
    )


def merge_range(
    edges: pa.Table, nodes: pa.Table | None, how: Completion
) -> tuple[pa.Table, GraphCounts]:
    """Merges all edges that end in a range of ids.

    Args:
        edges: Of `BOTH_WAYS_SCHEMA`: each edge that ends there, and each that starts there turned
            around.
        nodes: Those of the range; None where every end of an edge is a node.
        how: What becomes of the edges.

    Returns:
        The edges, of `MERGED_SCHEMA`; and counts.

    Raises:
        ValueError: Two nodes have one id.
    """
    known, (source, target) = number_nodes(nodes, edges["source"], edges["target"])
    weight, backward = edges["weight"].to_numpy(), edges["backward"].to_numpy()
    merged = merge_edges(EdgeList(source, target, weight), backward, how.symmetrize)
    targets = known.ends.select(merged.edges.target)
    splits = pa.array(known.splits, pa.string())
    columns = [
        *edge_table(known.ids, merged.edges).columns,
        pa.array(merged.reverse),
        pa.array(targets.label),
        splits.take(pa.array(targets.split, mask=targets.split == UNKNOWN)),
    ]
    return pa.Table.from_arrays(columns, schema=MERGED_SCHEMA), _merge_counts(merged)


def complete_range(
    edges: pa.Table, nodes: pa.Table | None, how: Completion
) -> tuple[CompleteGraph, pa.Table | None]:
    """Completes all edges that start in a range of ids.

    Args:
        edges: Of `MERGED_SCHEMA`, in any order.
        nodes: Those of the range; None where every end of an edge is a node.
        how: What becomes of the edges.

    Returns:
        The edges and their counts, with those of the range's nodes unless the graph is directed. In
        a directed graph other ranges have edges that end at these nodes: what is known of them
        here, of `DEGREE_SCHEMA`, is for `count_range`.
    """
    known, (source, target) = number_nodes(nodes, edges["source"], edges["target"])
    codes, splits = number_splits(edges["split"])
    names = [*known.splits, *(name for name in splits if name not in known.splits)]
    # The last place is that of the null split, whose code is -1.
    places = np.array([*map(names.index, splits), UNKNOWN], np.int64)
    order = np.lexsort((target, source))
    targets = Ends(edges["label"].to_numpy(), places[codes]).select(order)
    merged = MergedEdges(
        EdgeList(source, target, edges["weight"].to_numpy()).select(order),
        edges["reverse"].to_numpy()[order],
        duplicates=0,
        not_mutual=0,
    )
    known = NumberedNodes(known.ids, known.ends, names)
    keys = hash_ids(known.ids.to_pylist())
    kept, counts = _keep_edges(merged, targets, known, keys, how)
    complete = CompleteGraph(known.ids, sort_by_weight(kept), counts)
    out_degree, in_degree = _degrees(kept, len(known.ids))
    if how.directed:
        is_known = known.ends.split != UNKNOWN
        is_known[merged.edges.target] |= targets.split != UNKNOWN
        columns = [pa.array(c) for c in (out_degree, in_degree, known.ends.label, is_known)]
        return complete, pa.Table.from_arrays([known.ids, *columns], schema=DEGREE_SCHEMA)
    own = _listed(nodes, known)
    own[merged.edges.source] = True
    node_counts = _count_own(own, out_degree, in_degree, known, how)
    total = add_counts([counts, node_counts], how.max_linked_nodes)
    return dataclasses.replace(complete, counts=total), None


def count_range(degrees: pa.Table, how: Completion) -> GraphCounts:
    """Counts the nodes of a range of ids in a directed graph.

    Args:
        degrees: Of `DEGREE_SCHEMA`: what each range of sources knows of them.
        how: What became of the edges.
    """
    ids, (rows,) = number_ids(degrees["id"])
    label = np.zeros(len(ids), np.uint64)
    np.maximum.at(label, rows, degrees["label"].to_numpy())
    split = np.full(len(ids), UNKNOWN, np.int64)
    split[rows[degrees["known"].to_numpy()]] = 0
    out_degree, in_degree = (
        np.bincount(rows, degrees[name].to_numpy(), len(ids)).astype(np.int64)
        for name in ("out_degree", "in_degree")
    )
    return _count_ids(ids, out_degree, in_degree, Ends(label, split), how)


def _merge_counts(merged: MergedEdges) -> GraphCounts:
    return GraphCounts(duplicates=merged.duplicates, not_mutual=merged.not_mutual)


def _keep_edges(
    merged: MergedEdges,
    targets: Ends,
    known: NumberedNodes,
    keys: NDArray[np.uint64],
    how: Completion,
) -> tuple[EdgeList, GraphCounts]:
    """Returns the edges that stay, and what they count."""
    edges, reverse = merged.edges, merged.reverse
    sources = known.ends.select(edges.source)
    from_unknown, to_unknown = sources.split == UNKNOWN, targets.split == UNKNOWN
    dangling = from_unknown | to_unknown
    if how.dangling is not DanglingIds.KEEP and dangling.any():
        edges, reverse = edges.select(~dangling), reverse[~dangling]
        sources, targets = sources.select(~dangling), targets.select(~dangling)
    counts = count_edges(edges, reverse, sources, targets, known.splits, keys, how.max_linked_nodes)
    return edges, dataclasses.replace(
        counts,
        dangling_edges=int(dangling.sum()),
        dangling_sources=int(from_unknown.sum()),
        dangling_targets=int(to_unknown.sum()),
    )


def _degrees(edges: EdgeList, nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.bincount(edges.source, minlength=nodes), np.bincount(edges.target, minlength=nodes)


def _listed(nodes: pa.Table | None, known: NumberedNodes) -> NDArray[np.bool_]:
    """Marks the ids that the table of nodes holds."""
    return known.ends.split != UNKNOWN if nodes is not None else np.zeros(len(known.ids), bool)


def _count_own(
    own: NDArray[np.bool_],
    out_degree: NDArray[np.int64],
    in_degree: NDArray[np.int64],
    known: NumberedNodes,
    how: Completion,
) -> GraphCounts:
    """Counts some of the ids, of which all is known."""
    rows = np.flatnonzero(own)
    ids, ends = known.ids.take(pa.array(rows)), known.ends.select(rows)
    return _count_ids(ids, out_degree[rows], in_degree[rows], ends, how)


def _count_ids(
    ids: pa.Array,
    out_degree: NDArray[np.int64],
    in_degree: NDArray[np.int64],
    ends: Ends,
    how: Completion,
) -> GraphCounts:
    """Counts ids of which all is known, and tells those that no example has."""
    unknown = ends.split == UNKNOWN
    nodes = np.ones(len(ids), bool) if how.dangling is DanglingIds.KEEP else ~unknown
    counts = count_nodes(
        out_degree[nodes], in_degree[nodes] if how.directed else None, ends.label[nodes]
    )
    shown = np.flatnonzero(unknown)[:NAMES_SHOWN]
    return dataclasses.replace(
        counts,
        dangling_ids=int(unknown.sum()),
        dangling_names=tuple(ids.take(pa.array(shown)).to_pylist()),
    )
