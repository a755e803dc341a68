"""Buckets of near nodes, each small enough for one worker.

Where all vectors fit one worker there is one bucket. Else each round draws leaders anew, sends
every node to the cell of its nearest leader, and packs cells that lie near each other into buckets.
A cell that is too large for a worker is cut by the hash of the id, which is counted, because it
parts neighbors. A pair that shares a bucket in no round is never compared: several rounds make that
rare.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import SearchMethod, SimilarityGraphConfig
from nsl_tfx.graph.building.leaders import along_a_path, nearest_leaders
from nsl_tfx.graph.building.vector_batches import (
    join_vectors,
    take_vectors,
    vector_batch,
    vectors_of,
)
from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.nearest import compares_all
from nsl_tfx.graph.search.points import Points
from nsl_tfx.graph.search.recall import Recall

# Leaders for each bucket that is needed: more make buckets of more even size.
_LEADERS_PER_BUCKET = 8
_MOST_LEADERS = 4096
# Of the true pairs that the rounds before left apart, a round parts at most about this share.
_PARTED = 0.45
_MOST_ROUNDS = 8
ROWS_IN_BLOCK = 1 << 16
"""Rows that are parted among buckets at once: small batches would become as many tiny ones."""

# What a search holds at its peak, as tests/graph/building/test_memory.py measures it: copies of the
# vectors (as they came, in the order of ids, and the factors of whole sets or of threads' blocks);
# for each node its id, hashes and candidates; for each neighbor its keys, and edges as columns.
_EXACT_COPIES, _EXACT_BYTES, _EXACT_BYTES_PER_NEIGHBOR = 5, 2000, 130
_COPIES, _BYTES, _BYTES_PER_NEIGHBOR = 3, 350, 25


# Parts the hashes that draw leaders, cut cells, draw the sample and seed searches.
_LEADERS, _PARTS, _SAMPLE, _SEARCHES = range(0x1EAD, 0x1EAD + 4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How the work is cut.

    Attributes:
        rows: Nodes in all.
        dimension: Length of a vector.
        rows_in_bucket: Nodes that one worker can search.
        rounds: How often the nodes are parted anew; 1 where one worker can search them all.
        leaders: Leaders of a round; 0 where there is one bucket.
    """

    rows: int
    dimension: int
    rows_in_bucket: int
    rounds: int
    leaders: int

    @property
    def is_cut(self) -> bool:
        """Whether there is more than one bucket."""
        return self.leaders > 0


def make_plan(rows: int, dimension: int, config: SimilarityGraphConfig) -> Plan:
    """Returns how to cut the work so that a worker stays within its memory.

    Args:
        rows: Nodes in all.
        dimension: Length of a vector.
        config: Number of neighbors, method and `worker_memory_mb`.

    Raises:
        ValueError: The method is `exact`, but no worker can hold all vectors.

    Example:
        >>> make_plan(1000, 64, SimilarityGraphConfig(embedding_feature="x")).rounds
        1
    """
    neighbors = min(config.num_neighbors, max(1, rows - 1))
    budget = config.worker_memory_mb * 2**20
    approximate, exact = (search_bytes(dimension, neighbors, exact=how) for how in (False, True))
    # What is cut is compared bucket by bucket, and of a bucket that is small enough all pairs are.
    searched = rows if rows * approximate <= budget else budget // exact
    bytes_per_row = exact if compares_all(config.method, searched, neighbors) else approximate
    capacity = max(2, budget // bytes_per_row)
    if rows <= capacity:
        return Plan(rows=rows, dimension=dimension, rows_in_bucket=capacity, rounds=1, leaders=0)
    if config.method is SearchMethod.EXACT:
        raise ValueError(
            f"Expected all vectors to fit one worker, which method='exact' compares all pairs on. "
            f"Received {rows} vectors of {dimension} numbers, which take "
            f"{rows * bytes_per_row >> 20} MiB with what is computed of them, and "
            f"worker_memory_mb={config.worker_memory_mb}. Raise worker_memory_mb, or choose "
            "method='auto'."
        )
    missed = max(1 - config.target_recall, _PARTED**_MOST_ROUNDS)
    buckets = math.ceil(rows / capacity)
    return Plan(
        rows=rows,
        dimension=dimension,
        rows_in_bucket=capacity,
        rounds=min(_MOST_ROUNDS, max(2, math.ceil(math.log(missed) / math.log(_PARTED)))),
        leaders=min(_MOST_LEADERS, rows, _LEADERS_PER_BUCKET * buckets),
    )


def leader_luck(hashes: NDArray[np.uint64], seed: int, round_number: int) -> NDArray[np.uint64]:
    """Returns the numbers, `[nodes]`, of which the smallest make their nodes a round's leaders."""
    return mix(hashes, seed, _LEADERS, round_number)


def part_luck(hashes: NDArray[np.uint64], seed: int, round_number: int) -> NDArray[np.uint64]:
    """Returns the numbers, `[nodes]`, by which a round's too large cells are spread."""
    return mix(hashes, seed, _PARTS, round_number)


def sample_luck(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Returns the numbers, `[nodes]`, of which the smallest choose the recall's sample."""
    return mix(hashes, seed, _SAMPLE)


def bucket_config(config: SimilarityGraphConfig, round_number: int) -> SimilarityGraphConfig:
    """Returns what a bucket of a round is searched with: a seed of the round's own."""
    salted = mix(np.array([config.random_seed], np.uint64), _SEARCHES, round_number)
    return config.replace(random_seed=int(salted[0] >> np.uint64(32)))


def search_bytes(dimension: int, num_neighbors: int, *, exact: bool) -> int:
    """Returns how many bytes a search holds of each row, its vector and its edges included.

    Args:
        dimension: Length of a vector.
        num_neighbors: Neighbors of a row.
        exact: Whether all pairs are compared.
    """
    if exact:
        vectors = 4 * dimension * _EXACT_COPIES
        return vectors + _EXACT_BYTES + _EXACT_BYTES_PER_NEIGHBOR * num_neighbors
    return 4 * dimension * _COPIES + _BYTES + _BYTES_PER_NEIGHBOR * num_neighbors


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """Nodes drawn by the smallest of their hashes, whatever parts they were drawn from.

    Attributes:
        hashes: Ascending, `[m]`.
        batch: Their ids and vectors, in the order of the hashes.
    """

    hashes: NDArray[np.uint64]
    batch: pa.RecordBatch


def draw(batch: pa.RecordBatch, hashes: NDArray[np.uint64], count: int) -> Drawn:
    """Returns the rows of a batch with the `count` smallest of the hashes given, `[rows]`."""
    rows = np.argsort(hashes, kind="stable")[:count]
    return Drawn(hashes[rows], take_vectors(batch, rows))


def join_drawn(parts: Iterable[Drawn], count: int) -> Drawn:
    """Returns the nodes with the `count` smallest hashes of all parts, at least one."""
    parts = list(parts)
    ids, vectors = join_vectors(part.batch for part in parts)
    hashes = np.concatenate([part.hashes for part in parts])
    rows = np.argsort(hashes, kind="stable")[:count]
    return Drawn(hashes[rows], vector_batch([ids[row] for row in rows], vectors[rows]))


def cells_of(
    batch: pa.RecordBatch, leaders: Sequence[pa.RecordBatch], config: SimilarityGraphConfig
) -> NDArray[np.int64]:
    """Returns the cell of each row in each round: the place of its nearest leader.

    It does not depend on which rows share a batch: leaders that float32 cannot tell apart are
    compared by their canonical weights, and equal ones go by their place.

    Args:
        batch: The rows.
        leaders: The leaders of each round.
        config: The similarity.

    Returns:
        int64 `[rounds, rows]`.
    """
    vectors = vectors_of(batch)
    result = np.empty((len(leaders), len(vectors)), np.int64)
    for number, drawn in enumerate(leaders):
        points = Points(np.concatenate([vectors_of(drawn), vectors]), config.similarity)
        count = drawn.num_rows
        rows = np.arange(count, len(points))
        result[number] = nearest_leaders(points, rows, np.arange(count))
    return result


@dataclasses.dataclass(frozen=True, eq=False)
class Buckets:
    """Where the cells of one round go.

    Attributes:
        first: The first bucket of each cell, `[cells]`.
        parts: Over how many buckets a cell is spread, by the hash of the id, `[cells]`.
        sizes: Nodes of each bucket; those of a cell that is spread are as expected, `[buckets]`.
    """

    first: NDArray[np.int64]
    parts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @property
    def forced_splits(self) -> int:
        """How many buckets exist only because a cell was too large for one."""
        return int((self.parts - 1).sum())

    def of(self, cells: NDArray[np.int64], luck: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Returns the bucket of each row.

        Args:
            cells: The row's cell, `[rows]`.
            luck: A hash of its id, `[rows]`.
        """
        share = (luck >> np.uint64(32)).astype(np.int64) * self.parts[cells] >> 32
        return self.first[cells] + share


def pack_cells(
    sizes: Mapping[int, int],
    leaders: pa.RecordBatch,
    config: SimilarityGraphConfig,
    rows_in_bucket: int,
) -> Buckets:
    """Packs cells that lie near each other into buckets of bounded size.

    Args:
        sizes: Nodes of each cell; empty cells may be left out.
        leaders: The cells' leaders.
        config: The similarity.
        rows_in_bucket: Nodes of a bucket at most; those of a cell that has to be spread vary by
            chance around that.
    """
    points = Points(vectors_of(leaders), config.similarity)
    first = np.zeros(len(points), np.int64)
    parts = np.ones(len(points), np.int64)
    filled: list[int] = []
    open_bucket = False
    for cell in along_a_path(points, np.arange(len(points))):
        size = sizes.get(int(cell), 0)
        if size > rows_in_bucket:
            parts[cell] = -(-size // rows_in_bucket)
            first[cell] = len(filled)
            filled += [size // int(parts[cell])] * int(parts[cell])
            open_bucket = False
            continue
        if not open_bucket or filled[-1] + size > rows_in_bucket:
            filled.append(0)
            open_bucket = True
        first[cell] = len(filled) - 1
        filled[-1] += size
    return Buckets(first, parts, np.array(filled, np.int64))


def describe_buckets(rounds: Sequence[Buckets]) -> dict[str, Any]:
    """Returns the sizes of all rounds' buckets as plain JSON values."""
    sizes = np.concatenate([one.sizes for one in rounds])
    sizes = sizes[sizes > 0]
    return {
        "rounds": len(rounds),
        "buckets": len(sizes),
        "median_rows": int(np.median(sizes)),
        "p99_rows": int(np.quantile(sizes, 0.99, method="higher")),
        "max_rows": int(sizes.max()),
        "forced_splits": sum(one.forced_splits for one in rounds),
    }


def describe_cut(
    recall: Recall, rounds: Sequence[Buckets], config: SimilarityGraphConfig
) -> dict[str, Any]:
    """Returns how neighbors were found in rounds of buckets, as plain JSON values."""
    return {
        "method": SearchMethod.APPROXIMATE.value,
        "rounds": len(rounds),
        **recall.describe(config.target_recall),
        "buckets": describe_buckets(rounds),
    }
