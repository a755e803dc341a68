"""Which neighbors of each node are taken: duplicates merged, best first, no more than wanted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import TieOrder
from nsl_tfx.graph.naming import name_some


def choose_neighbors(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    weight: NDArray[np.float64] | NDArray[np.float32],
    max_neighbors: int | None,
    tie_order: TieOrder = TieOrder.LOWEST_ID,
) -> NDArray[np.int64]:
    """Returns the places of the edges to each source's best neighbors.

    Of several edges between the same nodes the heaviest is taken.

    Args:
        source: Node that each edge starts at, `[edges]`.
        target: Node that it ends at, numbered in the order of ids, `[edges]`.
        weight: Its weight, `[edges]`.
        max_neighbors: Neighbors of a node; all when None.
        tie_order: Which of two neighbors of equal weight comes first.

    Returns:
        Places of edges, by source, and best first within it.

    Raises:
        ValueError: A weight is not a number, and so neither more nor less than others.

    Example:
        >>> choose_neighbors(np.array([0, 0, 0]), np.array([1, 2, 1]), np.array([1., 3., 2.]), 5)
        array([1, 2])
    """
    if np.isnan(weight).any():
        raise ValueError(
            f"Expected weights that are numbers. Received NaN at {int(np.isnan(weight).sum())} "
            "edges. Remove these edges, or import the graph anew with such edges dropped."
        )
    order = np.lexsort((target, -weight, source))
    # Equal pairs are seldom, and where there are none, the second sort need not be.
    order = order[_is_first_of_pair(source[order], target[order])]
    if tie_order is TieOrder.HIGHEST_ID:
        order = order[np.lexsort((-target[order], -weight[order], source[order]))]
    if max_neighbors is None:
        return order
    return order[rank_in_run(source[order]) < max_neighbors]


def check_weights(edges: pa.Table, path: str) -> None:
    """Raises ValueError where a weight is not a number.

    Args:
        edges: Columns `source`, `target` and `weight`.
        path: The file that they are from.
    """
    bad = np.flatnonzero(np.isnan(edges["weight"].to_numpy()))
    if len(bad):
        row = int(bad[0])
        source, target = (name_some([edges[name][row].as_py()]) for name in ("source", "target"))
        raise ValueError(
            f"Expected weights that are numbers. Received NaN at {len(bad)} edges, first at that "
            f"from {source} to {target}, row {row} (from 0) of {path}. Remove these edges, or "
            "import the graph anew with such edges dropped."
        )


def first_of_each(sources: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """Returns where each node's edges begin in a list that is sorted by source, `[nodes + 1]`.

    Example:
        >>> first_of_each(np.array([0, 0, 2]), 3)
        array([0, 2, 2, 3])
    """
    return np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=nodes))]).astype(np.int64)


def rank_in_run(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns each element's place, from 0, in its run of equal keys.

    Example:
        >>> rank_in_run(np.array([4, 4, 7]))
        array([0, 1, 0])
    """
    if not len(keys):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))


def _is_first_of_pair(source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Marks, in a list that is sorted by source, the first edge of each pair."""
    by_pair = np.lexsort((target, source))  # stable
    source, target = source[by_pair], target[by_pair]
    same = (source[1:] == source[:-1]) & (target[1:] == target[:-1])
    is_first = np.ones(len(source), bool)
    is_first[by_pair[1:]] = ~same
    return is_first
