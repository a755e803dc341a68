"""Nearest neighbors by comparing only points whose cells are near to each other.

Each round parts the points anew into cells of near ones, and compares a cell's points with those of
the cells around it; the best neighbors so far are kept. Rounds are added until the share of true
neighbors found, measured on a sample, reaches the target.

A two-hop refinement (offering neighbors of neighbors) was tried after two to six rounds, on a
million clustered vectors and on the digits' pixels: for the same time, further rounds found more,
because products of blocks run from a core's cache and those of scattered rows do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.cells import cells_around, part_into_cells
from nsl_tfx.graph.search.comparing import Scratch, compare_between
from nsl_tfx.graph.search.parallel import products_on_one_thread, run_all
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.recall import Recall, measure_recall
from nsl_tfx.graph.search.top_neighbors import Keys
from nsl_tfx.graph.search.top_scores import TopScores

CELL_SIZE = 256
"""Rows of a cell, on average."""

CELLS_COMPARED = 3
"""Cells whose points a point is compared with, its own included. More find more in a round and take
longer for it: from three to eight, the same recall takes about the same time."""

MAX_ROUNDS = 64
# Rounds that find nothing new, in turn, before the search ends.
_IDLE_ROUNDS = 3


@products_on_one_thread()
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
    cell_size: int = CELL_SIZE,
) -> tuple[Keys, int, Recall]:
    """Compares points of near cells, round after round, until enough neighbors are found.

    Args:
        points: The points.
        num_neighbors: Neighbors of a point.
        hashes: A hash of each point's id, uint64 `[n]`.
        seed: Another seed, other partitions.
        sample: Points on which recall is measured, `[m]`.
        truth: Their true neighbors, `[m, k]`.
        target_recall: The lower end of the recall's interval has to reach it, or the whole sample
            be found; some rounds in turn that find nothing new end the search too.
        threads: How many work at once; the result does not depend on it.
        advance: Called with the share of the work done since its last call, as far as it can be
            told: how many rounds it takes is seen only at the end.
        cell_size: Rows of a cell on average.

    Returns:
        The neighbors found of each point, best first, `[n, num_neighbors]`; the number of rounds,
        at most `MAX_ROUNDS`; and the recall after them.
    """
    top = TopScores(points, num_neighbors)
    done, before, idle = 0.0, 0, 0
    for number in range(MAX_ROUNDS):
        cells = part_into_cells(points, hashes, cell_size, seed, number, threads)
        _compare(top, cells, cells_around(points, cells, CELLS_COMPARED, threads), threads)
        found, _ = top.weigh_rows(sample)
        recall = measure_recall(found, truth, len(points))
        total = int(top.keys.sum())
        idle = idle + 1 if total == before else 0
        reached = recall.low >= target_recall or recall.share == 1 or idle == _IDLE_ROUNDS
        before = total
        # What is missing shrinks by about the same factor in each round.
        progress = 1.0 if reached else min(0.99, _progress(recall.share, target_recall))
        advance(max(0.0, progress - done))
        done = max(done, progress)
        if reached:
            break
    keys, _ = top.weigh(threads)
    return keys, number + 1, recall


def _compare(top: TopScores, cells: Sequence[Rows], around: Sequence[Rows], threads: int) -> None:
    """Offers the points of each cell those of the cells around it."""
    scratch = Scratch()

    def compare(number: int) -> None:
        others = np.concatenate([cells[near] for near in around[number]])
        compare_between(top, cells[number], np.sort(others), scratch)

    run_all(compare, range(len(cells)), threads)


def _progress(share: float, target: float) -> float:
    left = np.log(max(1e-3, 1 - target))
    return float(np.clip(np.log(max(1e-3, 1 - share)) / left, 0, 1)) if left else 1.0
