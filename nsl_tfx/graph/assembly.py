"""From columns of edges, as other libraries hold them, to numbered nodes and an EdgeList."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.ids import as_list, encode_ids
from nsl_tfx.graph.naming import name_id
from nsl_tfx.graph.numbering import number_ids

_SHOWN = 3


def assemble(
    source: Any, target: Any, weight: Any = None, nodes: Any = None, directed: bool = True
) -> tuple[list[bytes], EdgeList]:
    """Returns ids, ascending, and the sorted edges between their numbers.

    Args:
        source: Id that each edge starts at: anything that `encode_ids` takes.
        target: Id that it ends at.
        weight: Its weight, taken as float32; 1 for all when None.
        nodes: Further ids, such as those of nodes without edges.
        directed: False adds the reverse of each edge; where both directions are there already, each
            gets the larger weight.

    Raises:
        TypeError: An id is neither bytes, text nor an integer, or a weight is no number.
        ValueError: An id is missing or empty, a weight is not finite, or an edge is there twice.

    Example:
        >>> ids, edges = assemble(["a", "a"], ["b", "c"], [0.5, 0.75], directed=False)
        >>> ids, edges.source.tolist(), edges.target.tolist()
        ([b'a', b'b', b'c'], [0, 0, 1, 2], [2, 1, 0, 0])
    """
    starts, ends = encode_ids(source, "the edges' sources"), encode_ids(target, "their targets")
    further = pa.array([], pa.binary()) if nodes is None else encode_ids(nodes, "nodes")
    weights = np.ones(len(starts), np.float32) if weight is None else _check_weights(weight)
    if not len(starts) == len(ends) == len(weights):
        raise ValueError(
            "Expected sources, targets and weights of one length. Received lengths: "
            f"{len(starts)}, {len(ends)}, {len(weights)}."
        )
    names, (numbers, others, _) = number_ids(starts, ends, further)
    edges = EdgeList(numbers, others, weights)
    ids = as_list(names)
    _check_distinct(ids, edges)
    return ids, (edges if directed else join_both_ways(edges, len(ids))).sorted()


def join_both_ways(edges: EdgeList, nodes: int) -> EdgeList:
    """Returns the edges and their reverses, each with the larger weight where both are there.

    Args:
        edges: Edges between 0 up to `nodes`.
        nodes: Number of nodes.

    Example:
        >>> join_both_ways(EdgeList([0, 1], [1, 0], [0.5, 0.75]), 2).weight.tolist()
        [0.75, 0.75]
    """
    both = EdgeList.concatenate([edges, edges.reversed()])
    # The first of equal keys, and lexsort's last key decides first: that is the one of most weight.
    order = np.lexsort((-both.weight, both.source * nodes + both.target))
    keys = (both.source * nodes + both.target)[order]
    return both.select(order[np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]])


def is_symmetric(edges: EdgeList, nodes: int) -> bool:
    """Tells whether each edge's reverse is there too, with the same weight.

    Args:
        edges: Edges between 0 up to `nodes`, each once.
        nodes: Number of nodes.

    Example:
        >>> is_symmetric(EdgeList([0, 1], [1, 0], [0.5, 0.5]), 2)
        True
    """
    forward = edges.source * nodes + edges.target
    backward = edges.target * nodes + edges.source
    first, second = np.argsort(forward), np.argsort(backward)
    # As bits, since what is taken for symmetric keeps one of both weights: -0.0 is not 0.0.
    bits = edges.weight.view(np.int32)
    return bool(
        np.array_equal(forward[first], backward[second])
        and np.array_equal(bits[first], bits[second])
    )


def _check_weights(values: Any) -> NDArray[np.float32]:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = values.to_pandas()
    given = np.asarray(values)
    try:
        if given.dtype.kind not in "iufO":
            raise TypeError
        numbers = given.astype(np.float64)
    except (TypeError, ValueError):
        found = type(given[0]).__name__ if given.dtype.kind == "O" and len(given) else given.dtype
        raise TypeError(
            f"Expected numbers as weights. Received: {found}. Convert them, or name another column."
        ) from None
    # What is out of float32's range becomes infinite here and is named below.
    with np.errstate(over="ignore"):
        weights = numbers.astype(np.float32)
    odd = np.flatnonzero(~np.isfinite(weights))
    if len(odd):
        raise ValueError(
            f"Expected finite weights within float32's range. Received: {numbers[odd[0]]} in row "
            f"{odd[0]}, and {len(odd) - 1} more such. Remove these edges, or give them a weight."
        )
    return weights


def _check_distinct(ids: list[bytes], edges: EdgeList) -> None:
    keys = np.sort(edges.source * len(ids) + edges.target)
    twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if len(twice):
        shown = ", ".join(
            f"{name_id(ids[key // len(ids)])} to {name_id(ids[key % len(ids)])}"
            for key in twice[:_SHOWN]
        )
        more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        raise ValueError(
            f"Expected each edge once. Received several times: {shown}{more}. Merge them first; in "
            "pandas: frame.groupby([source, target], as_index=False).max()."
        )
