"""Comparing all pairs of a set of points, block by block."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    Candidates,
    TopNeighbors,
    make_keys,
    numbers_of,
)

BLOCK = 512
"""Rows on each side of a block. Its scores (1 MiB) stay in a core's cache, where finding the few
that matter costs a tenth of the product itself."""

# Of a block's pairs, the share from which on weighing all of them by one product is quicker.
_DENSE = 1 / 12
# Groups of columns for each neighbor wanted: the best of each group, taken together, nearly are the
# best of all.
_GROUPS = 4

# Candidates of a row, in wanted neighbors, from which on it pays to sort their scores first.
_MANY = 1.5


_NO_CANDIDATES = Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


class Scratch(threading.local):
    """A thread's block of scores, kept because fresh memory costs as much as filling it."""

    def __init__(self) -> None:
        self._scores = np.empty(BLOCK * BLOCK, np.float32)

    def block(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Returns float32 `[rows, columns]`, unset."""
        return self._scores[: rows * columns].reshape(rows, columns)


def compare_between(top: TopNeighbors, slots: Rows, others: Rows, scratch: Scratch) -> None:
    """Offers the points of some slots all points of another set, themselves left out.

    Args:
        top: Takes the neighbors; threads may work on different slots at once.
        slots: Slots that get neighbors, each once, `[m]`.
        others: Points that are offered, each once, ascending, `[n]`.
        scratch: The threads' memory.
    """
    factors = top.points.factors(others)
    for begin in range(0, len(slots), BLOCK):
        left_slots = slots[begin : begin + BLOCK]
        left = top.rows_of(left_slots)
        left_factors = top.points.factors(left)
        # A block of fewer rows may be wider.
        width = BLOCK * BLOCK // len(left)
        for start in range(0, len(others), width):
            right = others[start : start + width]
            scores = top.points.scores(
                left_factors,
                factors[start : start + width],
                left,
                right,
                scratch.block(len(left), len(right)),
            )
            place = np.minimum(np.searchsorted(right, left), len(right) - 1)
            itself = np.flatnonzero(right[place] == left)
            scores[itself, place[itself]] = -np.inf
            _guess_cutoffs(top, left_slots, scores)
            settle(top, left_slots, [_better(top, left_slots, right, scores)])


def compare_block(
    top: TopNeighbors,
    left: Rows,
    right: Rows,
    left_factors: NDArray[np.float32],
    right_factors: NDArray[np.float32],
    scratch: Scratch,
) -> tuple[Candidates, Candidates]:
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
    return _better(top, left, right, scores), _NO_CANDIDATES


def settle(top: TopNeighbors, slots: Rows, found: Sequence[Candidates]) -> None:
    """Weighs what several blocks propose to the same slots, and offers it.

    Args:
        top: Takes the neighbors; threads may work on different slots at once.
        slots: The slots, each once, `[m]`.
        found: Candidates whose places are places in `slots`.
    """
    places, columns, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(places, kind="stable")
    kept = order[_plausible(top, slots, places[order], scores[order])]
    places, columns, scores = places[kept], columns[kept], scores[kept]
    known = top.keys[slots]
    if (known[:, 0] != NO_NEIGHBOR).any():
        # What an earlier round has found need not be weighed again.
        is_new = ~(numbers_of(known)[places] == columns[:, None]).any(axis=1)
        places, columns, scores = places[is_new], columns[is_new], scores[is_new]
    rows = top.rows_of(slots)
    values = top.values(rows[places], columns, scores)
    top.offer(slots, places, make_keys(values, columns))


def _plausible(
    top: TopNeighbors, slots: Rows, places: Rows, scores: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tells which candidates may be among the best of those that are proposed now.

    Sorting scores takes a fraction of what weighing takes.

    Args:
        top: Tells how many are wanted.
        slots: The slots, `[m]`.
        places: The candidates' places among them, ascending, `[p]`.
        scores: The candidates' scores, `[p]`.
    """
    wanted = top.keys.shape[1]
    counts = np.bincount(places, minlength=len(slots))
    width = int(counts.max(initial=0))
    if len(places) < _MANY * wanted * len(slots) or len(slots) * width > 8 * len(places):
        return np.ones(len(places), bool)
    turns = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((len(slots), max(width, wanted)), np.finfo(np.float32).min)
    table[places, turns] = scores
    reached = np.where(counts < wanted, 0, np.partition(table, -wanted, axis=1)[:, -wanted])
    least = top.cutoffs_beside(slots, reached)
    return (scores >= least[places]) | (counts < wanted)[places]


def _guess_cutoffs(top: TopNeighbors, slots: Rows, scores: NDArray[np.float32]) -> None:
    """Sets cutoffs, where there are none yet, to what the slots reach within one block."""
    if top.cutoffs[slots].min() > np.finfo(np.float32).min:
        return
    wanted = top.keys.shape[1]
    columns = scores.shape[1]
    width = columns // (_GROUPS * wanted)
    if width < 2:
        return
    groups = columns // width
    best = scores[:, : groups * width].reshape(len(slots), width, groups).max(axis=1)
    reached = np.partition(best, -wanted, axis=1)[:, -wanted]
    top.raise_cutoffs(slots, top.cutoffs_beside(slots, reached))


def _better(
    top: TopNeighbors, slots: Rows, columns: Rows, scores: NDArray[np.float32]
) -> Candidates:
    """Returns the pairs of a block whose scores reach the slots' cutoffs."""
    good = scores >= top.cutoffs[slots][:, None]
    if scores.flags.c_contiguous:
        place, column = np.divmod(np.flatnonzero(good), len(columns))
    else:  # the block from its other side
        column, place = np.divmod(np.flatnonzero(good.T), len(slots))
    found = Candidates(place, column, scores[place, column])
    if len(place) > scores.size * _DENSE:
        kept = top.sift(slots, columns, found)
        found = Candidates(place[kept], column[kept], found.scores[kept])
    return found._replace(columns=columns[found.columns])
