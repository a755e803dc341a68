"""What all attacks share: the ball and the box, and how the best point so far is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.config_base import Config, bounded
from nsl_tfx.configs import NormType
from nsl_tfx.lib import norms
from nsl_tfx.lib.casting import to_dtype

Structure = dict[str, tf.Tensor]
"""Float features `[batch, ...]` by name: what the attacker may change."""

Loss = Callable[[Structure], Any]
"""Gives a loss `[batch]` to be raised, or a pair of it and a boolean `[batch]`: fooled or not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack(Config):
    """The threat model: what an attacker may do to an input.

    Attributes:
        epsilon: Radius of the ball around the input, in units of the input feature.
        norm: The ball's norm, over all features of an example together.
        clip_value_min: Lower bound of a valid feature; a number or tensor, or a dict of them by
            feature name. Features without an entry are unbounded.
        clip_value_max: Upper bound, likewise.
        feature_mask: Multiplied with the gradient and with noise; 0 marks what never changes. A
            number or tensor, or a dict of them by feature name.
    """

    epsilon: float = bounded(ge=0, unit="input units")
    norm: NormType = NormType.INFINITY
    clip_value_min: Any = None
    clip_value_max: Any = None
    feature_mask: Any = None

    def __call__(self, loss: Loss, x: Structure, seed: Any = (0, 0)) -> Structure:
        """Returns the input, moved to where the loss is higher.

        Args:
            loss: The loss to raise. Where it also says which examples are fooled, an example stops
                moving at the first point that fools.
            x: Name to `[batch, ...]`.
            seed: Two integers that fix every random draw.

        Returns:
            The same structure. Every example lies in the ball and in the box, and its loss is at
            least the loss at `x`.
        """
        raise NotImplementedError

    def place(self, x: Structure, delta: Structure) -> Structure:
        """Returns `x + delta`, with `delta` moved into the ball and the sum into the box."""
        delta = norms.project_to_ball(delta, self.epsilon, self.norm)
        return self.clip({name: x[name] + delta[name] for name in x})

    def step(self, x: Structure, current: Structure, gradient: Structure, size: float) -> Structure:
        """Returns the point one step of length `size` further up, in the ball around `x`."""
        direction = self.direction(gradient)
        return self.place(x, {k: current[k] - x[k] + size * direction[k] for k in x})

    def clip(self, x: Structure) -> Structure:
        """Returns the features inside the box of valid values."""
        low = per_feature(self.clip_value_min, x)
        high = per_feature(self.clip_value_max, x)
        return {name: _clip(value, low.get(name), high.get(name)) for name, value in x.items()}

    def mask(self, x: Structure) -> Structure:
        """Returns the features times the mask."""
        mask = per_feature(self.feature_mask, x)
        return {
            name: value * to_dtype(mask[name], value.dtype) if name in mask else value
            for name, value in x.items()
        }

    def direction(self, gradient: Structure) -> Structure:
        """Returns the unit step that raises a linear loss with this gradient the most.

        Each example's gradient is first scaled to a largest element of 1: a model that is sure of
        itself has gradients far below any fixed floor, and they still point somewhere.
        """
        gradient = self.mask(
            {
                name: tf.where(tf.math.is_finite(value), value, tf.zeros_like(value))
                for name, value in gradient.items()
            }
        )
        scaled = scale_to_unit_maximum(gradient)
        return norms.maximize_within_unit_norm(scaled, self.norm)


@dataclasses.dataclass(frozen=True)
class Best:
    """The point of highest loss so far, example by example; frozen at the first that fools."""

    x: Structure
    loss: tf.Tensor
    fooled: tf.Tensor

    @classmethod
    def at(cls, loss: Loss, x: Structure) -> Best:
        """Returns the start: the input itself."""
        return cls(x, *value_and_fooled(loss, x))

    def update(self, x: Structure, loss: tf.Tensor, fooled: tf.Tensor) -> Best:
        """Returns the better of this and another point, example by example."""
        better = ~self.fooled & (fooled | (loss > self.loss))
        return Best(
            {name: where_example(better, x[name], self.x[name]) for name in x},
            tf.where(better, loss, self.loss),
            self.fooled | fooled,
        )


def value_and_fooled(loss: Loss, x: Structure) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loss and which examples are fooled; none where the loss does not say."""
    result = loss(x)
    if isinstance(result, tuple):
        return result[0], result[1]
    return result, tf.zeros_like(result, tf.bool)


def value_and_gradient(loss: Loss, x: Structure) -> tuple[tf.Tensor, tf.Tensor, Structure]:
    """Returns the loss, which examples are fooled, and the gradient by `x`.

    Examples of a batch must not influence one another's loss: the gradient is that of the sum.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value, fooled = value_and_fooled(loss, x)
    gradient = tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return value, fooled, gradient


def scale_to_unit_maximum(x: Structure) -> Structure:
    """Divides each example by its largest magnitude over all features; zeros stay zeros."""
    largest = None
    for value in x.values():
        axes = tf.range(1, tf.rank(value))
        found = tf.reduce_max(tf.abs(value), axis=axes)
        largest = found if largest is None else tf.maximum(largest, found)
    return {
        name: tf.math.divide_no_nan(value, expand_like(largest, value)) for name, value in x.items()
    }


def where_example(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns rows of `x` where `condition` `[batch]` holds, else rows of `y`."""
    return tf.where(expand_like(condition, x), x, y)


def expand_like(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns `[batch]` values with trailing axes of 1, to broadcast against `[batch, ...]`."""
    trailing = tf.ones([tf.rank(like) - 1], tf.int32)
    return tf.reshape(values, tf.concat([tf.shape(values), trailing], axis=0))


def per_feature(setting: Any, x: Structure) -> dict[str, Any]:
    """Spells out a setting feature by feature: one value is meant for all of them."""
    if setting is None:
        return {}
    if isinstance(setting, Mapping):
        return {name: value for name, value in setting.items() if name in x and value is not None}
    return dict.fromkeys(x, setting)


def _clip(value: tf.Tensor, low: Any, high: Any) -> tf.Tensor:
    if low is not None:
        value = tf.maximum(value, to_dtype(low, value.dtype))
    if high is not None:
        value = tf.minimum(value, to_dtype(high, value.dtype))
    return value
