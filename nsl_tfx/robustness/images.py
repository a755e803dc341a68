"""Which features look like images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALLEST_SIDE = 4


def as_image(value: NDArray[Any]) -> NDArray[Any] | None:
    """Returns a feature as `[height, width, 1 or 3]`, or None where it does not look like one.

    Images are `[h, w]`, `[h, w, 1]`, `[h, w, 3]`, or flat with a square number of values.

    Example:
        >>> as_image(np.zeros(64)).shape
        (8, 8, 1)
        >>> as_image(np.zeros(5)) is None
        True
    """
    value = np.asarray(value, np.float64)
    side = math.isqrt(value.size)
    if value.ndim == 1 and side >= _SMALLEST_SIDE and side * side == value.size:
        return value.reshape(side, side, 1)
    if value.ndim == 2 and min(value.shape) >= _SMALLEST_SIDE:
        return value[:, :, None]
    if value.ndim == 3 and min(value.shape[:2]) >= _SMALLEST_SIDE and value.shape[2] in (1, 3):
        return value
    return None
