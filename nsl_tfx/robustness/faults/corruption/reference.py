"""What reference examples say of a feature: its range, default and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.robustness.faults.corruption.dtypes import is_float

Features = Mapping[str, NDArray[Any]]
"""Arrays `[rows, ...]` by feature name."""


def find_range(pool: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each element's lowest and highest value among reference rows, 0 where all are NaN.

    Args:
        pool: `[rows, ...]`, numbers.

    Returns:
        Two arrays `[...]`.

    Example:
        >>> [bound.tolist() for bound in find_range(np.array([[1.0, 5.0], [2.0, np.nan]]))]
        [[1.0, 5.0], [2.0, 5.0]]
    """
    values = pool.astype(np.float64)
    finite = np.isfinite(values)
    some = finite.any(axis=0)
    low = np.where(finite, values, np.inf).min(axis=0)
    high = np.where(finite, values, -np.inf).max(axis=0)
    return np.where(some, low, 0.0), np.where(some, high, 0.0)


def default_value(pool: NDArray[Any]) -> NDArray[Any]:
    """Returns what stands for a missing value, element by element.

    Args:
        pool: Reference rows `[rows, ...]`, at least one.

    Returns:
        `[...]`, of the same dtype: of floats the median of the finite ones, 0 where there is none;
        of anything else the most frequent value, the lowest of several.

    Example:
        >>> default_value(np.array([1.0, 5.0, np.nan, 3.0])).item()
        3.0
        >>> default_value(np.array([b"no", b"yes", b"yes"], object)).item()
        b'yes'
    """
    if is_float(pool):
        return _median(pool.astype(np.float64)).astype(pool.dtype)
    flat = pool.reshape(len(pool), -1)
    default = np.empty(flat.shape[1], pool.dtype)
    for i in range(flat.shape[1]):
        default[i] = words_by_frequency(flat[:, i])[0]
    return default.reshape(pool.shape[1:])


def words_by_frequency(column: NDArray[Any]) -> NDArray[Any]:
    """Returns the values of `[rows]`, each once, the most frequent first.

    Example:
        >>> words_by_frequency(np.array([3, 1, 3, 2, 1, 3])).tolist()
        [3, 1, 2]
    """
    values, counts = np.unique(column, return_counts=True)
    return values[np.argsort(-counts, kind="stable")]


def check_pool(features: Features, pool: Features) -> int:
    """Checks that reference rows fit the features, and returns how many rows these have.

    Raises:
        ValueError: There is no feature or no reference row, features are of several lengths, or one
            is absent from the pool or of another shape or dtype there.
    """
    sizes = {name: len(value) for name, value in features.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"Expected features of equally many rows. Received: {sizes}.")
    for name, value in features.items():
        if name not in pool:
            raise ValueError(
                f"Expected reference rows of feature {name!r} in pool. Received: "
                f"{', '.join(sorted(pool)) or 'none'}."
            )
        there = pool[name]
        if there.shape[1:] != value.shape[1:] or there.dtype != value.dtype or not len(there):
            raise ValueError(
                f"Expected pool[{name!r}] like the feature itself, {value.dtype} of shape "
                f"{['rows', *value.shape[1:]]}, with one row or more. Received: {there.dtype} of "
                f"shape {list(there.shape)}."
            )
    return next(iter(sizes.values()))


def _median(pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the median of the finite values of each element, 0 where there is none."""
    finite = np.isfinite(pool)
    if finite.all():
        return np.median(pool, axis=0)
    known = np.where(finite, pool, np.nan)
    # Of nothing there is no median, only a warning.
    return np.nanmedian(np.where(finite.any(axis=0), known, 0.0), axis=0)
