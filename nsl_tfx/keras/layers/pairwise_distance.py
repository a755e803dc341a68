"""The distance between examples and their neighbors, as a layer."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import DistanceConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.lib import pairwise_distance_wrapper

_TARGETS = (
    "Expected targets [batch * n, ...], n rows for each of the sources [batch, ...], or "
    "[batch, ..., n, dims], n neighbors for each of the sources [batch, ..., dims]"
)


@keras.saving.register_keras_serializable(package="nsl_tfx")
class PairwiseDistance(keras.layers.Layer):
    """Measures how far each source lies from each of its targets.

    The distance is a loss, and like Keras's losses it is not computed in half precision under a
    mixed policy, where a sum would soon be infinite: sources, targets and weights are cast to the
    policy's variable dtype.

    Args:
        distance_config: The distance, and how it is reduced. `sum_over_axis` counts the axes of the
            targets, so that -1 suits targets of either form.
        **kwargs: Keras's `name`, `dtype` and `trainable`.

    Raises:
        TypeError: `distance_config` is no DistanceConfig.

    Example:
        >>> distance = PairwiseDistance(DistanceConfig(sum_over_axis=-1))
        >>> sources, targets = tf.zeros([1, 2]), tf.constant([[1.0, 1.0], [9.0, 9.0]])
        >>> float(distance(sources, targets, weights=tf.constant([[1.0], [0.0]])))
        2.0
    """

    def __init__(self, distance_config: DistanceConfig | None = None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        config = DistanceConfig() if distance_config is None else distance_config
        self.distance_config = require_config("distance_config", config, DistanceConfig)

    def call(self, sources: Any, targets: Any = None, weights: Any = 1.0) -> Any:
        """Returns the reduced distance.

        Args:
            sources: `[batch, ..., dims]`; or a tuple `(sources, targets)` or `(sources, targets,
                weights)`, and nothing besides.
            targets: `[batch * n, ..., dims]`, row `b * n + i` the neighbor `i` of source `b`; or
                `[batch, ..., n, dims]`.
            weights: A scalar, or a tensor of the targets' rank whose dimensions are 1 or equal.

        Returns:
            A scalar; with `Reduction.NONE` the weighted distances, unreduced.

        Raises:
            ValueError: The targets do not fit the sources or the weights do not fit the targets,
                or a tuple holds something else.
            tf.errors.InvalidArgumentError: They do not fit, which shows only when they are known.
        """
        sources, targets, weights = _unpack(sources, targets, weights)
        sources, targets = (tf.cast(value, self.variable_dtype) for value in (sources, targets))
        sources = _replicate(sources, targets)
        return pairwise_distance_wrapper(sources, targets, weights, self.distance_config)

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's settings as plain JSON values."""
        return {**super().get_config(), "distance_config": self.distance_config.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PairwiseDistance:
        """Makes the layer that `get_config` described."""
        distance_config = DistanceConfig.from_dict(config["distance_config"])
        return super().from_config({**config, "distance_config": distance_config})


def _unpack(sources: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
    packed = isinstance(sources, (tuple, list))
    if packed and targets is None and len(sources) in (2, 3):
        return (*sources, weights) if len(sources) == 2 else tuple(sources)
    if packed or targets is None:
        size = f"a {type(sources).__name__} of {len(sources)}" if packed else "no tuple"
        raise ValueError(
            "Expected sources and targets, or one tuple (sources, targets) or (sources, targets, "
            f"weights). Received: sources as {size}, targets as {type(targets).__name__}."
        )
    return sources, targets, weights


def _replicate(sources: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Repeats each source, so that it meets each of its targets."""
    if not _fits(sources.shape, targets.shape):
        raise ValueError(
            f"{_TARGETS}. Received shapes: sources {sources.shape}, targets {targets.shape}."
        )
    if targets.shape.rank > sources.shape.rank:
        times = tf.shape(targets)[-2]
        repeated = tf.repeat(tf.expand_dims(sources, -2), times, axis=-2)
    else:
        # Not to divide by the 0 rows of an empty batch.
        times = tf.shape(targets)[0] // tf.maximum(tf.shape(sources)[0], 1)
        repeated = tf.repeat(sources, times, axis=0)
    # A dimension of 1 or 0 would else be stretched in silence.
    fits = tf.debugging.assert_equal(tf.shape(repeated), tf.shape(targets), _TARGETS)
    with tf.control_dependencies([fits]):
        return tf.identity(repeated)


def _fits(sources: tf.TensorShape, targets: tf.TensorShape) -> bool:
    """Says whether the shapes fit, as far as they are known."""
    if sources.rank is None or targets.rank is None or sources.rank == 0:
        return False
    if targets.rank == sources.rank:
        own, theirs = sources[0], targets[0]
        multiple = own is None or theirs is None or (theirs % own == 0 if own else theirs == 0)
        return multiple and sources[1:].is_compatible_with(targets[1:])
    if targets.rank != sources.rank + 1 or sources.rank < 2:
        return False
    return sources.is_compatible_with([*targets[:-2], targets[-1]])
