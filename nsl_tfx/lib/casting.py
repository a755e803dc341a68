"""Bringing settings to a tensor's dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def to_dtype(value: Any, dtype: tf.DType) -> tf.Tensor:
    """Returns a number, list, array or tensor in the dtype.

    `tf.cast` of a Python number goes through float32, so that 0.1 is no longer 0.1 in float64.

    Example:
        >>> float(to_dtype(0.1, tf.float64))
        0.1
    """
    if tf.is_tensor(value):
        return tf.cast(value, dtype)
    return tf.constant(np.asarray(value, dtype.as_numpy_dtype))
