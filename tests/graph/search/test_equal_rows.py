"""Equal rows: every copy gets what a comparison of all rows gives it, in bounded pieces."""

import tracemalloc

import numpy as np
import pytest

from nsl_tfx.graph.search import equal_rows
from nsl_tfx.graph.search.equal_rows import find_equal_rows, spread_to_members
from nsl_tfx.graph.search.top_neighbors import NO_NEIGHBOR, make_keys

# Sizes of the groups of equal rows, and how many neighbors a row wants.
CASES = {
    "one_group": ([6], 3),
    "one_group_of_fewer": ([3], 5),
    "pairs": ([2] * 7, 3),
    "one_large_one": ([1, 9, 1, 2], 4),
    "singles_and_pairs": ([1, 2, 1, 1, 2, 1], 2),
}


def rows_of(sizes):
    """Rows in a line, so that near groups have near numbers; equal ones lie apart."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(0).permutation(groups)


def best_keys(weights, count):
    """Each row's best others by key, `[rows, count]`."""
    keys = make_keys(weights, np.broadcast_to(np.arange(len(weights)), weights.shape))
    np.fill_diagonal(keys, NO_NEIGHBOR)
    result = np.full((len(keys), count), NO_NEIGHBOR)
    ordered = np.sort(keys, axis=1)[:, ::-1]
    result[:, : min(count, len(keys))] = ordered[:, :count]
    return result


def weights_between(places):
    return (-np.abs(places[:, None] - places[None, :]) / 8).astype(np.float32)


def spread(groups, k, rows=None):
    equal = find_equal_rows(groups[:, None].astype(np.float32))
    near = best_keys(weights_between(groups[equal.first]), max(1, min(k, len(equal) - 1)))
    if rows is not None:
        near = near[np.unique(equal.groups_of(rows))]
    return spread_to_members(near, np.zeros(len(near), np.float32), equal, k, rows)


@pytest.mark.parametrize("at_once", [1, 7, 1 << 20])
@pytest.mark.parametrize("case", CASES)
def test_every_row_gets_its_best_others(case, at_once, monkeypatch):
    monkeypatch.setattr(equal_rows, "_NUMBERS_AT_ONCE", at_once)
    sizes, k = CASES[case]
    groups = rows_of(sizes)
    wanted = min(k, len(groups) - 1)
    assert np.array_equal(spread(groups, wanted), best_keys(weights_between(groups), wanted))


@pytest.mark.parametrize("at_once", [1, 7, 1 << 20])
@pytest.mark.parametrize("rows", [[0], [5, 1, 2], [1, 2, 3, 4]])
@pytest.mark.parametrize("case", [case for case in CASES if case != "one_group_of_fewer"])
def test_some_rows_get_what_they_get_among_all(case, rows, at_once, monkeypatch):
    monkeypatch.setattr(equal_rows, "_NUMBERS_AT_ONCE", at_once)
    sizes, k = CASES[case]
    groups = rows_of(sizes)
    assert np.array_equal(spread(groups, k, np.array(rows)), spread(groups, k)[rows])


@pytest.mark.parametrize("case", CASES)
def test_rows_of_a_group_are_equal(case):
    groups = rows_of(CASES[case][0])
    equal = find_equal_rows(groups[:, None].astype(np.float32))
    rows = np.arange(len(groups))[::-2]
    assert np.array_equal(groups[equal.first[equal.groups_of(rows)]], groups[rows])


@pytest.mark.parametrize("sizes", [[3000], [1500] * 2, [2] * 1500])
def test_holds_little_beside_the_result(sizes, monkeypatch):
    monkeypatch.setattr(equal_rows, "_NUMBERS_AT_ONCE", 1 << 12)
    equal = find_equal_rows(rows_of(sizes)[:, None].astype(np.float32))
    near = best_keys(weights_between(np.arange(len(equal))), max(1, min(100, len(equal) - 1)))
    own = np.zeros(len(equal), np.float32)
    tracemalloc.start()
    try:
        result = spread_to_members(near, own, equal, 100)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 1.7 * result.nbytes
