"""Intervals of shares."""

import math

import numpy as np
import pytest

from nsl_tfx.statistics import wilson_interval


def wilson_roots(successes: int, total: int, z: float) -> tuple[float, float]:
    """The shares whose score statistic is exactly z: roots of (p - s)^2 = z^2 s (1 - s) / n."""
    p = successes / total
    a, b, c = 1 + z * z / total, -(2 * p + z * z / total), p * p
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@pytest.mark.parametrize(
    ("confidence", "z"), [(0.8, 1.2815515655446004), (0.95, 1.959963984540054)]
)
@pytest.mark.parametrize("total", [1, 7, 100, 10**6])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_ends_solve_the_score_equation(confidence, z, total, share):
    successes = round(share * total)
    expected = wilson_roots(successes, total, z)
    assert wilson_interval(successes, total, confidence) == pytest.approx(expected, abs=1e-9)


def test_published_value():
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_no_trials_tell_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_ends_are_exact_at_none_and_all():
    assert wilson_interval(0, 9)[0] == 0.0
    assert wilson_interval(9, 9)[1] == 1.0


def test_arrays_equal_scalars():
    hits, trials = np.array([0, 3, 9, 0]), np.array([9, 9, 9, 0])
    low, high = wilson_interval(hits, trials, 0.9)
    scalars = [wilson_interval(int(h), int(t), 0.9) for h, t in zip(hits, trials, strict=True)]
    assert list(zip(low, high, strict=True)) == scalars


def test_more_confidence_widens():
    narrow, wide = wilson_interval(5, 10, 0.5), wilson_interval(5, 10, 0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("confidence", [0, 1, -0.5, float("nan")])
def test_rejects_confidence(confidence):
    with pytest.raises(ValueError, match="0 < confidence < 1"):
        wilson_interval(1, 2, confidence)


@pytest.mark.parametrize(("successes", "total"), [(3, 2), (-1, 2), (float("nan"), 2)])
def test_rejects_counts(successes, total):
    with pytest.raises(ValueError, match="0 <= successes <= total"):
        wilson_interval(successes, total)
