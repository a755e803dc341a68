"""Random partitions of points into small sets of near ones.

Randomized ball carving, as PiPNN and HCNNG's relatives use it: some points are drawn as leaders,
every point goes to the leader that it is nearest to, and sets that are still too large are carved
again. Two near points meet in the same set with a chance that grows with the number of independent
partitions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.points import Points, Rows

# Leaders of one carving at most: sets much larger than this times a leaf are carved in turns.
_LEADERS = 64
# Leaders drawn for each leaf that a set should end in: more make rounder leaves of mixed sizes,
# which are then joined to near the wanted size.
_LEADERS_PER_LEAF = 3
# Rows that are multiplied at once with the leaders.
_ROWS_AT_ONCE = 4096


def carve(
    points: Points, hashes: NDArray[np.uint64], leaf_size: int, seed: int, round_number: int
) -> Iterator[Rows]:
    """Yields disjoint sets of rows that together are all rows.

    Which sets they are depends on the points and their hashes, not on threads.

    Args:
        points: The points.
        hashes: A hash of each point's id, uint64 `[n]`: it decides which points are leaders.
        leaf_size: Rows of a set at most.
        seed: Another seed, another partition.
        round_number: Another round, another partition.

    Yields:
        The rows of a set, ascending, int64 `[m]` with `m <= leaf_size`.
    """
    waiting = [(np.arange(len(points)), 0)]
    while waiting:
        rows, depth = waiting.pop()
        if len(rows) <= leaf_size:
            yield rows
            continue
        children = _split(points, rows, mix(hashes[rows], seed, round_number, depth), leaf_size)
        waiting.extend((child, depth + 1) for child in children)


def _split(points: Points, rows: Rows, luck: NDArray[np.uint64], leaf_size: int) -> list[Rows]:
    wanted = -(-len(rows) * _LEADERS_PER_LEAF // leaf_size)
    count = min(_LEADERS, wanted, len(rows))
    drawn = np.argpartition(luck, count - 1)[:count]
    # In the order of their luck, so that nothing depends on how the rows are numbered.
    leaders = rows[drawn[np.argsort(luck[drawn])]]
    nearest = nearest_leaders(points, rows, leaders)
    sizes = np.bincount(nearest, minlength=len(leaders))
    if sizes.max() == len(rows):
        # All are nearest to one leader, as equal directions are: chance has to part them.
        order = rows[np.argsort(luck, kind="stable")]
        return [
            np.sort(order[begin : begin + leaf_size]) for begin in range(0, len(rows), leaf_size)
        ]
    joined = _join_small(sizes, along_a_path(points, leaders), leaf_size)[nearest]
    order = np.argsort(joined, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(joined))[:-1])


def nearest_leaders(points: Points, rows: Rows, leaders: Rows, canonical: bool = False) -> Rows:
    """Returns the place of each row's nearest leader, int64 `[m]`; of equal ones the first.

    Args:
        points: The points.
        rows: Those that look for a leader, `[m]`.
        leaders: Those that they choose from, `[l]`.
        canonical: Whether leaders whose float32 scores are too near to tell apart are compared by
            their weights, so that the choice depends on the vectors alone and not on which rows are
            multiplied together.
    """
    factors = points.factors(leaders)
    result = np.empty(len(rows), np.int64)
    out = np.empty((_ROWS_AT_ONCE, len(leaders)), np.float32)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[begin : begin + _ROWS_AT_ONCE]
        scores = points.scores(points.factors(part), factors, part, leaders, out[: len(part)])
        nearest = scores.argmax(axis=1)
        if canonical:
            _settle(points, part, leaders, scores, nearest)
        result[begin : begin + len(part)] = nearest
    return result


def _settle(
    points: Points, rows: Rows, leaders: Rows, scores: NDArray[np.float32], nearest: Rows
) -> None:
    """Chooses anew, by canonical weights, where the best score has company."""
    near = scores >= points.slack_below(rows, scores.max(axis=1))[:, None]
    near[near.sum(axis=1) < 2] = False
    place, leader = np.nonzero(near)
    weights = points.weights(rows[place], leaders[leader])
    order = np.lexsort((leader, -weights, place))
    firsts, at = np.unique(place[order], return_index=True)
    nearest[firsts] = leader[order][at]


def along_a_path(points: Points, leaders: Rows) -> Rows:
    """Returns the leaders' places along a path that goes on to the nearest one not yet visited.

    Args:
        points: The points.
        leaders: Some of them, `[l]`; the path begins at the first.
    """
    factors = points.factors(leaders)
    scores = points.scores(
        factors, factors, leaders, leaders, np.empty((len(leaders),) * 2, np.float32)
    )
    path = np.empty(len(leaders), np.int64)
    here = 0
    for step in range(len(leaders)):
        path[step] = here
        scores[:, here] = -np.inf
        here = int(scores[here].argmax())
    return path


def _join_small(sizes: Rows, path: Rows, leaf_size: int) -> Rows:
    """Returns the number of the joined set of each leader: neighbors on the path, up to a leaf."""
    joined = np.empty(len(sizes), np.int64)
    number = filled = 0
    for leader in path:
        size = int(sizes[leader])
        if filled and filled + size > leaf_size:
            number, filled = number + 1, 0
        joined[leader] = number
        filled += size
    return joined
