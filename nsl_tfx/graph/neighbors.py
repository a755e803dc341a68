"""Exact nearest neighbors by cosine similarity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import faiss
import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.edges import EdgeList

# Weights are compared and written in whole millionths: far coarser than what float64 loses in a
# sum, so that one pair has one weight wherever it is computed; and what NSL's text files hold.
WEIGHT_STEP = 1e-6
_DECIMALS = 6

# Candidates beyond the wanted neighbors: with them, nearly every row is proven complete by its
# first search.
_SLACK = 8
# Upper bounds of a block: candidates of all its rows, and float64 numbers gathered to score them.
_BLOCK_CANDIDATES = 1 << 20
_BLOCK_NUMBERS = 1 << 22


def nearest_neighbors(vectors: NDArray[np.float32], num_neighbors: int) -> EdgeList:
    """Finds each row's nearest other rows by cosine similarity, exactly.

    The similarity of a pair is taken in float64 and rounded to millionths; equal similarities are
    ordered by row number. So the result depends on the vectors alone, not on threads or blocks:
    FAISS's float32 scores, whose last bits vary with the batch, only propose candidates, and a
    row's candidates are extended until its worst neighbor is better than anything not proposed,
    rounding included. A row is never its own neighbor; equal rows are each other's.

    Time grows with the square of the number of different rows. Many rows that differ by less than
    a millionth are slow, because no float32 score can tell them apart.

    Args:
        vectors: One vector a row, `[rows, dimension]`; finite and not zero.
        num_neighbors: Neighbors of a row; all other rows where there are fewer.

    Returns:
        The edges from each row to its neighbors, sorted.

    Example:
        >>> edges = nearest_neighbors(np.array([[1, 0], [2, 0], [0, 1]], np.float32), 1)
        >>> edges.target.tolist(), edges.weight.tolist()
        ([1, 0, 0], [1.0, 1.0, 0.0])
    """
    wanted = min(num_neighbors, len(vectors) - 1)
    if wanted < 1:
        return EdgeList.concatenate([])
    groups = _Groups.of_equal_rows(vectors)
    search = _Search(vectors[groups.first])
    found = [
        _neighbors_of_members(rows, candidates, weights, groups, wanted)
        for rows, candidates, weights in search.complete_rows(wanted)
    ]
    return EdgeList.concatenate(found).sorted()


@dataclasses.dataclass(frozen=True, eq=False)
class _Groups:
    """Which rows are equal.

    Data with many equal vectors (empty texts, say) would otherwise tie without end: each copy
    would need all the others as candidates.

    Attributes:
        first: A row of each group, `[groups]`.
        members: The rows, group after group, ascending within each, `[rows]`.
        start: Where in `members` each group begins, `[groups]`.
        size: Rows of each group, `[groups]`.
    """

    first: NDArray[np.int64]
    members: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    @classmethod
    def of_equal_rows(cls, vectors: NDArray[np.float32]) -> _Groups:
        rows = np.ascontiguousarray(vectors + np.float32(0))  # makes -0.0 equal 0.0
        as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).reshape(-1)
        _, first, group_of = np.unique(as_bytes, return_index=True, return_inverse=True)
        group_of = group_of.reshape(-1)
        size = np.bincount(group_of)
        members = np.argsort(group_of, kind="stable")
        return cls(first, members, np.cumsum(size) - size, size)


class _Search:
    """Proposes candidates with FAISS until they are proven to hold every best neighbor."""

    def __init__(self, vectors: NDArray[np.float32]):
        self._vectors = vectors
        self._norms = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1))
        self._unit = (vectors / self._norms[:, None]).astype(np.float32)
        # How far a float32 score may lie from the similarity: the classical bound of a dot product
        # of unit vectors (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1) with the
        # vectors' own rounding; and half a step for the rounding to millionths.
        dimension = vectors.shape[1]
        self._tolerance = (dimension + 4) * 2.0**-24 + WEIGHT_STEP / 2

    def complete_rows(
        self, wanted: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
        """Yields rows `[b]`, their candidates `[b, c]` and similarities `[b, c]`, each row once."""
        count = len(self._vectors)
        pending = np.arange(count)
        fetch = wanted + 1 + _SLACK
        while len(pending):
            fetch = min(fetch, count)
            left = []
            block_rows = max(1, _BLOCK_CANDIDATES // fetch)
            for begin in range(0, len(pending), block_rows):
                rows = pending[begin : begin + block_rows]
                scores, candidates = faiss.knn(
                    self._unit[rows], self._unit, fetch, faiss.METRIC_INNER_PRODUCT
                )
                weights = self._similarities(rows, candidates)
                done = (
                    np.ones(len(rows), bool)
                    if fetch == count
                    else self._is_complete(rows, candidates, weights, scores[:, -1], wanted)
                )
                left.append(rows[~done])
                yield rows[done], candidates[done], weights[done]
            pending = np.concatenate(left)
            fetch *= 4

    def _is_complete(
        self,
        rows: NDArray[np.int64],
        candidates: NDArray[np.int64],
        weights: NDArray[np.float64],
        last_score: NDArray[np.float32],
        wanted: int,
    ) -> NDArray[np.bool_]:
        others = np.where(candidates == rows[:, None], -np.inf, weights)
        worst = np.partition(others, -wanted, axis=1)[:, -wanted]
        # Strictly better: an unseen row of equal weight and lower number would win the tie.
        return worst > last_score.astype(np.float64) + self._tolerance

    def _similarities(
        self, rows: NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        left = np.repeat(rows, candidates.shape[1])
        right = candidates.reshape(-1)
        result = np.empty(len(left))
        step = max(1, _BLOCK_NUMBERS // self._vectors.shape[1])
        for begin in range(0, len(left), step):
            part = slice(begin, begin + step)
            i, j = left[part], right[part]
            # A sum along rows adds in the same order for every pair, unlike a matrix product,
            # and both factors commute: (i, j) and (j, i) get the same bits.
            products = self._vectors[i].astype(np.float64) * self._vectors[j]
            result[part] = products.sum(axis=1) / (self._norms[i] * self._norms[j])
        rounded = np.round(np.clip(result, -1, 1), _DECIMALS) + 0.0  # no -0.0
        return rounded.reshape(candidates.shape)


def _neighbors_of_members(
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    weights: NDArray[np.float64],
    groups: _Groups,
    wanted: int,
) -> EdgeList:
    """Returns the best edges of every member of the groups `rows`.

    Args:
        rows: Groups, `[b]`.
        candidates: Groups that hold the neighbors, `[b, c]`.
        weights: Similarities, `[b, c]`.
        groups: Their members.
        wanted: Neighbors of a member.
    """
    # One more than wanted, since a member may meet itself; lower numbers win ties, so a group
    # never gives more than its first ones.
    take = np.minimum(groups.size[candidates], wanted + 1).reshape(-1)
    point = groups.members[_ranges(groups.start[candidates].reshape(-1), take)]
    owner = np.repeat(np.repeat(np.arange(len(rows)), candidates.shape[1]), take)
    weight = np.repeat(weights.reshape(-1), take)
    order = np.lexsort((point, -weight, owner))
    order = order[_rank_within(owner[order]) <= wanted]
    owner, point, weight = owner[order], point[order], weight[order]

    # The list of a group serves each of its members, less the member itself.
    length = np.bincount(owner, minlength=len(rows))
    begin = np.cumsum(length) - length
    size = groups.size[rows]
    member = groups.members[_ranges(groups.start[rows], size)]
    lengths = np.repeat(length, size)
    entry = _ranges(np.repeat(begin, size), lengths)
    source, target, weight = np.repeat(member, lengths), point[entry], weight[entry]
    other = source != target
    source, target, weight = source[other], target[other], weight[other]
    best = _rank_within(source) < wanted
    return EdgeList(source[best], target[best], weight[best])


def _ranges(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns `start[0], start[0] + 1, ...`, `length[0]` numbers, then those of the next."""
    begin = np.cumsum(length) - length
    return np.arange(length.sum()) + np.repeat(start - begin, length)


def _rank_within(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns each element's place, from 0, in its run of equal keys."""
    if not len(keys):
        return np.zeros(0, np.int64)
    is_first = np.concatenate([[True], keys[1:] != keys[:-1]])
    starts = np.flatnonzero(is_first)
    return np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
