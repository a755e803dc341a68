"""Nearest neighbors of vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nsl_tfx.configs import SearchMethod, Similarity
from nsl_tfx.configs.base import require_choice, require_number
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.search.approximate import CELL_SIZE, CELLS_COMPARED, search_approximately
from nsl_tfx.graph.search.equal_rows import find_equal_rows, spread_to_members
from nsl_tfx.graph.search.exact import search_exactly, true_neighbors
from nsl_tfx.graph.search.parallel import default_threads
from nsl_tfx.graph.search.points import Points
from nsl_tfx.graph.search.recall import Recall, choose_sample, measure_recall
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    Keys,
    numbers_of,
    weights_of,
)
from nsl_tfx.graph.search.vectors import check_rows

EXACT_ROWS = 100_000
"""Up to so many rows, `auto` compares all pairs, which takes seconds and misses none."""

# Rows of a cell for each neighbor wanted: most of a point's neighbors have to be around it.
_ROWS_PER_NEIGHBOR = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbors:
    """Nearest neighbors, and how they were found.

    Attributes:
        keys: Each row's neighbors, best first, int64 `[rows, k]`; see `make_keys`.
        method: `exact` or `approximate`.
        rounds: How often the rows were parted into cells; 0 for `exact`.
        recall: Share of the true neighbors found, by a full scan for a sample of rows, equal ones
            counted each.
    """

    keys: Keys
    method: SearchMethod
    rounds: int
    recall: Recall

    def __repr__(self) -> str:
        # Not the keys, of which there may be millions.
        rows, neighbors = self.keys.shape
        return f"Neighbors(rows={rows}, neighbors={neighbors}, method={self.method.value!r})"

    def describe(self, target_recall: float) -> dict[str, Any]:
        """Returns how they were found, as plain JSON values.

        Args:
            target_recall: The recall that was asked for.
        """
        found = self.recall.describe(target_recall)
        if self.method is SearchMethod.EXACT:
            # It compares all pairs, so that it takes no large sample to trust it.
            found["target_recall_reached"] = self.recall.share == 1
        return {"method": self.method.value, "rounds": self.rounds, **found}

    def edges(self, begin: int = 0, end: int | None = None) -> EdgeList:
        """Returns the edges from each row, or those from `begin` to `end`, sorted."""
        return edges_of_keys(self.keys, begin, end)


def nearest_neighbors(
    vectors: ArrayLike,
    num_neighbors: int,
    *,
    similarity: Similarity | str = Similarity.COSINE,
    method: SearchMethod | str = SearchMethod.AUTO,
    hashes: NDArray[np.uint64] | None = None,
    seed: int = 0,
    target_recall: float = 0.95,
    recall_sample: int = 1000,
    threads: int | None = None,
    advance: Callable[[float], None] = lambda share: None,
    cell_size: int = CELL_SIZE,
) -> Neighbors:
    """Finds each row's nearest other rows.

    The weight of a pair is its similarity in float64, as float32; equal weights are ordered by row
    number. What is found depends on the vectors, hashes and seed alone, not on
    threads or blocks. A row is never its own neighbor; equal rows are each other's.

    The exact method takes time that grows with the square of the number of different rows; the
    approximate one nearly in proportion to it. Every weight that the approximate method gives is
    right; what it may miss is neighbors.

    Args:
        vectors: One vector a row, `[rows, dimension]`, taken as float32; finite, and not zero for
            cosine similarity.
        num_neighbors: Neighbors of a row; all other rows where there are fewer.
        similarity: How vectors are compared.
        method: Whether all pairs are compared.
        hashes: A hash of each row's id, uint64 `[rows]`, from `hash_ids`; with it, the order of
            the rows does not matter to the approximate method either.
        seed: Another seed, other partitions and another sample.
        target_recall: Share of the true neighbors at which the approximate method stops.
        recall_sample: Rows on which that share is measured.
        threads: How many work at once; all cores, or `OMP_NUM_THREADS`, when None.
        advance: Called with the share of the work done since its last call.
        cell_size: Rows of a cell of the approximate method, on average; more where many neighbors
            are wanted.

    Raises:
        TypeError: A number is none, or not an integer where one is expected.
        ValueError: The vectors are no matrix, or one of them cannot be compared; there is no such
            similarity or method; a number is out of its range; or the hashes are not one a row.

    Example:
        >>> found = nearest_neighbors(np.array([[1, 0], [2, 0], [0, 1]], np.float32), 1)
        >>> found.edges().target.tolist(), found.edges().weight.tolist()
        ([1, 0, 0], [1.0, 1.0, 0.0])
    """
    similarity = require_choice("similarity", similarity, Similarity)
    method = require_choice("method", method, SearchMethod)
    num_neighbors = require_number("num_neighbors", num_neighbors, int, ge=1)
    target_recall = require_number("target_recall", target_recall, float, gt=0, le=1)
    recall_sample = require_number("recall_sample", recall_sample, int, ge=1)
    cell_size = require_number("cell_size", cell_size, int, ge=1)
    threads = (
        default_threads() if threads is None else require_number("threads", threads, int, ge=1)
    )
    vectors = check_rows(vectors, similarity)
    wanted = min(num_neighbors, max(0, len(vectors) - 1))
    hashes = np.arange(len(vectors), dtype=np.uint64) if hashes is None else np.asarray(hashes)
    if hashes.dtype != np.uint64 or hashes.shape != (len(vectors),):
        raise ValueError(
            f"Expected hashes to be uint64 [{len(vectors)}], one a row. Received: {hashes.dtype} "
            f"{list(hashes.shape)}. Make them with hash_ids(ids)."
        )
    # Of all rows, since what is reported is how many neighbors a row finds, copies among them.
    rows = sample = choose_sample(hashes, recall_sample, seed)
    equal = find_equal_rows(vectors) if len(vectors) > 1 else None
    if equal is not None:
        vectors, hashes = vectors[equal.first], hashes[equal.first]
        sample = np.unique(equal.groups_of(rows))
    points = Points(vectors, similarity)
    # One, where all rows are equal: a group is no neighbor of its own.
    near = max(1, min(wanted, len(points) - 1))
    truth = true_neighbors(points, sample, near, threads)
    rounds = 0
    if compares_all(method, len(points), wanted, cell_size):
        found = search_exactly(points, near, threads, advance)
    else:
        cell_size = max(cell_size, _ROWS_PER_NEIGHBOR * wanted)
        found, rounds, _ = search_approximately(
            points, near, hashes, seed, sample, truth, target_recall, threads, advance, cell_size
        )
    keys = found[:, :wanted]
    if equal is not None:
        groups = np.arange(len(points))
        own = points.weights(groups, groups)
        keys = spread_to_members(found, own, equal, wanted)
        truth = spread_to_members(truth, own[sample], equal, wanted, rows)
    recall = measure_recall(keys[rows], truth, len(keys))
    used = SearchMethod.APPROXIMATE if rounds else SearchMethod.EXACT
    return Neighbors(keys, used, rounds, recall)


def edges_of_keys(keys: Keys, begin: int = 0, end: int | None = None) -> EdgeList:
    """Returns the edges from rows to their neighbors, sorted.

    Args:
        keys: Each row's neighbors, best first, `[rows, k]`.
        begin: The first row whose edges are returned.
        end: The row after the last; the number of rows when None.
    """
    part = keys[begin:end]
    known = part != NO_NEIGHBOR
    source = np.repeat(np.arange(begin, begin + len(part)), known.sum(axis=1))
    return EdgeList(source, numbers_of(part[known]), weights_of(part[known]))


def compares_all(method: SearchMethod, rows: int, wanted: int, cell_size: int = CELL_SIZE) -> bool:
    """Tells whether `nearest_neighbors` compares all pairs of so many rows.

    Args:
        method: The method asked for.
        rows: Rows in all.
        wanted: Neighbors of a row.
        cell_size: Rows of a cell of the approximate method, on average.
    """
    cell_size = max(cell_size, _ROWS_PER_NEIGHBOR * wanted)
    if method is SearchMethod.EXACT or rows <= cell_size * CELLS_COMPARED:
        return True
    return method is SearchMethod.AUTO and rows <= EXACT_ROWS
