"""Changing dtypes and ranks."""

from __future__ import annotations

from collections.abc import Iterable
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


def wide_dtype(tensors: Iterable[tf.Tensor]) -> tf.DType:
    """Returns float64 if one of the tensors has it, else float32, which sums do not overflow."""
    return tf.float64 if any(tensor.dtype == tf.float64 for tensor in tensors) else tf.float32


def flatten_rows(tensor: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, ...]` as `[batch, elements]`."""
    return tf.reshape(tensor, [tf.shape(tensor)[0], tf.reduce_prod(tf.shape(tensor)[1:])])


def expand_like(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns `[batch]` values with trailing axes of 1, to broadcast against `[batch, ...]`."""
    trailing = tf.ones([tf.rank(like) - 1], tf.int32)
    return tf.reshape(values, tf.concat([tf.shape(values), trailing], axis=0))
