"""Rows that are equal to the byte, which a search compares once for all."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import NO_NEIGHBOR, Keys, make_keys, numbers_of, weights_of

_NUMBERS_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class EqualRows:
    """Which rows are equal.

    Data with many equal vectors (empty texts, say) would otherwise tie without end: each copy
    would need all the others as candidates.

    Attributes:
        first: The first row of each group, ascending, `[groups]`.
        members: The rows, group after group, ascending within each, `[rows]`.
        start: Where in `members` each group begins, `[groups]`.
        size: Rows of each group, `[groups]`.
    """

    first: Rows
    members: Rows
    start: Rows
    size: Rows

    def __len__(self) -> int:
        return len(self.first)


def find_equal_rows(vectors: NDArray[np.float32]) -> EqualRows | None:
    """Returns the groups of equal rows, or None where all rows differ.

    Args:
        vectors: float32 `[rows, dimension]`; -0.0 equals 0.0.

    Example:
        >>> find_equal_rows(np.array([[1], [2], [1]], np.float32)).members.tolist()
        [0, 2, 1]
    """
    hashes = _hash_rows(vectors)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    if not same.any():
        return None
    shared = np.zeros(len(vectors), bool)
    shared[order[1:][same]] = True
    shared[order[:-1][same]] = True
    rows = np.flatnonzero(shared)
    leader = np.arange(len(vectors))
    exact = np.ascontiguousarray(vectors[rows] + np.float32(0))
    as_bytes = exact.view(np.dtype((np.void, exact.itemsize * exact.shape[1]))).reshape(-1)
    _, first, group = np.unique(as_bytes, return_index=True, return_inverse=True)
    leader[rows] = rows[first[group.reshape(-1)]]
    firsts, group = np.unique(leader, return_inverse=True)
    if len(firsts) == len(vectors):
        return None
    group = group.reshape(-1)
    size = np.bincount(group)
    return EqualRows(firsts, np.argsort(group, kind="stable"), np.cumsum(size) - size, size)


def spread_to_members(
    keys: Keys, own_weights: NDArray[np.float32], groups: EqualRows, num_neighbors: int
) -> Keys:
    """Returns the best neighbors of every row, from those of the groups.

    The best `k` groups of a group hold the best `k` rows: each of them has a first member that is
    better than every member of a group beyond them.

    Args:
        keys: The best neighbors of each group among the others, best first, `[groups, k]`.
        own_weights: The weight of two members of a group, float32 `[groups]`.
        groups: Their members.
        num_neighbors: Neighbors of a row, `w <= k`, but for the groups that are fewer.

    Returns:
        The best neighbors of each row, best first, `[rows, w]`.
    """
    count = len(groups)
    own = make_keys(own_weights, np.arange(count))
    keys = np.concatenate([keys, own[:, None]], axis=1)
    known = keys != NO_NEIGHBOR
    near = np.where(known, numbers_of(keys), 0)
    # One more than wanted, since a member may meet itself; lower numbers win ties, so a group
    # never gives more than its first ones.
    take = np.where(known, np.minimum(groups.size[near], num_neighbors + 1), 0).reshape(-1)
    point = groups.members[_ranges(groups.start[near].reshape(-1), take)]
    owner = np.repeat(np.repeat(np.arange(count), keys.shape[1]), take)
    offers = make_keys(np.repeat(weights_of(keys).reshape(-1), take), point)
    order = np.lexsort((-offers, owner))
    owner, offers = owner[order], offers[order]

    # The list of a group serves each of its members, less the member itself.
    length = np.minimum(np.bincount(owner, minlength=count), num_neighbors + 1)
    begin = np.cumsum(np.bincount(owner, minlength=count)) - np.bincount(owner, minlength=count)
    row_length = np.repeat(length, groups.size)
    entry = offers[_ranges(np.repeat(begin, groups.size), row_length)]
    source = np.repeat(groups.members, row_length)
    other = numbers_of(entry) != source
    source, entry = source[other], entry[other]
    result = np.full((len(groups.members), num_neighbors), NO_NEIGHBOR)
    order = np.argsort(source, kind="stable")
    source, entry = source[order], entry[order]
    counts = np.bincount(source, minlength=len(result))
    rank = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    best = rank < num_neighbors
    result[source[best], rank[best]] = entry[best]
    return result


def _hash_rows(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    dimension = vectors.shape[1]
    factors = mix(np.arange(dimension, dtype=np.uint64), 0) | np.uint64(1)
    result = np.empty(len(vectors), np.uint64)
    step = max(1, _NUMBERS_AT_ONCE // dimension)
    for begin in range(0, len(vectors), step):
        part = vectors[begin : begin + step] + np.float32(0)  # makes -0.0 equal 0.0
        result[begin : begin + step] = (part.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64)
    return result


def _ranges(start: Rows, length: Rows) -> Rows:
    """Returns `start[0], start[0] + 1, ...`, `length[0]` numbers, then those of the next."""
    begin = np.cumsum(length) - length
    return np.arange(length.sum()) + np.repeat(start - begin, length)
