"""Repeating rows, so that each meets its neighbors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def replicate_embeddings(embeddings: tf.Tensor, replicate_times: Any) -> tf.Tensor:
    """Repeats each row, one copy after the other.

    Args:
        embeddings: `[batch, ...]`.
        replicate_times: One number of copies for all rows, or `[batch]` numbers; 0 drops a row.

    Returns:
        `[sum of the numbers, ...]`.

    Raises:
        tf.errors.InvalidArgumentError: A number is negative.

    Example:
        >>> replicate_embeddings([[1.0], [2.0]], [2, 1]).numpy().tolist()
        [[1.0], [1.0], [2.0]]
    """
    times = tf.convert_to_tensor(replicate_times)
    message = "Expected replicate_times >= 0"
    with tf.control_dependencies([tf.debugging.assert_non_negative(times, message)]):
        return tf.repeat(tf.convert_to_tensor(embeddings), tf.identity(times), axis=0)
