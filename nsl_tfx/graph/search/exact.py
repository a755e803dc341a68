"""Nearest neighbors by comparing all pairs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np

from nsl_tfx.graph.search.comparing import BLOCK, Found, Scratch, compare_block, offer_all
from nsl_tfx.graph.search.parallel import run_all
from nsl_tfx.graph.search.top_neighbors import TopNeighbors

# Neighbors that wait until they are sorted in, for each point: sorting in many at once is quicker,
# waiting too long leaves the cutoffs low.
_WAITING = 4


def search_exactly(top: TopNeighbors, threads: int, advance: Callable[[float], None]) -> None:
    """Offers each point all others.

    Every pair is multiplied once and looked at from both ends, which halves the work of a search
    that treats one side as queries.

    Args:
        top: Takes the neighbors.
        threads: How many work at once; the result does not depend on it.
        advance: Called with the share of the work done since its last call.
    """
    points = top.points
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


def by_distance(count: int) -> Iterator[tuple[int, int]]:
    """Yields all pairs of `count` blocks; each with itself first, which sets its cutoffs."""
    for distance in range(count):
        for a in range(count - distance):
            yield a, a + distance


class _Inbox:
    """Neighbors on their way into a TopNeighbors, put in by many threads."""

    def __init__(self, top: TopNeighbors):
        self._top = top
        self._found: list[Found] = []
        self._size = 0
        self._lock = threading.Lock()
        self._sorting = threading.Lock()
        self._limit = max(_WAITING * len(top.points), BLOCK * BLOCK)

    def put(self, start: int, found: Found) -> None:
        with self._lock:
            self._found.append((found[0] + start, found[1]))
            self._size += len(found[0])
            full = self._size >= self._limit
        if full:
            self.empty()

    def empty(self) -> None:
        with self._sorting:
            with self._lock:
                found, self._found, self._size = self._found, [], 0
            if found:
                offer_all(self._top, np.arange(len(self._top.points)), found)
