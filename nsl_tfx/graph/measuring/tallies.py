"""Counts by key that can be added up in any order, within bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Some 40 MB of counts; a graph with fewer weights than this gets exact quantiles.
_MAX_WEIGHTS = (1 << 21) + 1
_SIGN = np.uint32(1 << 31)


@dataclasses.dataclass(frozen=True, eq=False)
class Tally:
    """Counts by key.

    Attributes:
        keys: Each once, ascending, `[keys]`.
        counts: int64 `[keys, columns]`.

    Example:
        >>> tally = Tally.of([3, 1, 3])
        >>> tally.keys.tolist(), tally.counts[:, 0].tolist()
        ([1, 3], [1, 2])
    """

    keys: NDArray[Any]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: ArrayLike, *columns: ArrayLike, dtype: type = np.int64) -> Tally:
        """Adds up, for each key, its rows and then each column's values there."""
        rows: NDArray[Any] = np.asarray(keys, dtype)
        found, place = np.unique(rows, return_inverse=True)
        totals = [np.bincount(place, minlength=len(found))]
        for column in columns:
            # Exact up to 2^53, which is more than there are edges.
            sums = np.bincount(place, np.asarray(column, np.float64), minlength=len(found))
            totals.append(sums.astype(np.int64))
        return cls(found, np.stack(totals, axis=1).astype(np.int64))

    def __len__(self) -> int:
        return len(self.keys)

    def to_dict(self) -> dict[int, int]:
        """Returns each key's count of rows."""
        return dict(zip(self.keys.tolist(), self.counts[:, 0].tolist(), strict=True))


def add_tallies(tallies: Sequence[Tally]) -> Tally:
    """Returns the sum of one tally or several."""
    if len(tallies) == 1:
        return tallies[0]
    keys = np.concatenate([tally.keys for tally in tallies])
    counts = np.concatenate([tally.counts for tally in tallies])
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    return _add_runs(keys, counts)


@dataclasses.dataclass(frozen=True, eq=False)
class WeightTally:
    """Counts by weight.

    While there are few enough, every float32 that occurs has its own count. Beyond that, their last
    bits are left out, as few as will do: however many weights there are, and in whatever order they
    are added up, the result is the same and of bounded size.

    Attributes:
        tally: By the weight's bits, of which the last `shift` are left out, in the weights' order.
        shift: Number of bits left out.
    """

    tally: Tally
    shift: int = 0

    @classmethod
    def of(cls, weights: NDArray[np.float32], *marks: NDArray[np.bool_]) -> WeightTally:
        """Counts, for each weight, its rows and then those with each mark.

        Args:
            weights: `[rows]`.
            *marks: At most 31, each `[rows]`.
        """
        # One sort of plain numbers, which is many times faster than one that returns the places.
        keys = _ordered_bits(weights).astype(np.uint64) << np.uint64(len(marks))
        for bit, mark in enumerate(marks):
            keys |= mark.astype(np.uint64) << np.uint64(bit)
        found, times = np.unique(keys, return_counts=True)
        columns = [
            times,
            *(
                times * (found >> np.uint64(bit) & np.uint64(1)).astype(np.int64)
                for bit in range(len(marks))
            ),
        ]
        bits = (found >> np.uint64(len(marks))).astype(np.uint32)
        return _shorten(_add_runs(bits, np.stack(columns, axis=1).astype(np.int64)), 0)

    @property
    def values(self) -> NDArray[np.float64]:
        """The weight that stands for each key: itself, or the middle of those merged into it."""
        low = self.tally.keys.astype(np.uint32) << np.uint32(self.shift)
        high = low | np.uint32((1 << self.shift) - 1)
        # The ends of a range may be bits of no finite number.
        largest = float(np.finfo(np.float32).max)
        return (np.fmax(_weights(low), -largest) + np.fmin(_weights(high), largest)) / 2

    def quantile(self, probability: float) -> float:
        """Returns the weight at a quantile, interpolated between neighbors as NumPy does.

        Raises:
            ValueError: There are no weights.
        """
        ends, values = np.cumsum(self.tally.counts[:, 0]), self.values
        if not len(ends):
            raise ValueError("Expected at least one weight. Received none.")
        position = (ends[-1] - 1) * probability
        below, above = (
            float(values[np.searchsorted(ends, place, side="right")])
            for place in (np.floor(position), np.ceil(position))
        )
        return below + (above - below) * float(position - np.floor(position))


def add_weight_tallies(tallies: Sequence[WeightTally]) -> WeightTally:
    """Returns the sum of one tally or several."""
    shift = max(tally.shift for tally in tallies)
    total = add_tallies([_shifted(each.tally, shift - each.shift) for each in tallies])
    return _shorten(total, shift)


def _shorten(tally: Tally, shift: int) -> WeightTally:
    while len(tally) > _MAX_WEIGHTS:
        tally, shift = _shifted(tally, 1), shift + 1
    return WeightTally(tally, shift)


def _shifted(tally: Tally, bits: int) -> Tally:
    if not bits:
        return tally
    return _add_runs(tally.keys.astype(np.uint32) >> np.uint32(bits), tally.counts)


def _add_runs(keys: NDArray[Any], counts: NDArray[np.int64]) -> Tally:
    """Adds up the counts of equal keys, which lie side by side."""
    if not len(keys):
        return Tally(keys, counts)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return Tally(keys[first], np.add.reduceat(counts, first, axis=0))


def _ordered_bits(weights: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Returns integers in the order of the weights; both zeros become one."""
    bits = (weights.astype(np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _weights(ordered: NDArray[np.uint32]) -> NDArray[np.float64]:
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered)
    return bits.view(np.float32).astype(np.float64)
