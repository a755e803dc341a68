"""Searching vectors that have ids: at once, or in rounds of buckets where memory is bounded.

`nsl_tfx.graph.building.finding` does the same with workers, to the same edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.bucketing import (
    ROWS_IN_BLOCK,
    Plan,
    bucket_config,
    cells_of,
    describe_cut,
    draw,
    leader_luck,
    pack_cells,
    part_luck,
    sample_luck,
)
from nsl_tfx.graph.building.sampled_recall import compare_edges, scan_for_neighbors
from nsl_tfx.graph.building.top_edges import top_edges
from nsl_tfx.graph.building.vector_batches import vector_batch
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import EDGE_SCHEMA, edge_table
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.search import Neighbors, nearest_neighbors
from nsl_tfx.graph.search.recall import Recall
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    Keys,
    make_keys,
    numbers_of,
    weights_of,
)


def search_whole(
    ids: Sequence[bytes],
    vectors: NDArray[np.float32],
    config: SimilarityGraphConfig,
    advance: Callable[[float], None] = lambda share: None,
) -> Neighbors:
    """Returns each node's nearest neighbors among all.

    Args:
        ids: Ascending, each once.
        vectors: One an id, float32 `[nodes, dimension]`.
        config: Similarity, number of neighbors and method.
        advance: Called with the share of the search done since its last call.
    """
    return nearest_neighbors(
        vectors,
        config.num_neighbors,
        similarity=config.similarity,
        method=config.method,
        hashes=hash_ids(ids),
        seed=config.random_seed,
        target_recall=config.target_recall,
        recall_sample=config.recall_sample,
        advance=advance,
    )


def search_in_rounds(
    ids: Sequence[bytes],
    vectors: NDArray[np.float32],
    config: SimilarityGraphConfig,
    plan: Plan,
    advance: Callable[[float], None] = lambda share: None,
) -> tuple[Keys, Mapping[str, Any]]:
    """Returns each node's nearest neighbors of those that it shares a bucket with in some round.

    Beside the vectors and what is returned, it holds one bucket's search at a time.

    Args:
        ids: Ascending, each once.
        vectors: One an id, float32 `[nodes, dimension]`.
        config: Similarity, number of neighbors and method.
        plan: How the work is cut.
        advance: Called with the share of the search done since its last call.

    Returns:
        The neighbors, best first, int64 `[nodes, k]`, see `make_keys`; and how they were found, as
        plain JSON values.
    """
    whole, hashes, seed = vector_batch(ids, vectors), hash_ids(ids), config.random_seed
    rounds = range(plan.rounds)
    leaders = [
        draw(whole, leader_luck(hashes, seed, number), plan.leaders).batch for number in rounds
    ]
    cells = np.concatenate(
        [cells_of(block, leaders, config) for block in _blocks(whole, plan)], axis=1
    )
    keys = np.full((len(ids), min(config.num_neighbors, len(ids) - 1)), NO_NEIGHBOR)
    packed = []
    for number in rounds:
        sizes = dict(enumerate(np.bincount(cells[number]).tolist()))
        buckets = pack_cells(sizes, leaders[number], config, plan.rows_in_bucket)
        for rows in _rows_by_bucket(buckets.of(cells[number], part_luck(hashes, seed, number))):
            found = search_whole(
                [ids[row] for row in rows], vectors[rows], bucket_config(config, number)
            )
            _merge(keys, rows, found.keys)
            advance(len(rows) / (len(ids) * plan.rounds))
        packed.append(buckets)
    return keys, describe_cut(_measure(whole, keys, hashes, config, plan), packed, config)


def _blocks(whole: pa.RecordBatch, plan: Plan) -> Iterator[pa.RecordBatch]:
    step = min(ROWS_IN_BLOCK, plan.rows_in_bucket)
    for begin in range(0, whole.num_rows, step):
        yield whole.slice(begin, step)


def _rows_by_bucket(bucket: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yields the rows of each bucket, ascending."""
    order = np.argsort(bucket, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(bucket[order])) + 1)


def _merge(keys: Keys, rows: NDArray[np.int64], found: Keys) -> None:
    """Puts what was found among some rows into all rows' best neighbors.

    Args:
        keys: Changed in place, `[nodes, k]`.
        rows: The rows that were searched, ascending, `[m]`.
        found: Their neighbors, by their places in `rows`, `[m, j]` with `j <= k`.
    """
    known = found != NO_NEIGHBOR
    new = np.full(found.shape, NO_NEIGHBOR)
    new[known] = make_keys(weights_of(found[known]), rows[numbers_of(found[known])])
    both = np.concatenate([keys[rows], new], axis=1)
    both.sort(axis=1)
    # Whoever compares a pair gives it the same key.
    both[:, :-1][both[:, 1:] == both[:, :-1]] = NO_NEIGHBOR
    both.sort(axis=1)
    keys[rows] = both[:, : -keys.shape[1] - 1 : -1]


def _measure(
    whole: pa.RecordBatch,
    keys: Keys,
    hashes: NDArray[np.uint64],
    config: SimilarityGraphConfig,
    plan: Plan,
) -> Recall:
    """Returns the recall of a sample of nodes, by a full scan."""
    luck = sample_luck(hashes, config.random_seed)
    sample = draw(whole, luck, config.recall_sample).batch
    rows = np.sort(np.argsort(luck, kind="stable")[: config.recall_sample])
    truth = top_edges(
        (scan_for_neighbors(block, sample, config) for block in _blocks(whole, plan)),
        config.num_neighbors,
    )
    place, turn = np.nonzero(keys[rows] != NO_NEIGHBOR)
    best = keys[rows][place, turn]
    found = EdgeList(rows[place], numbers_of(best), weights_of(best))
    return compare_edges(
        edge_table(whole.column(0), found),
        pa.Table.from_batches([truth], EDGE_SCHEMA),
        sample,
        plan.rows,
    )
