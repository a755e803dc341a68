"""Nearest neighbors by comparing all pairs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np

from nsl_tfx.graph.search.comparing import (
    BLOCK,
    Scratch,
    compare_between,
    compare_block,
    settle,
)
from nsl_tfx.graph.search.parallel import run_all
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.top_neighbors import Candidates, Keys, TopNeighbors
from nsl_tfx.graph.search.top_scores import TopScores

# Neighbors that wait until they are sorted in, for each point: sorting in many at once is quicker,
# waiting too long leaves the cutoffs low.
_WAITING = 4
_OTHERS_AT_ONCE = 1 << 14


def search_exactly(
    points: Points, num_neighbors: int, threads: int, advance: Callable[[float], None]
) -> Keys:
    """Returns each point's nearest neighbors among all others, best first, `[n, num_neighbors]`.

    Every pair is multiplied once and looked at from both ends, which halves the work of a search
    that treats one side as queries. Rows that float32 scores cannot rank, such as one with many
    neighbors of nearly equal weight, are then compared with all others by canonical weights.

    Args:
        points: The points.
        num_neighbors: Neighbors of a point, at most `n - 1` of them.
        threads: How many work at once; the result does not depend on it.
        advance: Called with the share of the work done since its last call.
    """
    top = TopScores(points, num_neighbors)
    count = len(points)
    everything = np.arange(count)
    factors = points.factors(slice(None))
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK)]
    pairs = len(blocks) * (len(blocks) + 1) // 2
    inbox = _Inbox(top)
    scratch = Scratch()

    def compare(pair: tuple[int, int]) -> None:
        left, right = blocks[pair[0]], blocks[pair[1]]
        for_left, for_right = compare_block(
            top, everything[left], everything[right], factors[left], factors[right], scratch
        )
        inbox.put(left.start, for_left)
        inbox.put(right.start, for_right)
        advance(1 / pairs)

    run_all(compare, by_distance(len(blocks)), threads)
    inbox.empty()
    keys, unsure = top.weigh(threads)
    keys[unsure] = true_neighbors(points, unsure, num_neighbors, threads)
    return keys


def true_neighbors(points: Points, rows: Rows, num_neighbors: int, threads: int) -> Keys:
    """Returns the nearest neighbors of some points among all, by canonical weights, `[m, k]`."""
    top = TopNeighbors(points, num_neighbors, rows)
    scratch = Scratch()

    def scan(part: Rows) -> None:
        for begin in range(0, len(points), _OTHERS_AT_ONCE):
            others = np.arange(begin, min(begin + _OTHERS_AT_ONCE, len(points)))
            compare_between(top, part, others, scratch)

    places = np.arange(len(rows))
    parts = [places[begin : begin + BLOCK] for begin in range(0, len(places), BLOCK)]
    run_all(scan, parts, threads)
    return top.keys


def by_distance(count: int) -> Iterator[tuple[int, int]]:
    """Yields all pairs of `count` blocks; each with itself first, which sets its cutoffs."""
    for distance in range(count):
        for a in range(count - distance):
            yield a, a + distance


class _Inbox:
    """Neighbors on their way into a TopNeighbors, put in by many threads."""

    def __init__(self, top: TopNeighbors):
        self._top = top
        self._found: list[Candidates] = []
        self._size = 0
        self._lock = threading.Lock()
        self._sorting = threading.Lock()
        self._limit = max(_WAITING * len(top.points), BLOCK * BLOCK)

    def put(self, start: int, found: Candidates) -> None:
        with self._lock:
            self._found.append(found._replace(places=found.places + start))
            self._size += len(found.places)
            full = self._size >= self._limit
        if full:
            self.empty()

    def empty(self) -> None:
        with self._sorting:
            with self._lock:
                found, self._found, self._size = self._found, [], 0
            if found:
                settle(self._top, np.arange(len(self._top.points)), found)
