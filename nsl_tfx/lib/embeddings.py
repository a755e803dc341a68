"""Repeating rows, so that each meets its neighbors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nsl_tfx.lib.casting import flatten_rows


def replicate_embeddings(embeddings: tf.Tensor, replicate_times: Any) -> tf.Tensor:
    """Repeats each row, one copy after the other.

    Args:
        embeddings: `[batch, ...]`.
        replicate_times: One number of copies for all rows, or `[batch]` numbers; 0 drops a row.

    Returns:
        `[sum of the numbers, ...]`.

    Raises:
        tf.errors.InvalidArgumentError: A number is negative. XLA leaves the check out.

    Example:
        >>> replicate_embeddings([[1.0], [2.0]], [2, 1]).numpy().tolist()
        [[1.0], [1.0], [2.0]]
    """
    embeddings = tf.convert_to_tensor(embeddings)
    times = tf.convert_to_tensor(replicate_times)
    message = "Expected replicate_times >= 0"
    with tf.control_dependencies([tf.debugging.assert_non_negative(times, message)]):
        # As rows, since `tf.repeat` has to know the rank.
        repeated = tf.repeat(flatten_rows(embeddings), tf.identity(times), axis=0)
    shape = tf.concat([tf.shape(repeated)[:1], tf.shape(embeddings)[1:]], axis=0)
    return tf.reshape(repeated, shape)
