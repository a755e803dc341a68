"""Projected gradient descent: small steps, kept inside the ball."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import (
    Attack,
    Best,
    Loss,
    value_and_fooled,
    value_and_gradient,
)
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import norms
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PGD(Attack):
    """Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", eq. 2.

    Starts at the input itself, then anew at random points of the ball. The point of highest loss
    over all steps of all starts is returned, or the first that fools, where the loss says so.

    Attributes:
        steps: Gradient steps of each start.
        step_size: Length of a step, in units of the input feature; `2.5 * epsilon / steps` when
            None, so that any point of the ball can be reached from any other.
        restarts: Random starts after the one at the input.

    Example:
        >>> attack = PGD(epsilon=0.1, steps=4)
        >>> adversarial = attack(lambda x: -x["a"][:, 0] ** 2, {"a": tf.constant([[0.05]])})
        >>> abs(float(adversarial["a"][0, 0])) < 0.05
        True
    """

    steps: int = bounded(40, ge=1, unit="gradient steps")
    step_size: float | None = bounded(None, ge=0, unit="input units")
    restarts: int = bounded(0, ge=0, unit="random starts")

    def __call__(self, loss: Loss, x: Structure, seed: Any = (0, 0)) -> Structure:
        """Returns the best point over all starts; see `Attack`."""
        best = self._climb(loss, x, x, Best.at(loss, x))
        if self.restarts == 0:
            return best.x
        key = tf.convert_to_tensor(seed, tf.int32)
        seeds = tf.random.split(key, self.restarts, norms.GENERATOR)

        def restart(i: tf.Tensor, *so_far: Any) -> tuple[Any, ...]:
            start = self.region.random_point(x, self.epsilon, seeds[i])
            better = self._climb(loss, x, start, Best(*so_far))
            return i + 1, better.x, better.loss, better.fooled

        # A loop of the graph: each start written out would be traced anew.
        _, found, _, _ = tf.while_loop(
            lambda *_: True,
            restart,
            (tf.constant(0), best.x, best.loss, best.fooled),
            maximum_iterations=self.restarts,
        )
        return found

    def _climb(self, loss: Loss, x: Structure, start: Structure, best: Best) -> Best:
        size = 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size

        def look(current: Structure, *so_far: Any) -> tuple[Any, ...]:
            value, fooled, gradient = value_and_gradient(loss, current)
            better = Best(*so_far).update(current, value, fooled)
            return gradient, better.x, better.loss, better.fooled

        final, *so_far = self.region.ascend(
            x, start, size, self.steps, look, (best.x, best.loss, best.fooled)
        )
        return Best(*so_far).update(final, *value_and_fooled(loss, final))
