"""The nearest of some points for each of others, and a path through them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.points import Points, Rows

# Rows that are multiplied at once with the leaders.
_ROWS_AT_ONCE = 4096
_LEADERS_AT_ONCE = 512


def nearest_leaders(points: Points, rows: Rows, leaders: Rows) -> Rows:
    """Returns the place of each row's nearest leader, int64 `[m]`; of equal ones the first.

    Leaders whose float32 scores are too near to tell apart are compared by their weights, so that
    the choice depends on the vectors alone and not on which rows are multiplied together.

    Args:
        points: The points.
        rows: Those that look for a leader, `[m]`.
        leaders: Those that they choose from, `[l]`.
    """
    factors = points.factors(leaders)
    result = np.empty(len(rows), np.int64)
    out = np.empty((_ROWS_AT_ONCE, len(leaders)), np.float32)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[begin : begin + _ROWS_AT_ONCE]
        scores = points.scores(points.factors(part), factors, part, leaders, out[: len(part)])
        nearest = scores.argmax(axis=1)
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

    It depends on their canonical weights alone.

    Args:
        points: The points.
        leaders: Some of them, `[l]`; the path begins at the first.
    """
    blocks = np.split(leaders, range(_LEADERS_AT_ONCE, len(leaders), _LEADERS_AT_ONCE))
    weights = np.concatenate([points.weights_between(block, leaders) for block in blocks])
    path = np.empty(len(leaders), np.int64)
    here = 0
    for step in range(len(leaders)):
        path[step] = here
        weights[:, here] = -np.inf
        here = int(weights[here].argmax())
    return path
