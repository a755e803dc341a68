"""Nearest neighbors by comparing only the pairs that meet in a random partition.

Each round parts the points anew into leaves of near ones and compares all pairs of a leaf; the best
neighbors so far are kept. Rounds are added until the share of true neighbors found, measured on a
sample, reaches the target.

A two-hop refinement (offering neighbors of neighbors) was tried after two to six rounds, on a
million clustered vectors and on the digits' pixels: for the same time, further rounds found more,
because a leaf's products run from a core's cache and scattered rows do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.leaves import compare_leaf
from nsl_tfx.graph.search.parallel import run_all
from nsl_tfx.graph.search.partitions import carve
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.recall import Recall, measure_recall
from nsl_tfx.graph.search.top_neighbors import Keys
from nsl_tfx.graph.search.top_scores import TopScores

LEAF_SIZE = 2048
"""Rows of a leaf at most: larger ones find more in a round and take longer for it."""

MAX_ROUNDS = 64


def search_approximately(
    points: Points,
    num_neighbors: int,
    hashes: NDArray[np.uint64],
    seed: int,
    sample: Rows,
    truth: Keys,
    target_recall: float,
    threads: int,
    advance: Callable[[float], None],
    leaf_size: int = LEAF_SIZE,
) -> tuple[Keys, int, Recall]:
    """Compares points that meet in a leaf, round after round, until enough neighbors are found.

    Args:
        points: The points.
        num_neighbors: Neighbors of a point.
        hashes: A hash of each point's id, uint64 `[n]`.
        seed: Another seed, other partitions.
        sample: Points on which recall is measured, `[m]`.
        truth: Their true neighbors, `[m, k]`.
        target_recall: The lower end of the recall's interval has to reach it, or the whole sample
            be found; a round that finds nothing new ends the search too.
        threads: How many work at once; the result does not depend on it.
        advance: Called with the share of the work done since its last call, as far as it can be
            told: how many rounds it takes is seen only at the end.
        leaf_size: Rows of a leaf at most.

    Returns:
        The neighbors found of each point, best first, `[n, num_neighbors]`; the number of rounds,
        at most `MAX_ROUNDS`; and the recall after them.
    """
    top = TopScores(points, num_neighbors)
    done, before = 0.0, 0
    for number in range(MAX_ROUNDS):
        leaves = carve(points, hashes, leaf_size, seed, number)
        run_all(lambda rows: compare_leaf(top, rows), leaves, threads)
        found, _ = top.weigh_rows(sample)
        recall = measure_recall(found, truth, len(points))
        total = int(top.keys.sum())
        reached = recall.low >= target_recall or recall.share == 1 or total == before
        before = total
        # What is missing shrinks by about the same factor in each round.
        progress = 1.0 if reached else min(0.99, _progress(recall.share, target_recall))
        advance(max(0.0, progress - done))
        done = max(done, progress)
        if reached:
            break
    keys, _ = top.weigh(threads)
    return keys, number + 1, recall


def _progress(share: float, target: float) -> float:
    left = np.log(max(1e-3, 1 - target))
    return float(np.clip(np.log(max(1e-3, 1 - share)) / left, 0, 1)) if left else 1.0
