"""Cells: every row once, none too large, near rows together."""

import numpy as np
import pytest

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search import cells
from nsl_tfx.graph.search.cells import cells_around, nearest_centers, part_into_cells
from nsl_tfx.graph.search.points import Points

RNG = np.random.default_rng(0)
CASES = {
    "random": RNG.normal(size=(3000, 4)),
    "line": np.arange(1, 2001)[:, None] * np.ones((1, 3)),
    "equal": np.ones((1500, 3)),
    "small": RNG.normal(size=(10, 4)),
    "one": RNG.normal(size=(1, 4)),
    "clusters": np.repeat(RNG.normal(size=(3, 4)), 500, axis=0) + 0.01 * RNG.normal(size=(1500, 4)),
    "far_off": np.concatenate([RNG.normal(size=(1000, 4)), 1e4 + RNG.normal(size=(5, 4))]),
}


def points_of(name, similarity=Similarity.COSINE):
    return Points(CASES[name].astype(np.float32), similarity)


def parted(name, cell_size=50, seed=0, round_number=0, similarity=Similarity.COSINE, threads=1):
    points = points_of(name, similarity)
    hashes = mix(np.arange(len(points), dtype=np.uint64), 7)
    return part_into_cells(points, hashes, cell_size, seed, round_number, threads)


@pytest.mark.parametrize("similarity", list(Similarity))
@pytest.mark.parametrize("cell_size", [1, 30, 100])
@pytest.mark.parametrize("name", CASES)
def test_parts_all_rows_into_small_cells(name, cell_size, similarity):
    found = parted(name, cell_size, similarity=similarity)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(CASES[name])))
    assert min(map(len, found)) >= 1
    assert max(map(len, found)) <= 4 * cell_size
    assert all((np.diff(cell) > 0).all() for cell in found)


@pytest.mark.parametrize("name", ["random", "line", "clusters"])
def test_cells_are_not_tiny(name):
    assert np.mean([len(cell) for cell in parted(name)]) > 25


def test_rounds_and_seeds_differ_and_repeat_on_any_number_of_threads():
    first = [cell.tolist() for cell in parted("random")]
    for threads in (1, 2, 5):
        assert first == [cell.tolist() for cell in parted("random", threads=threads)]
    assert first != [cell.tolist() for cell in parted("random", seed=1)]
    assert first != [cell.tolist() for cell in parted("random", round_number=1)]


def share_in(found, around, nearest) -> float:
    """Share of the rows whose nearest other row is in one of the cells around their own."""
    cell_of = np.empty(len(nearest), int)
    for number, cell in enumerate(found):
        cell_of[cell] = number
    return np.mean([cell_of[other] in around[cell_of[row]] for row, other in enumerate(nearest)])


@pytest.mark.parametrize(
    ("similarity", "share"),
    # The greatest products of a point are those of long vectors, which lie far apart.
    [(Similarity.COSINE, 0.9), (Similarity.EUCLIDEAN, 0.85), (Similarity.INNER_PRODUCT, 0.75)],
)
def test_near_rows_lie_in_near_cells(similarity, share):
    vectors = CASES["random"]
    values = {
        "cosine": lambda a: (
            (a / np.linalg.norm(a, axis=1)[:, None]) @ (a.T / np.linalg.norm(a, axis=1))
        ),
        "inner_product": lambda a: a @ a.T,
        "euclidean": lambda a: -np.square(a[:, None] - a[None]).sum(axis=-1),
    }[similarity.value](vectors)
    np.fill_diagonal(values, -np.inf)
    found = parted("random", similarity=similarity)
    points = points_of("random", similarity)
    around = cells_around(points, found, 5, 1)
    assert share_in(found, around, values.argmax(axis=1)) > share  # by chance: 0.08
    assert all(number in near for number, near in enumerate(around))
    assert {len(near) for near in around} == {5}


def test_there_are_no_more_cells_around_than_cells():
    found = parted("small", 5)
    around = cells_around(points_of("small"), found, 100, 1)
    assert [near.tolist() for near in around] == [list(range(len(found)))] * len(found)


@pytest.mark.parametrize("similarity", list(Similarity))
def test_few_centers_are_all_compared(similarity):
    points = points_of("random", similarity)
    centers = RNG.normal(size=(15, 4)).astype(np.float32)
    squares = np.square(points.factors(slice(None))[:, None].astype(float) - centers).sum(axis=-1)
    rows = np.arange(len(points))[::-3]
    nearest = nearest_centers(points, rows, centers, 1)
    assert np.array_equal(nearest, squares[rows].argmin(axis=1))


def test_of_many_centers_nearly_all_points_find_the_nearest(monkeypatch):
    monkeypatch.setattr(cells, "_CENTERS_AROUND", 20)
    points = points_of("random", Similarity.EUCLIDEAN)
    rows = np.arange(len(points))
    centers = points.factors(rows[:600])
    squares = np.square(points.factors(rows)[:, None].astype(float) - centers).sum(axis=-1)
    nearest = nearest_centers(points, rows, centers, 2)
    assert np.mean(nearest == squares.argmin(axis=1)) > 0.97
