"""Changing dtypes and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def join_features(x: Mapping[Any, tf.Tensor]) -> tf.Tensor:
    """Returns features `[batch, ...]` by name as one `[batch, elements]` of a wide dtype."""
    dtype = wide_dtype(x.values())
    return tf.concat([flatten_rows(tf.cast(value, dtype)) for value in x.values()], axis=1)


def split_features(rows: tf.Tensor, like: Mapping[Any, tf.Tensor]) -> dict[Any, tf.Tensor]:
    """Returns `[batch, elements]` over all features as features of the given shapes and dtypes."""
    sizes = [tf.reduce_prod(tf.shape(value)[1:]) for value in like.values()]
    parts = tf.split(rows, sizes, axis=1)
    return {
        name: tf.ensure_shape(tf.cast(tf.reshape(part, tf.shape(value)), value.dtype), value.shape)
        for part, (name, value) in zip(parts, like.items(), strict=True)
    }
