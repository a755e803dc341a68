"""Weighted distances between two batches of vectors, reduced to one number."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nsl_tfx.configs import DistanceConfig, DistanceType, Reduction, TransformType
from nsl_tfx.lib.casting import expand_like, to_dtype, wide_dtype

# Below float32's resolution of a probability near 1.
_LOG_FLOOR = 1e-7
_PRECISION = {tf.float16: 2**-10, tf.bfloat16: 2**-7, tf.float32: 2**-23, tf.float64: 2**-52}


def pairwise_distance_wrapper(
    sources: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor | float = 1.0,
    distance_config: DistanceConfig | None = None,
) -> tf.Tensor:
    """Measures how far each source lies from the target of the same row.

    Args:
        sources: `[rows, ..., dims]`, floating.
        targets: Same shape as `sources`; may differ in dtype.
        weights: A scalar, or a tensor of the sources' rank whose dimensions are 1 or equal.
        distance_config: The distance, and how it is reduced. With an averaging reduction and L1 or
            L2, `sum_over_axis` counts a vector, not its elements, in the divisor.

    Returns:
        A scalar; with `Reduction.NONE` the weighted distances, unreduced. In float32, or float64
        where a side is: half precision cannot hold the sums.

    Raises:
        ValueError: The weights do not fit the sources.

    Example:
        >>> config = DistanceConfig(sum_over_axis=-1)
        >>> zeros, ones = tf.zeros([2, 2]), tf.ones([2, 2])
        >>> float(pairwise_distance_wrapper(zeros, ones, [[1.0], [0.0]], config))
        2.0
    """
    config = distance_config or DistanceConfig()
    sources, targets = tf.convert_to_tensor(sources), tf.convert_to_tensor(targets)
    dtype = wide_dtype([sources, targets])
    sources, targets = tf.cast(sources, dtype), tf.cast(targets, dtype)
    axis = config.sum_over_axis
    if config.transform_fn is TransformType.SOFTMAX:
        sources = tf.nn.softmax(sources, axis=-1 if axis is None else axis)
        targets = tf.nn.softmax(targets, axis=-1 if axis is None else axis)
    weights = to_dtype(weights, dtype)
    elementwise = config.distance_type in (DistanceType.L1, DistanceType.L2)
    averages = config.reduction not in (Reduction.NONE, Reduction.SUM)
    counts_vectors = elementwise and axis is not None and averages
    # One weight a vector, where vectors are counted, or have one distance each.
    of_vectors = counts_vectors or not elementwise
    _check_weights(sources.shape, weights.shape, axis if of_vectors else None)
    distances = _distances(sources, targets, config.distance_type, axis)
    reduced = _reduce(distances, weights, config.reduction)
    if counts_vectors:
        reduced *= tf.cast(tf.shape(sources)[axis], dtype)
    return reduced


def total_distance(
    sources: Any, targets: Any, config: DistanceConfig, weights: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """Adds up the distances of all outputs of a model.

    Args:
        sources: A tensor `[rows, ...]`, or a structure of them.
        targets: The same structure.
        config: The distance, and how it is reduced.
        weights: One for all, or `[rows]`.

    Returns:
        A scalar of float32, or float64 where an output is.
    """
    dtype = wide_dtype(tf.nest.flatten((sources, targets)))
    total = []
    for source, target in zip(tf.nest.flatten(sources), tf.nest.flatten(targets), strict=True):
        source = tf.cast(source, dtype)
        each = to_dtype(weights, dtype)
        if each.shape.rank:
            each = expand_like(each, source)
        total.append(pairwise_distance_wrapper(source, target, each, config))
    return tf.add_n(total)


def kl_divergence(
    labels: tf.Tensor,
    predictions: tf.Tensor,
    axis: int | None = None,
    weights: tf.Tensor | float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = None,
    reduction: Reduction | str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> tf.Tensor:
    """Kullback and Leibler's divergence of the predictions from the labels.

    Args:
        labels: Probabilities that sum to 1 along `axis`.
        predictions: Probabilities of the same shape.
        axis: The axis of the classes. Required.
        weights: A scalar, or a tensor of the labels' rank whose dimensions are 1 or equal.
        scope: Name of the operations.
        loss_collection: Has no effect: TensorFlow 2 has no collections.
        reduction: How the weighted divergences become one number.

    Returns:
        A scalar, or `[..., 1, ...]` with `Reduction.NONE`, in float32 or float64.

    Raises:
        ValueError: `axis` is missing.
        tf.errors.InvalidArgumentError: One side holds no probabilities. XLA leaves the check out.

    Example:
        >>> half, sure = tf.constant([[0.5, 0.5]]), tf.constant([[1.0, 0.0]])
        >>> round(float(kl_divergence(sure, half, axis=-1)), 4)
        0.6931
    """
    del loss_collection
    with tf.name_scope(scope or "kl_divergence"):
        labels, predictions = _probabilities(labels, predictions, axis)
        divergence = _kl_divergence(labels, predictions, axis)
        return _reduce(divergence, to_dtype(weights, divergence.dtype), Reduction(reduction))


def jensen_shannon_divergence(
    labels: tf.Tensor,
    predictions: tf.Tensor,
    axis: int | None = None,
    weights: tf.Tensor | float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = None,
    reduction: Reduction | str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> tf.Tensor:
    """Jensen and Shannon's divergence: the mean of both sides' divergences from their middle.

    Arguments, result and errors are those of `kl_divergence`.

    Example:
        >>> one, other = tf.constant([[0.0, 1.0]]), tf.constant([[1.0, 0.0]])
        >>> round(float(jensen_shannon_divergence(one, other, axis=-1)), 4)
        0.6931
    """
    del loss_collection
    with tf.name_scope(scope or "jensen_shannon_divergence"):
        labels, predictions = _probabilities(labels, predictions, axis)
        divergence = _jensen_shannon_divergence(labels, predictions, axis)
        return _reduce(divergence, to_dtype(weights, divergence.dtype), Reduction(reduction))


def _check_weights(sources: tf.TensorShape, weights: tf.TensorShape, axis: int | None) -> None:
    """Raises ValueError where the shapes are known and do not fit."""
    if sources.rank is None or weights.rank in (None, 0):
        return
    allowed = list(sources)
    if axis is not None:
        # A weight is a vector's, not an element's.
        allowed[axis] = 1
    fits = weights.rank == sources.rank and all(
        weight in (1, None) or own in (weight, None)
        for weight, own in zip(weights, allowed, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Expected weights as a scalar, or of the shape {allowed} with any dimension 1. "
            f"Received shape: {list(weights)}."
        )


def _probabilities(
    labels: tf.Tensor, predictions: tf.Tensor, axis: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    if axis is None:
        raise ValueError("Expected axis, the axis of the classes (usually -1). Received: None.")
    sides = {
        "labels": tf.convert_to_tensor(labels),
        "predictions": tf.convert_to_tensor(predictions),
    }
    dtype = wide_dtype(sides.values())
    both = []
    for name, value in sides.items():
        # Each value may be off by half an epsilon of the dtype that it was made in.
        precision = _PRECISION.get(value.dtype, 0.0)
        value = tf.cast(value, dtype)
        total = tf.reduce_sum(value, axis=axis)
        classes = tf.cast(tf.shape(value)[axis], dtype)
        slack = 4 * precision * tf.maximum(classes, 16)
        with tf.control_dependencies(
            [
                tf.debugging.assert_non_negative(value, f"Expected {name} without negative values"),
                tf.debugging.assert_less_equal(
                    tf.abs(total - 1), slack, f"Expected {name} to sum to 1 along axis {axis}"
                ),
            ]
        ):
            both.append(tf.identity(value))
    return both[0], both[1]


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
    return _jensen_shannon_divergence(sources, targets, axis)


def _kl_divergence(p: tf.Tensor, q: tf.Tensor, axis: int | None) -> tf.Tensor:
    log_ratio = tf.math.log(p + _LOG_FLOOR) - tf.math.log(q + _LOG_FLOOR)
    return tf.reduce_sum(p * log_ratio, axis=axis, keepdims=True)


def _jensen_shannon_divergence(p: tf.Tensor, q: tf.Tensor, axis: int | None) -> tf.Tensor:
    middle = (p + q) / 2
    return (_kl_divergence(p, middle, axis) + _kl_divergence(q, middle, axis)) / 2


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
