"""Slices against SciPy, by simulation, and in all the forms that columns come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nsl_tfx.robustness.judging.slices import (
    MISSING,
    MOST_VALUES,
    correct_by_holm,
    cut_slices,
    score_slices,
)
from nsl_tfx.robustness.judging.slices import _p_lower as p_lower

NONE = np.zeros(0, bool)


def values_of(column):
    return [one.value for one in cut_slices({"f": np.asarray(column)})]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([b"b", b"a", "b"], ["a", "b"]),
        ([b"b", b"", b"a"], ["a", "b", MISSING]),
        (np.array(["a", None, ""], object), ["a", MISSING]),
        ([b"\xff"], ["\\xff"]),
        (np.array(["a\0", "a", b"a\0\0"], object), ["a", "a\0", "a\0\0"]),
        ([[3], [1], [3]], ["1", "3"]),
        (np.array([7, 200], np.uint8), ["7", "200"]),
        ([10, 9], ["9", "10"]),
        ([2, -1, 0], ["0", "2", "-1 or missing"]),
        ([2, -1, -5], ["-5", "-1", "2"]),
        (np.array([0.1, np.nan, 0.1], np.float32), ["0.1", MISSING]),
        ([np.inf, 1.0, -np.inf], ["-inf", "1.0", "inf"]),
        ([True, False], ["False", "True"]),
        ([np.nan, np.nan], [MISSING]),
    ],
)
def test_each_distinct_value_is_a_slice(column, values):
    slices = cut_slices({"f": np.asarray(column)})
    assert [one.value for one in slices] == values
    # Each example is in one of them.
    np.testing.assert_array_equal(np.sum([one.members for one in slices], axis=0), 1)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (np.arange(50), ["0 to 9", "10 to 19", "20 to 29", "30 to 39", "40 to 49"]),
        # What most examples have is a range of its own.
        (np.repeat(np.arange(50), [1000, *[1] * 49]), ["0", "1 to 49"]),
        ([*range(50), -1], [*values_of(np.arange(50)), "-1 or missing"]),
        ([*range(50), np.nan], ["0.0 to 9.0", "10.0 to 19.0", "20.0 to 29.0", "30.0 to 39.0",
                                "40.0 to 49.0", MISSING]),
        ([*range(40), np.inf, np.inf], ["0.0 to 8.0", "9.0 to 16.0", "17.0 to 25.0",
                                        "26.0 to 33.0", "34.0 to inf"]),
    ],
)  # fmt: skip
def test_many_numbers_become_ranges(column, values):
    slices = cut_slices({"f": np.asarray(column)})
    assert [one.value for one in slices] == values
    np.testing.assert_array_equal(np.sum([one.members for one in slices], axis=0), 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32) | st.integers(-3, 3), min_size=1, max_size=120))
def test_any_numbers_are_cut_into_few_parts(column):
    slices = cut_slices({"f": np.array(column, np.float32)})
    assert len(slices) <= MOST_VALUES + 1
    assert len({one.value for one in slices}) == len(slices)
    np.testing.assert_array_equal(np.sum([one.members for one in slices], axis=0), 1)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"user {i}" for i in range(MOST_VALUES + 1)], "at most 30 different texts.*31"),
        (np.zeros((3, 2)), "one value an example.*'examples', 2"),
        (np.zeros((3, 0)), "one value an example"),
    ],
)
def test_what_cannot_be_sliced_is_named(column, message):
    with pytest.raises(ValueError, match=f"'city'.*{message}"):
        score_slices({"city": np.asarray(column)}, NONE, NONE, 0.95)


def test_no_features_have_no_slices():
    assert score_slices({}, NONE, NONE, 0.95) == ()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_scores_are_scipys(rows, confidence):
    group, correct, robust = (np.array(column) for column in zip(*rows, strict=True))
    found = score_slices({"g": group}, correct, robust, confidence)
    level = 1 - (1 - confidence) / len(found)
    p_values = []
    for one, value in zip(found, np.unique(group), strict=True):
        inside = group == value
        for share, holds in ((one.accuracy, correct), (one.robust_accuracy, robust)):
            wanted = stats.binomtest(int(holds[inside].sum()), int(inside.sum()))
            interval = wanted.proportion_ci(level, method="wilson")
            assert share.value == wanted.statistic
            assert (share.low, share.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        table = [[np.sum(part & robust), np.sum(part & ~robust)] for part in (inside, ~inside)]
        p_values.append(stats.fisher_exact(table, alternative="less").pvalue)
    np.testing.assert_allclose([one.p_value for one in found], holm(p_values), rtol=1e-7)


def holm(p_values):
    """As statsmodels' multipletests writes it: maximum.accumulate(sorted * arange(m, 0, -1))."""
    p_values = np.array(p_values)
    ranks = np.argsort(np.argsort(p_values, kind="stable"), kind="stable")
    steps = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    return np.array([min(1.0, max(steps[: rank + 1])) for rank in ranks])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p_values):
    p_values = np.array(p_values)
    found = correct_by_holm(p_values)
    np.testing.assert_allclose(found, holm(p_values))
    assert (found >= p_values).all()
    assert (found <= np.minimum(1, len(p_values) * p_values)).all()
    assert (np.diff(found[np.argsort(p_values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("group", "robust", "p_values"),
    [
        ([1, 1, 1], [True, False, True], [1.0]),
        ([1, 2, 2], [False, True, True], [2 / 3, 1.0]),
        ([1, 1, 2, 2], [True] * 4, [1.0, 1.0]),
        ([1, 1, 2, 2], [False] * 4, [1.0, 1.0]),
        ([1] * 5 + [2] * 5, [False] * 5 + [True] * 5, [2 / 252, 1.0]),
    ],
    ids=["one slice only", "a slice of one", "all right", "all wrong", "one against the other"],
)
def test_corner_cases(group, robust, p_values):
    robust = np.array(robust)
    found = score_slices({"g": np.array(group)}, robust, robust, 0.95)
    assert [one.p_value for one in found] == pytest.approx(p_values)
    assert sum(one.robust_accuracy.count for one in found) == robust.sum()


def test_errors_of_a_family_of_slices_stay_below_their_level():
    # Two features that overlap, ten slices, outcomes that depend on neither.
    rng = np.random.default_rng(0)
    columns = {"a": rng.integers(0, 6, 400), "b": np.repeat(np.arange(4), [10, 40, 50, 300])}
    slices = cut_slices(columns)
    assert len(slices) == 10
    runs, level = 2000, 0.2
    alarms = plain = missed = 0
    for _ in range(runs):
        robust = rng.random(400) < 0.7
        p_values = p_lower(slices, robust)
        alarms += correct_by_holm(p_values).min() <= level
        plain += p_values.min() <= level
    # Three standard deviations of a simulated share.
    slack = 3 * np.sqrt(level * (1 - level) / runs)
    assert alarms / runs <= level + slack
    # Without a correction most runs would name a slice; with it not none.
    assert plain / runs > 0.6
    assert alarms / runs > 0.05
    for _ in range(300):
        robust = rng.random(400) < 0.7
        missed += any(
            not one.robust_accuracy.low <= 0.7 <= one.robust_accuracy.high
            for one in score_slices(columns, robust, robust, 1 - level)
        )
    assert missed / 300 <= level + 3 * np.sqrt(level * (1 - level) / 300)


def test_a_weak_slice_is_found():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 10, 2000)
    robust = rng.random(2000) < np.where(group == 3, 0.5, 0.8)
    found = score_slices({"g": group}, robust, robust, 0.95)
    assert [one.value for one in found if one.p_value < 0.05] == ["3"]
