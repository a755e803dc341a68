"""Rows that are equal to the byte, which a search compares once for all."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import NO_NEIGHBOR, Keys, make_keys, numbers_of, weights_of

_NUMBERS_AT_ONCE = 1 << 18


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

    def groups_of(self, rows: Rows) -> Rows:
        """Returns the number of each row's group, `[m]`."""
        group = np.empty(len(self.members), np.int64)
        group[self.members] = np.repeat(np.arange(len(self)), self.size)
        return group[rows]


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
    keys: Keys,
    own_weights: NDArray[np.float32],
    groups: EqualRows,
    num_neighbors: int,
    rows: Rows | None = None,
) -> Keys:
    """Returns the best neighbors of rows, from those of their groups.

    The best `k` groups of a group hold the best `k` rows: each of them has a first member that is
    better than every member of a group beyond them.

    Args:
        keys: The best neighbors of each group that has one of the rows, ascending by the group's
            number, among the other groups, best first, `[m, k]`.
        own_weights: The weight of two members of such a group, float32 `[m]`.
        groups: The members of all groups.
        num_neighbors: Neighbors of a row, `w <= k`, but for the groups that are fewer.
        rows: Rows that want neighbors, `[n]`; all when None.

    Returns:
        The best neighbors of each row, best first, `[n, w]`.
    """
    if rows is None:
        near, size, members = np.arange(len(groups)), groups.size, groups.members
        places = members
    else:
        group = groups.groups_of(rows)
        places = np.argsort(group, kind="stable")
        near, size = np.unique(group, return_counts=True)
        members = rows[places]
    result = np.full((len(members), num_neighbors), NO_NEIGHBOR)
    # One more than wanted, since a member may meet itself; lower numbers win ties, so a group
    # never gives more than its first ones.
    offered = np.minimum(groups.size, num_neighbors + 1)
    rows_at_once = max(1, _NUMBERS_AT_ONCE // (num_neighbors + 1))
    ends = np.cumsum(size)
    for begin, end in _pieces(keys, near, offered):
        own = make_keys(own_weights[begin:end], near[begin:end])
        lists = _best_members(
            np.concatenate([keys[begin:end], own[:, None]], axis=1),
            groups,
            offered,
            num_neighbors + 1,
        )
        first, last = ends[begin] - size[begin], ends[end - 1]
        owner = np.repeat(np.arange(end - begin), size[begin:end])
        for start in range(first, last, rows_at_once):
            part = slice(start, min(start + rows_at_once, last))
            best = lists[owner[part.start - first : part.stop - first]]
            # The list of a group serves each of its members, less the member itself, or the last
            # one where the member is not in it.
            kept = numbers_of(best) != members[part, None]
            kept[kept.all(axis=1), -1] = False
            result[places[part]] = best[kept].reshape(len(best), num_neighbors)
    return result


def _pieces(keys: Keys, near: Rows, offered: Rows) -> Iterator[tuple[int, int]]:
    """Yields ranges of groups that are offered a bounded number of rows.

    Args:
        keys: The neighbors of some groups, `[m, k]`.
        near: The groups' numbers, `[m]`.
        offered: How many rows each group offers, `[groups]`.
    """
    step = max(1, _NUMBERS_AT_ONCE // (keys.shape[1] + 1))
    for start in range(0, len(keys), step):
        part = keys[start : start + step]
        known = part != NO_NEIGHBOR
        counts = np.where(known, offered[np.where(known, numbers_of(part), 0)], 0).sum(axis=1)
        total = np.cumsum(counts + offered[near[start : start + step]])
        cuts = np.flatnonzero(np.diff(total // _NUMBERS_AT_ONCE)) + 1
        yield from itertools.pairwise(start + np.concatenate([[0], cuts, [len(part)]]))


def _best_members(near: Keys, groups: EqualRows, offered: Rows, count: int) -> Keys:
    """Returns the best rows for some groups, best first, `[m, count]`.

    Args:
        near: The groups that are near each of them, itself included, in any order, `[m, k]`.
        groups: All groups' members.
        offered: How many rows each group offers, `[groups]`.
        count: How many rows are wanted.
    """
    known = near != NO_NEIGHBOR
    owner = np.nonzero(known)[0]
    group = numbers_of(near[known])
    take = offered[group]
    rows = groups.members[_ranges(groups.start[group], take)]
    offers = make_keys(np.repeat(weights_of(near[known]), take), rows)
    owner = np.repeat(owner, take)
    order = np.lexsort((-offers, owner))
    owner, offers = owner[order], offers[order]
    counts = np.bincount(owner, minlength=len(near))
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    best = np.full((len(near), count), NO_NEIGHBOR)
    kept = turn < count
    best[owner[kept], turn[kept]] = offers[kept]
    return best


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
