"""What attacks share that estimate the gradient from the loss at random points nearby."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import Attack, Best, Loss, some_stand, value_and_fooled
from nsl_tfx.configs import NormType
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import draws
from nsl_tfx.lib.casting import expand_like
from nsl_tfx.lib.perturbation import Structure, scale_to_unit_maximum


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProbingAttack(Attack, abc.ABC):
    """Climbs along `sum_i (loss(x + u_i) - loss(x - u_i)) * u_i` over random directions `u_i`.

    The lengths of probes and steps are shares of epsilon in the ball's norm, so that they mean the
    same in any units, for any number of elements, and in each norm. Probes may lie outside the ball
    and the box, and count for nothing else; the points after each step count.

    Attributes:
        steps: Steps of the climb.
        directions: Random directions of a step, each tried forth and back.
        probe: How far the loss is looked at on either side, as a share of epsilon.
        step_size: Length of a step, as a share of epsilon.
    """

    steps: int = bounded(100, ge=1, unit="steps")
    directions: int = bounded(64, ge=1, unit="random directions")
    probe: float = bounded(0.3, gt=0, unit="share of epsilon")
    step_size: float = bounded(0.3, ge=0, unit="share of epsilon")

    @property
    def queries(self) -> int:
        """At the input, and at all probes of each step and after it; see `Attack`."""
        return 1 + self.steps * (2 * self.directions + 1)

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the best point on the way; see `Attack`."""
        unit = self.even_direction(x)

        def step(i: tf.Tensor, current: Structure, memory: Any, *so_far: Any) -> tuple[Any, ...]:
            estimate = self._estimate(loss, current, unit, draws.fold_in(seed, i))
            # So that a step weighs in an average whether the model is sure there or not.
            memory = self.remember(scale_to_unit_maximum(estimate), memory)
            moved = self.move(i, x, current, memory)
            best = Best(*so_far).update(moved, *value_and_fooled(loss, moved))
            return i + 1, moved, memory, best.x, best.loss, best.fooled

        best = Best.at(loss, x)
        _, _, _, *so_far = tf.while_loop(
            some_stand,
            step,
            (tf.constant(0), x, self.start(x), best.x, best.loss, best.fooled),
            maximum_iterations=self.steps,
        )
        return Best(*so_far)

    @abc.abstractmethod
    def draw(self, x: Structure, seed: tf.Tensor) -> Structure:
        """Returns a random direction for each example, elements of about 1."""

    @abc.abstractmethod
    def start(self, x: Structure) -> Any:
        """Returns the memory before the first step."""

    @abc.abstractmethod
    def remember(self, estimate: Structure, memory: Any) -> Any:
        """Returns the new memory.

        Args:
            estimate: The gradient's, each example's largest element 1 in magnitude.
            memory: What the last step left.
        """

    @abc.abstractmethod
    def move(self, number: tf.Tensor, x: Structure, current: Structure, memory: Any) -> Structure:
        """Returns the next point, in ball and box, about `epsilon * step_size` away.

        Args:
            number: The step's, from 0.
            x: The middle of the ball.
            current: The point.
            memory: With the newest estimate in it.
        """

    def _estimate(self, loss: Loss, x: Structure, unit: Structure, seed: tf.Tensor) -> Structure:
        # One after the other: a model may take batches of one size only.
        def probe(i: tf.Tensor, total: Structure) -> tuple[Any, ...]:
            drawn = self.draw(x, draws.fold_in(seed, i))
            away = {name: self.epsilon * self.probe * unit[name] * drawn[name] for name in x}
            ahead, _ = value_and_fooled(loss, {name: x[name] + away[name] for name in x})
            behind, _ = value_and_fooled(loss, {name: x[name] - away[name] for name in x})
            rise = ahead - behind
            # What is not finite says nothing of the way.
            rise = tf.where(tf.math.is_finite(rise), rise, tf.zeros_like(rise))
            return i + 1, {
                name: total[name] + expand_like(tf.cast(rise, v.dtype), v) * v
                for name, v in drawn.items()
            }

        nothing = {name: tf.zeros_like(value) for name, value in x.items()}
        _, total = tf.while_loop(
            lambda *_: True, probe, (tf.constant(0), nothing), maximum_iterations=self.directions
        )
        return total

    def even_direction(self, x: Structure) -> Structure:
        """Returns the direction of norm 1 whose elements are all the same, times the mask."""
        elements = tf.add_n([tf.reduce_prod(tf.shape(value)[1:]) for value in x.values()])
        power = {NormType.INFINITY: 0.0, NormType.L2: 0.5, NormType.L1: 1.0}[self.norm]
        size = tf.cast(elements, tf.float64) ** -power
        return self.region.apply_mask(
            {name: tf.fill(tf.shape(v), tf.cast(size, v.dtype)) for name, v in x.items()}
        )
