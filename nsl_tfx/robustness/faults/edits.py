"""What an attacker who changes few values of an example may put in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import EditName
from nsl_tfx.configs.base import require_choice
from nsl_tfx.robustness.faults.corruption.corrupting import Bounds
from nsl_tfx.robustness.faults.corruption.dtypes import is_float, store
from nsl_tfx.robustness.faults.corruption.reference import (
    Features,
    check_pool,
    default_value,
    words_by_frequency,
)
from nsl_tfx.robustness.faults.corruption.table import UNIT_ERRORS

MOST_QUANTILES = 9
"""How many values of a float feature are candidates for a swap, its extremes among them."""

MOST_WORDS = 64
"""How many words of a vocabulary are candidates; the most frequent."""


def make_candidates(
    name: EditName, features: Features, pool: Features, bounds: Bounds | None = None
) -> dict[str, NDArray[Any]]:
    """Returns candidates for `GreedySubstitution`, for each feature that an edit applies to.

    Args:
        name: The edit.
        features: Name to `[rows, ...]`.
        pool: Reference rows of the same features, at least one.
        bounds: Valid values; candidates of float features beyond them are moved there.

    Returns:
        `[candidates, ...]` by name, or for `SCALE_ERROR`, which starts from the value itself,
        `[rows, candidates, ...]`; of the feature's dtype. `MISSING` and `SWAP` apply to any
        feature, `SCALE_ERROR` to floats, `CATEGORY` to all but floats. For `SWAP` a float feature
        has evenly spaced quantiles, each a value that a reference row has. A value with fewer words
        than the others of its feature repeats its most frequent one.

    Raises:
        ValueError: The edit applies to none of the features, or the pool does not fit them.

    Example:
        >>> pool = {"age": np.array([20.0, 30.0, 70.0]), "city": np.array(["b", "a", "b"])}
        >>> features = {"age": np.array([40.0]), "city": np.array(["a"])}
        >>> {k: v.tolist() for k, v in make_candidates("missing", features, pool).items()}
        {'age': [30.0], 'city': ['b']}
        >>> make_candidates("scale_error", features, pool)["age"].tolist()
        [[400.0, 4.0, 4000.0, 0.4, 40000.0, 0.04]]
    """
    name = require_choice("name", name, EditName)
    check_pool(features, pool)
    chosen = editable(name, features)
    if not chosen:
        shown = ", ".join(f"{key} {value.dtype}" for key, value in features.items())
        kind = "a floating" if name is EditName.SCALE_ERROR else "an integer or text"
        raise ValueError(
            f"Expected a feature that edit {name.value!r} applies to, of {kind} dtype. Received: "
            f"{shown}."
        )
    found = {}
    for key in chosen:
        candidates = _candidates(name, features[key], pool[key])
        low, high = (bounds or {}).get(key, (None, None))
        if is_float(features[key]) and (low is not None or high is not None):
            candidates = store(np.clip(candidates, low, high), candidates.dtype)
        found[key] = candidates
    return found


def editable(name: EditName, features: Features) -> list[str]:
    """Returns the features that an edit applies to.

    Example:
        >>> editable("category", {"age": np.zeros(2), "city": np.array(["a", "b"])})
        ['city']
    """
    name = require_choice("name", name, EditName)
    if name is EditName.SCALE_ERROR:
        return [key for key, value in features.items() if is_float(value)]
    if name is EditName.CATEGORY:
        return [key for key, value in features.items() if not is_float(value)]
    return list(features)


def _candidates(name: EditName, values: NDArray[Any], pool: NDArray[Any]) -> NDArray[Any]:
    if name is EditName.MISSING:
        return default_value(pool)[np.newaxis]
    if name is EditName.SCALE_ERROR:
        factors = np.array(UNIT_ERRORS).reshape(-1, *[1] * (values.ndim - 1))
        with np.errstate(over="ignore"):
            return store(values.astype(np.float64)[:, np.newaxis] * factors, values.dtype)
    return _quantiles(pool) if is_float(pool) else _words(pool)


def _quantiles(pool: NDArray[Any]) -> NDArray[Any]:
    """Returns `[candidates, ...]`: of each element the finite values at evenly spaced ranks."""
    flat = pool.reshape(len(pool), -1)
    count = min(MOST_QUANTILES, len(pool))
    found = np.zeros((count, flat.shape[1]), pool.dtype)
    for i in range(flat.shape[1]):
        column = np.sort(flat[np.isfinite(flat[:, i].astype(np.float64)), i])
        if len(column):
            found[:, i] = column[np.rint(np.linspace(0, len(column) - 1, count)).astype(int)]
    return found.reshape(count, *pool.shape[1:])


def _words(pool: NDArray[Any]) -> NDArray[Any]:
    """Returns `[candidates, ...]`: of each element the most frequent values."""
    flat = pool.reshape(len(pool), -1)
    words = [words_by_frequency(flat[:, i])[:MOST_WORDS] for i in range(flat.shape[1])]
    count = max((len(column) for column in words), default=0)
    found = np.empty((count, len(words)), pool.dtype)
    for i, column in enumerate(words):
        found[:, i] = column[0]
        found[: len(column), i] = column
    return found.reshape(count, *pool.shape[1:])
