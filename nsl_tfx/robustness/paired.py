"""Comparing two models, or two attacks, on the same rows."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """How much more often one of two things holds, over the same examples.

    Attributes:
        total: Number of examples.
        only_first: Examples for which only the first holds.
        only_second: Examples for which only the second holds.
        difference: Share of the first minus share of the second.
        low: Lower bound of the difference's confidence interval.
        high: Upper bound.
        p_value: Two-sided exact McNemar test of no difference.
    """

    total: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p_value: float


def compare_paired(
    first: NDArray[np.bool_], second: NDArray[np.bool_], confidence: float = 0.95
) -> PairedDifference:
    """Compares two outcomes on the same examples.

    The interval is Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data": one imaginary example is added to each of the two
    discordant counts, which keeps its coverage with small samples and at differences of 0.

    Args:
        first: `[examples]` bool.
        second: `[examples]` bool, the same examples in the same order.
        confidence: Confidence level of the interval.

    Example:
        >>> found = compare_paired(np.array([True] * 9 + [False]), np.array([False] * 9 + [True]))
        >>> found.only_first, found.only_second, round(found.p_value, 4)
        (9, 1, 0.0215)
    """
    total = len(first)
    only_first = int(np.sum(first & ~second))
    only_second = int(np.sum(second & ~first))
    share_first, share_second = (only_first + 1) / (total + 2), (only_second + 1) / (total + 2)
    center = share_first - share_second
    spread = math.sqrt((share_first + share_second - center**2) / (total + 2))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    return PairedDifference(
        total=total,
        only_first=only_first,
        only_second=only_second,
        difference=(only_first - only_second) / total if total else 0.0,
        low=max(center - reach, -1.0),
        high=min(center + reach, 1.0),
        p_value=mcnemar_exact(only_first, only_second),
    )


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Returns the two-sided p-value that both discordant counts are equally likely.

    McNemar 1947, with the binomial distribution itself rather than its chi-squared approximation,
    which is off for few discordant pairs.

    Example:
        >>> mcnemar_exact(0, 5)
        0.0625
    """
    return min(1.0, 2 * binomial_tail(min(only_first, only_second), only_first + only_second))


def binomial_tail(successes: int, trials: int) -> float:
    """Returns the probability of at most this many successes in fair coin tosses."""
    # By logarithms: binomial coefficients of a few thousand trials overflow a float.
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        for k in range(successes + 1)
    ]
    return min(1.0, math.fsum(math.exp(log - trials * math.log(2)) for log in logs))
