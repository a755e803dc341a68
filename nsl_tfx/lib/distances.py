"""Weighted distances between two batches of vectors, reduced to one number."""

from __future__ import annotations

import tensorflow as tf

from nsl_tfx.configs import DistanceConfig, DistanceType, Reduction, TransformType
from nsl_tfx.lib.casting import to_dtype

# Below float32's resolution of a probability near 1, above the smallest normal float16.
_LOG_FLOOR = 1e-7


def pairwise_distance(
    sources: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor | float = 1.0,
    config: DistanceConfig | None = None,
) -> tf.Tensor:
    """Measures how far each source lies from the target of the same row.

    Args:
        sources: `[rows, ..., dims]`, floating.
        targets: Same shape as `sources`.
        weights: A scalar, or a tensor of the sources' rank whose dimensions are 1 or equal.
        config: The distance, and how it is reduced. With an averaging reduction and L1 or L2,
            `sum_over_axis` counts a vector, not its elements, in the divisor.

    Returns:
        A scalar; with `Reduction.NONE` the weighted distances, unreduced.

    Raises:
        ValueError: The distance needs `sum_over_axis` and the config has none.

    Example:
        >>> config = DistanceConfig(sum_over_axis=-1)
        >>> float(pairwise_distance(tf.zeros([2, 2]), tf.ones([2, 2]), [[1.0], [0.0]], config))
        2.0
    """
    config = config or DistanceConfig()
    axis = config.sum_over_axis
    if config.transform_fn is TransformType.SOFTMAX:
        sources = tf.nn.softmax(sources, axis=-1 if axis is None else axis)
        targets = tf.nn.softmax(targets, axis=-1 if axis is None else axis)
    weights = to_dtype(weights, sources.dtype)
    elementwise = config.distance_type in (DistanceType.L1, DistanceType.L2)
    if not elementwise and axis is None:
        raise ValueError(
            f"Expected DistanceConfig.sum_over_axis for {config.distance_type.value} (usually -1). "
            "Received: sum_over_axis=None."
        )
    distances = _distances(sources, targets, config.distance_type, axis)
    reduced = _reduce(distances, weights, config.reduction)
    averages = config.reduction not in (Reduction.NONE, Reduction.SUM)
    if elementwise and axis is not None and averages:
        reduced *= tf.cast(tf.shape(sources)[axis], reduced.dtype)
    return reduced


def _distances(
    sources: tf.Tensor, targets: tf.Tensor, kind: DistanceType, axis: int | None
) -> tf.Tensor:
    if kind is DistanceType.L1:
        return tf.abs(sources - targets)
    if kind is DistanceType.L2:
        return tf.math.squared_difference(sources, targets)
    if kind is DistanceType.COSINE:
        sources = tf.nn.l2_normalize(sources, axis=axis)
        targets = tf.nn.l2_normalize(targets, axis=axis)
        return 1 - tf.reduce_sum(sources * targets, axis=axis, keepdims=True)
    if kind is DistanceType.KL_DIVERGENCE:
        return _kl_divergence(sources, targets, axis)
    middle = (sources + targets) / 2
    return (_kl_divergence(sources, middle, axis) + _kl_divergence(targets, middle, axis)) / 2


def _kl_divergence(p: tf.Tensor, q: tf.Tensor, axis: int | None) -> tf.Tensor:
    log_ratio = tf.math.log(p + _LOG_FLOOR) - tf.math.log(q + _LOG_FLOOR)
    return tf.reduce_sum(p * log_ratio, axis=axis, keepdims=True)


def _reduce(distances: tf.Tensor, weights: tf.Tensor, reduction: Reduction) -> tf.Tensor:
    weighted = distances * weights
    if reduction is Reduction.NONE:
        return weighted
    total = tf.reduce_sum(weighted)
    if reduction is Reduction.SUM:
        return total
    if reduction is Reduction.SUM_OVER_BATCH_SIZE:
        return tf.math.divide_no_nan(total, tf.cast(tf.size(weighted), total.dtype))
    spread = tf.broadcast_to(weights, tf.shape(distances))
    if reduction is Reduction.MEAN:
        return tf.math.divide_no_nan(total, tf.reduce_sum(spread))
    return tf.math.divide_no_nan(total, tf.cast(tf.math.count_nonzero(spread), total.dtype))
