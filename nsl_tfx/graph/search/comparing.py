"""Comparing all pairs of a set of points, block by block."""

from __future__ import annotations

import itertools
import threading

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import Keys, TopNeighbors, make_keys

BLOCK = 512
"""Rows on each side of a block. Its scores (1 MiB) stay in a core's cache, where finding the few
that matter costs a tenth of the product itself."""

# Of a block's pairs, the share from which on weighing all of them by one product is quicker.
_DENSE = 1 / 40
# Groups of columns for each neighbor wanted: the best of each group, taken together, nearly are the
# best of all.
_GROUPS = 4

Found = tuple[Rows, Keys]
"""Places of rows, ascending, and a neighbor's key for each."""


class Scratch(threading.local):
    """A thread's block of scores, kept because fresh memory costs as much as filling it."""

    def __init__(self) -> None:
        self._scores = np.empty(BLOCK * BLOCK, np.float32)

    def block(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Returns float32 `[rows, columns]`, unset."""
        return self._scores[: rows * columns].reshape(rows, columns)


def compare_within(top: TopNeighbors, rows: Rows, scratch: Scratch) -> None:
    """Offers each point of a set all others of it.

    Args:
        top: Takes the neighbors; threads may work on different sets at once.
        rows: The points, each once, `[m]`.
        scratch: The threads' memory.
    """
    factors = top.points.factors(rows)
    parts = [slice(begin, begin + BLOCK) for begin in range(0, len(rows), BLOCK)]
    found: list[list[Found]] = [[] for _ in parts]
    for a, b in _near_first(len(parts)):
        left, right = parts[a], parts[b]
        for_left, for_right = compare_block(
            top, rows[left], rows[right], factors[left], factors[right], scratch
        )
        found[a].append(for_left)
        if a != b:
            found[b].append(for_right)
    for part, offers in zip(parts, found, strict=True):
        offer_all(top, rows[part], offers)


def compare_between(top: TopNeighbors, slots: Rows, others: Rows, scratch: Scratch) -> None:
    """Offers the points of some slots all points of another set, themselves left out.

    Args:
        top: Takes the neighbors; threads may work on different slots at once.
        slots: Slots that get neighbors, each once, `[m]`.
        others: Points that are offered, each once, `[n]`.
        scratch: The threads' memory.
    """
    factors = top.points.factors(others)
    for begin in range(0, len(slots), BLOCK):
        left_slots = slots[begin : begin + BLOCK]
        left = top.rows_of(left_slots)
        left_factors = top.points.factors(left)
        for start in range(0, len(others), BLOCK):
            right = others[start : start + BLOCK]
            scores = top.points.scores(
                left_factors,
                factors[start : start + BLOCK],
                left,
                right,
                scratch.block(len(left), len(right)),
            )
            scores[left[:, None] == right[None, :]] = -np.inf
            _guess_cutoffs(top, left_slots, scores)
            offer_all(top, left_slots, [_better(top, left_slots, right, scores)])


def compare_block(
    top: TopNeighbors,
    left: Rows,
    right: Rows,
    left_factors: NDArray[np.float32],
    right_factors: NDArray[np.float32],
    scratch: Scratch,
) -> tuple[Found, Found]:
    """Compares two blocks of points, or a block with itself.

    Args:
        top: Tells what is good enough; it is not changed but for the cutoffs of a block that is
            compared with itself.
        left: At most `BLOCK` points, `[m]`.
        right: Others; or the same array.
        left_factors: Their factors, `[m, dimension]`.
        right_factors: The others'.
        scratch: The threads' memory.

    Returns:
        What was found for the left points, and for the right ones; for a block with itself the
        latter is empty.
    """
    itself = left is right or (len(left) == len(right) and left[0] == right[0])
    scores = top.points.scores(
        left_factors, right_factors, left, right, scratch.block(len(left), len(right))
    )
    if not itself:
        return _better(top, left, right, scores), _better(top, right, left, scores.T)
    np.fill_diagonal(scores, -np.inf)
    _guess_cutoffs(top, left, scores)
    return _better(top, left, right, scores), (np.zeros(0, np.int64), np.zeros(0, np.int64))


def offer_all(top: TopNeighbors, slots: Rows, found: list[Found]) -> None:
    """Offers what several blocks found for the same slots."""
    places = np.concatenate([one[0] for one in found])
    keys = np.concatenate([one[1] for one in found])
    order = np.argsort(places, kind="stable")
    top.offer(slots, places[order], keys[order])


def _near_first(count: int) -> list[tuple[int, int]]:
    """Returns all pairs of blocks, each block with itself first: that sets its cutoffs."""
    diagonal = [(a, a) for a in range(count)]
    return diagonal + list(itertools.combinations(range(count), 2))


def _guess_cutoffs(top: TopNeighbors, slots: Rows, scores: NDArray[np.float32]) -> None:
    """Raises cutoffs to what the slots reach within one block."""
    wanted = top.keys.shape[1]
    columns = scores.shape[1]
    width = columns // (_GROUPS * wanted)
    if width < 2:
        return
    groups = columns // width
    best = scores[:, : groups * width].reshape(len(slots), width, groups).max(axis=1)
    reached = np.partition(best, -wanted, axis=1)[:, -wanted]
    top.raise_cutoffs(slots, top.points.slack_below(top.rows_of(slots), reached))


def _better(top: TopNeighbors, slots: Rows, columns: Rows, scores: NDArray[np.float32]) -> Found:
    """Returns the neighbors of a block that are good enough, by their canonical weights."""
    rows = top.rows_of(slots)
    good = scores >= top.cutoffs[slots][:, None]
    if not scores.flags.c_contiguous:  # the block from its other side
        flat = np.flatnonzero(good.T)
        column, place = np.divmod(flat, len(rows))
        order = np.argsort(place, kind="stable")
        place, column = place[order], column[order]
    else:
        flat = np.flatnonzero(good)
        place, column = np.divmod(flat, len(columns))
    if len(flat) <= scores.size * _DENSE:
        keys = make_keys(top.points.weights(rows[place], columns[column]), columns[column])
        return place, keys
    # Many pairs lie too near the cutoff to be told apart in float32, as with many equal weights.
    keys = make_keys(top.points.weights_between(rows, columns), columns)[place, column]
    is_new = keys > top.keys[slots[place], -1]
    return place[is_new], keys[is_new]
