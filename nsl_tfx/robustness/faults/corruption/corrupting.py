"""Corrupting features by name: what which feature becomes, within which bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import SEVERITIES, CorruptionName
from nsl_tfx.configs.base import require_choice
from nsl_tfx.robustness.faults import row_draws
from nsl_tfx.robustness.faults.corruption import image, table
from nsl_tfx.robustness.faults.corruption.dtypes import is_float, store
from nsl_tfx.robustness.faults.corruption.reference import Features, check_pool, find_range
from nsl_tfx.robustness.faults.row_draws import Seeds
from nsl_tfx.robustness.images import as_image

Bounds = Mapping[str, tuple[Any, Any]]
"""The lowest and the highest valid value by feature name, None where there is none."""


@dataclasses.dataclass(frozen=True)
class _Column:
    """One feature, its reference rows, the bounds that were given, and the seeds of its rows."""

    values: NDArray[Any]
    pool: NDArray[Any]
    low: float | None
    high: float | None
    seeds: Seeds


def corrupt(
    name: CorruptionName,
    features: Features,
    severity: int,
    seeds: Seeds,
    pool: Features,
    bounds: Bounds | None = None,
) -> dict[str, NDArray[Any]]:
    """Returns features as a common fault would leave them.

    What becomes of a row depends on its values, its seed and the pool, not on the other rows. The
    same seeds make a more severe corruption an extension of a milder one.

    Args:
        name: The corruption.
        features: Name to `[rows, ...]`. Those that it does not apply to come back as they are.
        severity: From 1 to 5.
        seeds: Two numbers for each row, uint32 `[rows, 2]`.
        pool: Reference rows of the same features, at least one: they tell defaults, other values,
            and the range that a severity is a share of, where `bounds` does not.
        bounds: Valid values. What lies within stays within. Images without bounds keep to the
            pool's range, or to their own pixel's value where that is beyond; of other features
            without bounds a unit error may leave the range.

    Returns:
        The same names, shapes and dtypes.

    Raises:
        ValueError: The corruption applies to none of the features, the severity is another, bounds
            are upside down, or pool or seeds do not fit the features.

    Example:
        >>> seeds = np.array([[1, 2]], np.uint32)
        >>> pool = {"x": np.array([[0.0], [8.0]])}
        >>> corrupt("rounding", {"x": np.array([[4.4]])}, 5, seeds, pool)["x"].tolist()
        [[4.0]]
    """
    name = require_choice("name", name, CorruptionName)
    if severity not in SEVERITIES:
        raise ValueError(f"Expected severity to be one of 1, 2, 3, 4, 5. Received: {severity!r}.")
    features = {key: np.asarray(value) for key, value in features.items()}
    pool = {key: np.asarray(value) for key, value in pool.items()}
    seeds = row_draws.require_seeds(seeds, check_pool(features, pool))
    chosen = corruptible(name, features)
    if not chosen:
        raise ValueError(
            f"Expected a feature that corruption {name.value!r} applies to, {_kind(name)}. "
            f"Received: {_describe(features)}."
        )
    changed = {}
    for key in chosen:
        # By the feature's name: what becomes of one does not depend on which others there are.
        seeds_of_feature = row_draws.fork(seeds, key)
        column = _Column(features[key], pool[key], *_bounds_of(key, bounds), seeds_of_feature)
        changed[key] = _corrupt_one(name, column, severity)
    return {**features, **changed}


def corruptible(name: CorruptionName, features: Features) -> list[str]:
    """Returns the features that a corruption applies to.

    Example:
        >>> features = {"image": np.zeros([2, 8, 8]), "age": np.zeros(2), "city": np.array(["a"])}
        >>> [corruptible(name, features) for name in ("blur", "rounding", "swap")]
        [['image'], ['image', 'age'], ['image', 'age', 'city']]
    """
    name = require_choice("name", name, CorruptionName)
    if name in image.CORRUPTIONS:
        return [key for key, value in features.items() if _image_shape(value) is not None]
    if name in table.FLOAT_ONLY:
        return [key for key, value in features.items() if is_float(value)]
    return list(features)


def _corrupt_one(name: CorruptionName, column: _Column, severity: int) -> NDArray[Any]:
    if name in image.CORRUPTIONS:
        return _corrupt_images(name, column, severity)
    values, pool, low, high = column.values, column.pool, column.low, column.high
    if name is CorruptionName.ROUNDING:
        low, high = table.range_of(pool, low, high)
        return _fit(table.round_off(values, low, high, severity), values, low, high)
    if name is CorruptionName.SCALE_ERROR:
        return _fit(table.mistake_unit(values, severity, column.seeds), values, low, high)
    change = table.lose if name is CorruptionName.MISSING else table.swap
    changed = change(values, pool, severity, column.seeds)
    return _fit(changed, values, low, high) if is_float(values) else changed


def _corrupt_images(name: CorruptionName, column: _Column, severity: int) -> NDArray[Any]:
    values = column.values
    lowest, highest = find_range(column.pool)
    low = float(lowest.min()) if column.low is None else column.low
    high = float(highest.max()) if column.high is None else column.high
    shape = _image_shape(values)
    # Of one value there are neither lighter nor darker ones.
    if shape is None or not high > low:
        return values
    wide = values.astype(np.result_type(np.float32, _plain(values.dtype)))
    unit = ((wide - low) / (high - low)).astype(wide.dtype).reshape(len(values), *shape)
    change = image.CORRUPTIONS[name](unit, severity, column.seeds) - unit
    # As a change: what a corruption leaves alone stays the same to the last bit.
    return _fit(wide + (high - low) * change.reshape(values.shape), values, low, high)


def _fit(changed: NDArray[Any], values: NDArray[Any], low: Any, high: Any) -> NDArray[Any]:
    """Returns changed values in the dtype, within the bounds wherever the values before were."""
    stored = store(changed, values.dtype)
    # fmin and fmax: what was NaN before has no part in the bounds.
    if low is not None:
        stored = np.maximum(stored, np.fmin(np.asarray(low, values.dtype), values))
    if high is not None:
        stored = np.minimum(stored, np.fmax(np.asarray(high, values.dtype), values))
    return stored


def _bounds_of(name: str, bounds: Bounds | None) -> tuple[float | None, float | None]:
    # Python's numbers: NumPy's decide about the precision of what they are added to.
    low, high = (b if b is None else float(b) for b in (bounds or {}).get(name, (None, None)))
    if low is not None and high is not None and low > high:
        raise ValueError(
            f"Expected bounds[{name!r}] as the lowest and the highest value. Received: {low}, "
            f"{high}."
        )
    return low, high


def _image_shape(values: NDArray[Any]) -> tuple[int, ...] | None:
    """Returns `(height, width, channels)` of what looks like images, of floats or bytes."""
    if not is_float(values) and values.dtype != np.uint8:
        return None
    found = as_image(np.zeros(values.shape[1:]))
    return None if found is None else found.shape


def _plain(dtype: Any) -> Any:
    # What is no dtype of NumPy's own, bfloat16, has no promotion with them everywhere.
    return np.float32 if dtype.kind == "V" else dtype


def _kind(name: CorruptionName) -> str:
    if name in image.CORRUPTIONS:
        return (
            "an image: [rows, height, width], with 1 or 3 channels, or flat and square, of 4 "
            "pixels a side or more, floats or uint8"
        )
    return "a feature of a floating dtype"


def _describe(features: Features) -> str:
    shown = (f"{key} {value.dtype} {list(value.shape)}" for key, value in features.items())
    return ", ".join(shown) or "none"
