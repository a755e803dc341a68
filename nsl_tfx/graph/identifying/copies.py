"""Numbers that tell copies of one thing apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TO_BE_GIVEN = -1
"""The number of a row that has none yet."""


def number_copies(
    keys: NDArray[np.uint64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gives each row without a number the smallest that no other row of its key has.

    Rows of one key get theirs in the order in which they come.

    Args:
        keys: What is alike, `[rows, 2]`: the halves of a digest.
        numbers: `[rows]`; a number that a row has already, or `TO_BE_GIVEN`.

    Returns:
        The numbers, `[rows]`; and pairs of rows, `[pairs, 2]`, that came with the same key and
        number: one pair for each row but the first of such.

    Example:
        >>> keys = np.array([[0, 7], [0, 8], [0, 7], [0, 7]], np.uint64)
        >>> number_copies(keys, np.array([-1, -1, 1, -1]))[0].tolist()
        [0, 0, 1, 2]
    """
    # Rows with a number come first within their key, each in ascending order.
    free = numbers == TO_BE_GIVEN
    order = np.lexsort((np.where(free, 0, numbers), free, keys[:, 1], keys[:, 0]))
    keys, ordered = keys[order], numbers[order]
    new_key = np.ones(len(order), bool)
    new_key[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    begins = np.flatnonzero(new_key)
    group = np.cumsum(new_key) - 1
    is_free = ordered == TO_BE_GIVEN

    repeated = ~new_key & ~is_free
    repeated[1:] &= ordered[1:] == ordered[:-1]
    later = np.flatnonzero(repeated)
    pairs = np.stack([order[later - 1], order[later]], axis=1)

    result = np.where(is_free, np.arange(len(order)) - begins[group], ordered)
    # A group where some have numbers and some do not is rare: two data sets, one of them
    # identified before, that were put together.
    has_free = np.bincount(group, is_free, len(begins)) > 0
    for start in begins[has_free & ~is_free[begins]]:
        end = start + np.searchsorted(group[start:], group[start], side="right")
        first = start + np.flatnonzero(is_free[start:end])[0]
        result[first:end] = _smallest_free(ordered[start:first], end - first)
    numbered = np.empty(len(order), np.int64)
    numbered[order] = result
    return numbered, pairs


def _smallest_free(taken: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns the smallest numbers from 0 on that are not taken."""
    candidates = np.arange(count + len(taken))
    return np.setdiff1d(candidates, taken, assume_unique=False)[:count]
