"""The best neighbors found so far of each of many points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.points import Points, Rows

Keys = NDArray[np.int64]

NO_NEIGHBOR = np.iinfo(np.int64).min
"""The key that stands where a neighbor is still missing; lower than any other."""

_LOW_BITS = 0xFFFFFFFF
# New neighbors of one row that are sorted in at once; more come in turns.
_WIDTH = 256


def make_keys(weights: NDArray[np.float32], numbers: Rows) -> Keys:
    """Returns one integer for each neighbor: the better one is larger.

    Its upper half orders like the weight, its lower half against the neighbor's number, so that of
    equal weights the lower number is the better neighbor.

    Args:
        weights: float32 `[...]`.
        numbers: The neighbors' numbers, below 2^32, `[...]`.

    Example:
        >>> first, second = make_keys(np.float32([0.5, 0.5]), np.array([3, 7]))
        >>> bool(first > second)
        True
    """
    bits = np.ascontiguousarray(weights, np.float32).view(np.int32)
    # Negative floats order backwards by their bits.
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.astype(np.int64) << 32) | (_LOW_BITS - numbers)


def numbers_of(keys: Keys) -> Rows:
    """Returns the neighbors' numbers of keys; `2^32 - 1` where there is none."""
    return _LOW_BITS - (keys & _LOW_BITS)


def weights_of(keys: Keys) -> NDArray[np.float32]:
    """Returns the weights of keys; of a missing neighbor, not a number."""
    ordered = (keys >> 32).astype(np.int32)
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)


class Candidates(NamedTuple):
    """Pairs that a block of float32 scores proposes.

    Attributes:
        places: The place of each pair's slot among those that the block was looked at for, `[p]`.
        columns: What is offered to it, `[p]`.
        scores: Their scores, float32 `[p]`.
    """

    places: Rows
    columns: Rows
    scores: NDArray[np.float32]


class TopNeighbors:
    """The best `k` neighbors found so far of each point.

    They depend on which pairs were offered, not on their order: weights are canonical and ties go
    by number. Threads may offer at once as long as their slots differ.

    Attributes:
        points: The points.
        keys: Best first, int64 `[slots, k]`; a slot for each point that collects neighbors.
        cutoffs: Scores below which a pair cannot enter any more, float32 `[slots]`.
    """

    def __init__(self, points: Points, num_neighbors: int, collecting: Rows | None = None):
        """Begins with no neighbors.

        Args:
            points: The points.
            num_neighbors: The best so many are kept.
            collecting: The points that collect neighbors, `[slots]`; all when None.
        """
        self.points = points
        self._collecting = collecting
        slots = len(points) if collecting is None else len(collecting)
        self.keys = np.full((slots, num_neighbors), NO_NEIGHBOR)
        self.cutoffs = np.full(slots, np.finfo(np.float32).min)

    def rows_of(self, slots: Rows) -> Rows:
        """Returns the points that slots belong to."""
        return slots if self._collecting is None else self._collecting[slots]

    def values(self, rows: Rows, columns: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what pairs are kept by, float32 `[p]`: here, their canonical weights.

        Args:
            rows: One end of each pair, `[p]`.
            columns: The other end, `[p]`.
            scores: Their scores, float32 `[p]`.
        """
        del scores
        return self.points.weights(rows, columns)

    def cutoffs_of(self, slots: Rows, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores that a pair needs to have the values given, float32 `[m]`."""
        return self.points.cutoffs(self.rows_of(slots), values)

    def cutoffs_beside(self, slots: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores that a pair needs to be as good as one with the scores given."""
        return self.points.slack_below(self.rows_of(slots), scores)

    def sift(self, slots: Rows, columns: Rows, found: Candidates) -> NDArray[np.bool_]:
        """Tells which candidates of a block, where there are many, can enter, `[p]`.

        Many lie too near the cutoff to be told apart in float32, as with many equal weights.

        Args:
            slots: The block's slots, `[m]`.
            columns: The block's points, `[n]`.
            found: The candidates; their columns are places in `columns`.
        """
        weights = self.points.weights_between(self.rows_of(slots), columns)
        keys = make_keys(weights, columns)[found.places, found.columns]
        return np.asarray(keys > self.keys[slots[found.places], -1])

    def raise_cutoffs(self, slots: Rows, cutoffs: NDArray[np.float32]) -> None:
        """Raises the cutoffs of slots to those given, where they are higher."""
        self.cutoffs[slots] = np.maximum(self.cutoffs[slots], cutoffs)

    def offer(self, slots: Rows, places: Rows, keys: Keys) -> None:
        """Takes in neighbors.

        Args:
            slots: Slots that get neighbors, each once, `[m]`.
            places: For each offered neighbor, the place in `slots` of the one that it is for,
                ascending, `[p]`.
            keys: The offered neighbors, `[p]`. One that is there already changes nothing.
        """
        if not len(keys):
            return
        counts = np.bincount(places, minlength=len(slots))
        turns = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        for begin in range(0, int(counts.max()), _WIDTH):
            now = (turns >= begin) & (turns < begin + _WIDTH)
            self._sort_in(slots, places[now], turns[now] - begin, keys[now])

    def _sort_in(self, slots: Rows, places: Rows, turns: Rows, keys: Keys) -> None:
        touched = np.bincount(places, minlength=len(slots)) > 0
        places = (np.cumsum(touched) - 1)[places]
        slots = slots[touched]
        count = self.keys.shape[1]
        merged = np.full((len(slots), count + int(turns.max()) + 1), NO_NEIGHBOR)
        merged[:, :count] = self.keys[slots]
        merged[places, count + turns] = keys
        merged.sort(axis=1)
        again = merged[:, 1:] == merged[:, :-1]
        again &= merged[:, 1:] != NO_NEIGHBOR
        if again.any():
            merged[:, 1:][again] = NO_NEIGHBOR
            merged.sort(axis=1)
        best = merged[:, : -count - 1 : -1]
        self.keys[slots] = best
        full = best[:, -1] != NO_NEIGHBOR
        slots, last = slots[full], weights_of(best[full, -1])
        self.raise_cutoffs(slots, self.cutoffs_of(slots, last))
