"""What all attacks share: the ball and the box, and how the best point so far is kept."""

from __future__ import annotations

import abc
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.reach import Reach
from nsl_tfx.attacks.units import Units
from nsl_tfx.configs import NormType
from nsl_tfx.configs.arrays import check_numbers
from nsl_tfx.configs.base import Config, bounded
from nsl_tfx.lib.perturbation import Structure

Loss = Callable[[Structure], Any]
"""Gives a loss `[batch]` to be raised, or a pair of it and a boolean `[batch]`: fooled or not."""


@dataclasses.dataclass(frozen=True, eq=False)
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

    def update_where_fooled(self, x: Structure, loss: tf.Tensor, fooled: tf.Tensor) -> Best:
        """Returns the other point where it fools, however high the loss is elsewhere."""
        return self.update(x, tf.where(fooled, loss, self.loss), fooled)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Attack(Config, abc.ABC):
    """The threat model: what an attacker may do to an input.

    Attributes:
        epsilon: Radius of the ball around the input, in units of the input feature times `scale`.
        norm: The ball's norm, over all features of an example together.
        clip_value_min: Lower bound of a valid feature; a number or tensor, or a dict of them by
            feature name. Features without an entry are unbounded.
        clip_value_max: Upper bound, likewise.
        feature_mask: Multiplied with the gradient and with noise; 0 marks what never changes. A
            number or tensor, or a dict of them by feature name.
        scale: How much a change of 1 within the ball is, in units of the input feature: the ball
            reaches `epsilon * scale` along each element. In the forms of the mask; features without
            an entry, and all of them when None, have 1. Elements of scale 0 never change.

    Example:
        >>> from nsl_tfx.attacks import FGSM
        >>> x = {"age": tf.constant([[30.0]]), "height": tf.constant([[1.8]])}
        >>> attack = FGSM(epsilon=0.1, scale={"age": 10.0})
        >>> adversarial = attack(lambda x: x["age"][:, 0] + x["height"][:, 0], x)
        >>> [round(float(value[0, 0]), 6) for value in adversarial.values()]
        [31.0, 1.9]
    """

    epsilon: float = bounded(ge=0, unit="input units")
    norm: NormType = NormType.INFINITY
    clip_value_min: Any = None
    clip_value_max: Any = None
    feature_mask: Any = None
    scale: Any = None

    def check(self) -> None:
        """Raises ValueError where a scale is negative or not finite."""
        check_numbers(f"{type(self).__name__}.scale", self.scale, 0, sys.float_info.max)

    def __call__(self, loss: Loss, x: Structure, seed: Any = (0, 0)) -> Structure:
        """Returns the input, moved to where the loss is higher.

        Args:
            loss: The loss to raise. Where it also says which examples are fooled, an example stops
                moving at the first point that fools.
            x: Name to `[batch, ...]`.
            seed: Two integers that fix every random draw, or two for each example: what it then
                draws does not depend on the batch.

        Returns:
            The same structure. Every example lies in the ball, and in the box where `x` does, and
            its loss is at least the loss at `x`.
        """
        return self.find(loss, x, seed).x

    def find(self, loss: Loss, x: Structure, seed: Any = (0, 0)) -> Best:
        """Returns the same point with the loss there, and which examples fooled on the way."""
        if self.scale is None:
            return self.search(loss, x, seed)
        units = Units.around(x, self.scale, self.region)
        attack = dataclasses.replace(
            self,
            scale=None,
            clip_value_min=units.low,
            clip_value_max=units.high,
            feature_mask=units.mask,
        )
        best = attack.search(lambda moved: loss(units.point(moved)), units.middle, seed)
        return dataclasses.replace(best, x=units.point(best.x))

    @property
    @abc.abstractmethod
    def queries(self) -> int:
        """How often the loss is called, that at the input included; with its gradient, once."""

    @abc.abstractmethod
    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns what is found in a ball of radius `epsilon` in every direction; see `find`."""

    @property
    def region(self) -> Reach:
        """Where the attacked input may lie."""
        return Reach(
            radius=self.epsilon,
            norm=self.norm,
            low=self.clip_value_min,
            high=self.clip_value_max,
            mask=self.feature_mask,
        )


def improve_repeatedly(count: int, best: Best, improve: Callable[[tf.Tensor, Best], Best]) -> Best:
    """Returns the best point after so many tries.

    Args:
        count: How many.
        best: The best point before.
        improve: From the number of a try, from 0, and the best point so far to the better one.
    """

    def step(i: tf.Tensor, *so_far: Any) -> tuple[Any, ...]:
        better = improve(i, Best(*so_far))
        return i + 1, better.x, better.loss, better.fooled

    # A loop of the graph: each try written out would be traced anew.
    _, *found = tf.while_loop(
        some_stand,
        step,
        (tf.constant(0), best.x, best.loss, best.fooled),
        maximum_iterations=count,
    )
    return Best(*found)


def some_stand(*state: Any) -> tf.Tensor:
    """Whether to go on: what is fooled moves no more. The state's last tensor says what is."""
    return ~tf.reduce_all(state[-1])


def value_and_fooled(loss: Loss, x: Structure) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loss and which examples are fooled; none where the loss does not say."""
    result = loss(x)
    if isinstance(result, tuple):
        return result[0], result[1]
    return result, tf.zeros_like(result, tf.bool)


def value_and_decision(loss: Loss, x: Structure) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loss and which examples are fooled.

    Raises:
        TypeError: The loss does not say which.
    """
    result = loss(x)
    if not isinstance(result, tuple):
        raise TypeError(
            "Expected a loss that gives a pair of it and a boolean [batch], fooled or not: a "
            "decision-based attack goes by the latter alone. Received a loss that gives a "
            f"{type(result).__name__}; return (loss, fooled), or take an attack by scores, such "
            "as Square."
        )
    return result[0], result[1]


def value_and_gradient(loss: Loss, x: Structure) -> tuple[tf.Tensor, tf.Tensor, Structure]:
    """Returns the loss, which examples are fooled, and the gradient by `x`.

    Examples of a batch must not influence one another's loss: the gradient is that of the sum.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value, fooled = value_and_fooled(loss, x)
    gradient = tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return value, fooled, gradient


def where_example(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns rows of `x` where `condition` `[batch]` holds, else rows of `y`."""
    # Copies whole rows; tf.where would broadcast the condition and take twice as long.
    return tf.raw_ops.Select(condition=condition, x=x, y=y)
