"""What each replica of a distributed step adds to a loss over the joint batch."""

from __future__ import annotations

import tensorflow as tf

from nsl_tfx.configs import Reduction


def count_replicas() -> int:
    """Returns the number of replicas that make the present step together."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def replica_share(
    distance: tf.Tensor, reduction: Reduction, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns a replica's share of the joint batch's distance: those of all replicas add up to it.

    Replicas have as many examples each, but not as many neighbors: a mean of their means would be
    another number.

    Args:
        distance: The distance over this replica's part of the batch.
        reduction: How it was reduced to one number.
        weights: One for each pair, `[pairs]`; all 1 when None.
    """
    replicas = count_replicas()
    if replicas == 1 or reduction is Reduction.SUM:
        return distance
    if weights is None:
        return distance / replicas
    if reduction is Reduction.MEAN:
        divisor = tf.reduce_sum(weights)
    elif reduction is Reduction.SUM_BY_NONZERO_WEIGHTS:
        divisor = tf.math.count_nonzero(weights, dtype=tf.int32)
    else:
        divisor = tf.size(weights)
    divisor = tf.cast(divisor, distance.dtype)
    context = tf.distribute.get_replica_context()
    joint = context.all_reduce(tf.distribute.ReduceOp.SUM, divisor)
    return distance * tf.math.divide_no_nan(divisor, joint)
