"""Paired comparison against SciPy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.robustness import Proportion, compare_paired, mcnemar_exact
from nsl_tfx.robustness.paired import binomial_tail


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 400), second=st.integers(0, 400))
def test_mcnemar_is_the_binomial_test(first, second):
    stats = pytest.importorskip("scipy.stats")
    if first + second:
        expected = stats.binomtest(first, first + second, 0.5).pvalue
        assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first)


def test_mcnemar_of_no_difference_is_certain():
    assert mcnemar_exact(0, 0) == 1
    assert mcnemar_exact(7, 7) == 1


def test_large_counts_do_not_overflow():
    assert 0 <= mcnemar_exact(40_000, 60_000) < 1e-100
    assert binomial_tail(50_000, 100_000) == pytest.approx(0.5, abs=0.01)


def outcomes(both, only_first, only_second, neither):
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    return first, second


@pytest.mark.parametrize("counts", [(50, 9, 3, 20), (0, 10, 0, 0), (5, 0, 0, 5), (1, 0, 7, 2)])
def test_a_paired_difference_is_antisymmetric_and_holds_its_estimate(counts):
    first, second = outcomes(*counts)
    there, back = compare_paired(first, second), compare_paired(second, first)
    assert there.difference == pytest.approx(first.mean() - second.mean())
    assert back.difference == -there.difference
    assert (there.only_first, there.only_second) == counts[1:3]
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert -1 <= there.low <= there.high <= 1
    wide = compare_paired(first, second, confidence=0.999)
    assert wide.low < there.low or there.low == -1
    assert wide.high > there.high or there.high == 1


@pytest.mark.parametrize(("gain", "loss"), [(0.03, 0.03), (0.2, 0.05), (0.02, 0.0)])
def test_the_interval_covers_as_often_as_it_says(gain, loss):
    rng = np.random.default_rng(0)
    covered, runs = 0, 1500
    for draw in rng.multinomial(120, [gain, loss, 1 - gain - loss], size=runs):
        found = compare_paired(*outcomes(0, draw[0], draw[1], draw[2]))
        covered += found.low <= gain - loss <= found.high
    assert covered / runs > 0.935


def test_a_proportion_has_wilsons_interval():
    stats = pytest.importorskip("scipy.stats")
    found = Proportion.of(np.arange(500) < 285, 0.95)
    expected = stats.binomtest(285, 500).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.count, found.total, found.value) == (285, 500, 0.57)
