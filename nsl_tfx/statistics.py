"""Intervals for shares that are estimated from counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri


def wilson_interval(
    successes: ArrayLike, total: ArrayLike, confidence: float = 0.95
) -> tuple[Any, Any]:
    """Returns Wilson's score interval of a share.

    Unlike the interval `p +- z * sqrt(p * (1 - p) / n)` it stays inside [0, 1] and keeps its
    coverage for shares near 0 and 1, which is where robust accuracies often lie.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.

    Args:
        successes: Number of successes, `[...]`.
        total: Number of trials, `[...]`. No trials tell nothing: the interval is then (0, 1).
        confidence: Probability, of all intervals so made, to hold the true share.

    Returns:
        Lower and upper end, each a float for scalars, else a float64 array `[...]`.

    Raises:
        ValueError: `confidence` is outside (0, 1), or `successes` outside [0, total].

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"Expected 0 < confidence < 1. Received: confidence={confidence}.")
    hits, trials = np.broadcast_arrays(
        np.asarray(successes, np.float64), np.asarray(total, np.float64)
    )
    if not np.all((hits >= 0) & (hits <= trials)):
        raise ValueError(
            f"Expected 0 <= successes <= total. Received: successes={successes!r}, total={total!r}."
        )
    z = float(ndtri(0.5 + confidence / 2))
    count = np.maximum(trials, 1)
    share = hits / count
    scale = 1 + z**2 / count
    center = (share + z**2 / (2 * count)) / scale
    radius = z / scale * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # At 0 or all successes the ends are exactly 0 or 1; rounding would leave them beside that.
    low = np.where((trials == 0) | (hits == 0), 0.0, center - radius)
    high = np.where((trials == 0) | (hits == trials), 1.0, center + radius)
    return (low, high) if low.ndim else (float(low), float(high))
