"""Parting points into cells of near ones.

The cells of a round are those of a Voronoi diagram, as an inverted file's are (Jégou et al.,
"Product Quantization for Nearest Neighbor Search", 2011): some points are drawn, each moves to the
mean of those around it, and every point goes to the nearest. Other draws give other cells. A
point's neighbors are looked for in its own cell and in the cells around it, because in many
dimensions most points lie near to a border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.parallel import run_all
from nsl_tfx.graph.search.points import Points, Rows

# Points for each center that it is moved by: a k-means step on a sample.
_SAMPLED = 16
# A point's center is looked for in so many groups of centers around it, of as many square roots of
# the centers' number, and then among so many centers around the one that was found.
_GROUPS = 4
_GROUPS_AROUND = 32
_CENTERS_AROUND = 256
# Wanted sizes from which on a cell is cut by chance, as one of equal directions must be.
_LARGEST = 4
_ROWS_AT_ONCE = 2048
_NUMBERS_AT_ONCE = 1 << 21

Centers = NDArray[np.float32]


def part_into_cells(
    points: Points,
    hashes: NDArray[np.uint64],
    cell_size: int,
    seed: int,
    round_number: int,
    threads: int,
) -> list[Rows]:
    """Returns disjoint sets of near rows that together are all rows.

    Which sets they are depends on the points and their hashes, not on threads.

    Args:
        points: The points.
        hashes: A hash of each point's id, uint64 `[n]`: it decides which points are drawn.
        cell_size: Rows of a cell on average; four times as many at most.
        seed: Another seed, other cells.
        round_number: Another round, other cells.
        threads: How many work at once.

    Returns:
        The rows of each cell, none of them empty, ascending, int64 `[m]`.
    """
    luck = mix(hashes, seed, round_number)
    count = -(-len(points) // cell_size)
    drawn = _luckiest(luck, count * _SAMPLED)
    # In the order of their luck, so that nothing depends on how the rows are numbered.
    centers = points.factors(drawn[:count])
    sample = _members(nearest_centers(points, drawn, centers, threads), len(centers))
    centers = _means(points, [drawn[places] for places in sample], threads)
    nearest = nearest_centers(points, np.arange(len(points)), centers, threads)
    cells = _members(nearest, len(centers))
    return [piece for cell in cells for piece in _bounded(cell, luck, cell_size)]


def cells_around(points: Points, cells: Sequence[Rows], count: int, threads: int) -> list[Rows]:
    """Returns for each cell the numbers of the cells whose points are most like its own.

    Args:
        points: The points.
        cells: The rows of each cell.
        count: How many cells, the cell itself included.
        threads: How many work at once.

    Returns:
        Ascending, int64 `[min(count, cells)]` for each cell.
    """
    centers = _means(points, cells, threads)
    # What is most like a point by inner product need not be near to it.
    by_product = points.similarity is Similarity.INNER_PRODUCT
    return list(_around(centers, count, threads, by_product=by_product))


def nearest_centers(points: Points, rows: Rows, centers: Centers, threads: int) -> Rows:
    """Returns for each of some points the place of a center that is near to it, int64 `[m]`.

    Of few centers it is the nearest. Of many, not all are compared, and the nearest may be missed.

    Args:
        points: The points.
        rows: Those that look for a center, `[m]`.
        centers: In the space of `points.factors`, `[c, dimension]`.
        threads: How many work at once.
    """
    groups = _GROUPS * math.isqrt(len(centers))
    if groups <= _GROUPS_AROUND or groups >= len(centers):
        return _choose_among_all(points, rows, centers, threads)
    hubs, of_hub = _hubs(centers, groups)
    near_hubs = _around(hubs, _GROUPS_AROUND, threads)
    near = [np.concatenate([of_hub[hub] for hub in some]) for some in near_hubs]
    hub = _choose_among_all(points, rows, hubs, threads)
    rough = _choose(points, rows, hub, near, centers, threads)
    around = list(_around(centers, _CENTERS_AROUND, threads))
    return _choose(points, rows, rough, around, centers, threads)


def _hubs(centers: Centers, count: int) -> tuple[Centers, list[Rows]]:
    """Returns the middles of up to `count` groups of near centers, and each group's members."""
    groups = _members(_best(centers, centers[:count]), count)
    hubs = np.stack([centers[places].mean(axis=0) for places in groups])
    members = _members(_best(centers, hubs), len(hubs), keep_empty=True)
    used = [hub for hub, places in enumerate(members) if len(places)]
    return hubs[used], [members[hub] for hub in used]


def _choose_among_all(points: Points, rows: Rows, centers: Centers, threads: int) -> Rows:
    everything = [np.arange(len(centers))]
    return _choose(points, rows, np.zeros(len(rows), np.int64), everything, centers, threads)


def _choose(
    points: Points,
    rows: Rows,
    here: Rows,
    choices: Sequence[Rows],
    centers: Centers,
    threads: int,
) -> Rows:
    """Returns the nearest of some centers for each of some points, int64 `[m]`.

    Args:
        points: The points.
        rows: Those that choose, `[m]`.
        here: Where each is, `[m]`.
        choices: From each place, the centers to choose from.
        centers: In the space of `points.factors`, `[c, dimension]`.
        threads: How many work at once.
    """
    result = np.empty(len(rows), np.int64)
    present = _members(here, len(choices), keep_empty=True)
    tasks = [
        (place, part)
        for place, some in enumerate(present)
        for part in _slices(len(some), _ROWS_AT_ONCE)
    ]

    def choose(task: tuple[int, slice]) -> None:
        place, part = task
        choosing, choice = present[place][part], choices[place]
        result[choosing] = choice[_best(points.factors(rows[choosing]), centers[choice])]

    run_all(choose, tasks, threads)
    return result


def _around(
    centers: Centers, count: int, threads: int, *, by_product: bool = False
) -> NDArray[np.int64]:
    """Returns the places of the centers around each center, itself included, `[c, min(count, c)]`.

    Args:
        centers: `[c, dimension]`.
        count: How many.
        threads: How many work at once.
        by_product: Whether those of the greatest inner product, rather than the nearest.
    """
    count = min(count, len(centers))
    penalty = np.float32(0) if by_product else _half_squares(centers)
    result = np.empty((len(centers), count), np.int64)

    def look_around(part: slice) -> None:
        scores = centers[part] @ centers.T
        scores -= penalty
        np.fill_diagonal(scores[:, part], np.inf)
        around = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        result[part] = np.sort(around, axis=1)

    run_all(look_around, _slices(len(centers), max(1, _NUMBERS_AT_ONCE // len(centers))), threads)
    return result


def _best(factors: NDArray[np.float32], centers: Centers) -> Rows:
    """Returns the place of each factor's nearest center, int64 `[m]`; of equal ones the first."""
    scores = factors @ centers.T
    scores -= _half_squares(centers)
    return scores.argmax(axis=1)


def _half_squares(centers: Centers) -> NDArray[np.float32]:
    return np.square(centers).sum(axis=1) / np.float32(2)


def _means(points: Points, cells: Sequence[Rows], threads: int) -> Centers:
    result = np.empty((len(cells), points.vectors.shape[1]), np.float32)

    def average(number: int) -> None:
        result[number] = points.factors(cells[number]).mean(axis=0)

    run_all(average, range(len(cells)), threads)
    return result


def _members(group: Rows, groups: int, keep_empty: bool = False) -> list[Rows]:
    """Returns the places of each group's members, ascending."""
    sizes = np.bincount(group, minlength=groups)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    return members if keep_empty else [places for places in members if len(places)]


def _bounded(cell: Rows, luck: NDArray[np.uint64], cell_size: int) -> list[Rows]:
    if len(cell) <= _LARGEST * cell_size:
        return [cell]
    order = cell[np.argsort(luck[cell], kind="stable")]
    return [np.sort(order[part]) for part in _slices(len(order), cell_size)]


def _luckiest(luck: NDArray[np.uint64], count: int) -> Rows:
    if count < len(luck):
        drawn = np.argpartition(luck, count - 1)[:count]
    else:
        drawn = np.arange(len(luck))
    return drawn[np.argsort(luck[drawn], kind="stable")]


def _slices(count: int, step: int) -> list[slice]:
    return [slice(begin, min(begin + step, count)) for begin in range(0, count, step)]
