"""Numbers of a feature's dtype, those included that NumPy does not know by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def is_float(values: NDArray[Any]) -> bool:
    """Returns whether a feature is of a floating dtype; bfloat16 is one too."""
    return bool(tf.as_dtype(values.dtype).is_floating)


def store(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Returns numbers in a dtype; what is beyond its largest number is that number.

    Example:
        >>> store(np.array([1e9, -2.6]), np.uint8).tolist()
        [255, 0]
        >>> store(np.array([1e9]), np.float16).tolist()
        [65504.0]
    """
    limits = tf.as_dtype(dtype)
    rounded = np.rint(values) if limits.is_integer else values
    return np.clip(rounded, float(limits.min), float(limits.max)).astype(dtype)
