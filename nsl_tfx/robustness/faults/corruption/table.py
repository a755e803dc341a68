"""Corruptions that change some values of a feature, or each by itself.

Which values are changed is drawn once for all severities: those of a milder one are among those of
a more severe one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import CorruptionName
from nsl_tfx.robustness.faults import row_draws
from nsl_tfx.robustness.faults.corruption.reference import default_value, find_range
from nsl_tfx.robustness.faults.row_draws import Seeds

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)  # of the values
# Powers of 2: every step of a coarser scale is one of a finer scale too.
_STEPS = (32, 16, 8, 4, 2)  # of the range

UNIT_ERRORS = (10.0, 0.1, 100.0, 0.01, 1000.0, 0.001)
"""What a value in another unit is multiplied with, such as grams for kilograms."""

FLOAT_ONLY = frozenset({CorruptionName.SCALE_ERROR, CorruptionName.ROUNDING})
"""The corruptions that other features than floats are left out of."""


def lose(values: NDArray[Any], pool: NDArray[Any], severity: int, seeds: Seeds) -> NDArray[Any]:
    """Puts the default in the place of some values.

    Args:
        values: `[rows, ...]`, of any dtype.
        pool: Reference rows `[reference rows, ...]`.
        severity: From 1 to 5.
        seeds: `[rows, 2]`.
    """
    return np.where(_hit(values, severity, seeds), default_value(pool), values)


def swap(values: NDArray[Any], pool: NDArray[Any], severity: int, seeds: Seeds) -> NDArray[Any]:
    """Puts values of random reference rows in the place of some; see `lose`."""
    rows = row_draws.integers(row_draws.fork(seeds, "from"), values.shape[1:], len(pool))
    return np.where(_hit(values, severity, seeds), np.take_along_axis(pool, rows, axis=0), values)


def mistake_unit(values: NDArray[Any], severity: int, seeds: Seeds) -> NDArray[np.float64]:
    """Multiplies some values by a power of 10; see `lose`."""
    factors = np.array(UNIT_ERRORS)
    chosen = row_draws.integers(row_draws.fork(seeds, "unit"), values.shape[1:], len(factors))
    factor = np.where(_hit(values, severity, seeds), factors[chosen], 1.0)
    # Beyond the largest float is infinity here, and later the largest of the feature's dtype.
    with np.errstate(over="ignore"):
        return values.astype(np.float64) * factor


def round_off(values: NDArray[Any], low: Any, high: Any, severity: int) -> NDArray[np.float64]:
    """Rounds to a scale of 33 values between the bounds, then 17, 9, 5, and at last 3.

    Args:
        values: `[rows, ...]`, floats.
        low: Where the scale begins; a number or an array `[...]`.
        high: Where it ends.
        severity: From 1 to 5.
    """
    wide = values.astype(np.float64)
    step = np.broadcast_to((high - low) / _STEPS[severity - 1], wide.shape)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rounded = low + np.rint((wide - low) / step) * step
    # A constant feature has no scale.
    return np.where((step > 0) & np.isfinite(rounded), rounded, wide)


def range_of(pool: NDArray[Any], low: Any, high: Any) -> tuple[Any, Any]:
    """Returns bounds, those of the reference rows where one is None."""
    lowest, highest = find_range(pool)
    return lowest if low is None else low, highest if high is None else high


def _hit(values: NDArray[Any], severity: int, seeds: Seeds) -> NDArray[np.bool_]:
    drawn = row_draws.uniform(row_draws.fork(seeds, "which"), values.shape[1:])
    return drawn < _SHARES[severity - 1]
