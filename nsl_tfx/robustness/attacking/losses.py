"""What an attack on a classifier raises, as functions of its logits."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

LossOfLogits = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From logits `[batch, classes]` and labels `[batch]` to a loss `[batch]`."""

TargetedLossOfLogits = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""The same, with a class `[batch]` that the attack wants instead of the label."""

# Keeps a ratio finite where all logits are equal.
_TINY = 1e-12


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The loss that models are trained with; it has no slope where a model is very sure."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def difference_of_logits(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """How far the label's logit is below the largest other one.

    Example:
        >>> float(difference_of_logits(tf.constant([[3.0, 1.0, 2.0]]), [0])[0])
        -1.0
    """
    return tf.reduce_max(without_label(logits, labels), axis=1) - _of(logits, labels)


def difference_of_logits_ratio(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """How far the label's logit is below the largest other one, as a share of the spread.

    Croce and Hein 2020, "Reliable evaluation of adversarial robustness", eq. 6: neither a factor
    nor an offset of the logits changes it. Of two classes the ratio is constant, and the difference
    itself is taken.

    Example:
        >>> logits = tf.constant([[3.0, 1.0, 2.0, 0.0]])
        >>> [float(difference_of_logits_ratio(k * logits, [0])[0]) for k in (1, 100)]
        [-0.5, -0.5]
    """
    top = _largest(logits, 3)
    return difference_of_logits(logits, labels) / _spread(logits, 3, top[:, 0] - top[:, -1])


def targeted_difference_of_logits_ratio(
    logits: tf.Tensor, labels: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """How far the label's logit is below the target's, as a share of the spread.

    Croce and Hein 2020, eq. 7. Of fewer than four classes the difference itself is taken.

    Example:
        >>> logits = tf.constant([[3.0, 1.0, 2.0, 0.0]])
        >>> round(float(targeted_difference_of_logits_ratio(logits, [0], [1])[0]), 6)
        -0.8
    """
    top = _largest(logits, 4)
    third = tf.minimum(2, tf.shape(logits)[1] - 1)
    spread = top[:, 0] - (tf.gather(top, third, axis=1) + top[:, -1]) / 2
    return (_of(logits, targets) - _of(logits, labels)) / _spread(logits, 4, spread)


def _largest(logits: tf.Tensor, count: int) -> tf.Tensor:
    """Returns the largest logits, all where there are fewer."""
    return tf.math.top_k(logits, tf.minimum(count, tf.shape(logits)[1])).values


def _spread(logits: tf.Tensor, classes: int, spread: tf.Tensor) -> tf.Tensor:
    """Returns the spread where there are so many classes; 1 where it would say nothing."""
    return tf.where(tf.shape(logits)[1] >= classes, spread + _TINY, tf.ones_like(spread))


def _of(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    return tf.gather(logits, classes, axis=1, batch_dims=1)


def without_label(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the logits, the label's as low as there are numbers."""
    own = tf.one_hot(labels, tf.shape(logits)[1], dtype=tf.bool, on_value=True, off_value=False)
    return tf.where(own, logits.dtype.min, logits)
