"""The momentum iterative method: steps along an average of the gradients so far."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import (
    Attack,
    Best,
    Loss,
    some_stand,
    value_and_fooled,
    value_and_gradient,
)
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib.casting import expand_like
from nsl_tfx.lib.perturbation import Structure, scale_to_unit_maximum


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MIM(Attack):
    """Dong et al. 2018, "Boosting adversarial attacks with momentum", algorithm 1.

    Its points fool other models more often than those of PGD, since an average of directions fits
    less to this one model's folds.

    Attributes:
        steps: Gradient steps.
        step_size: Length of a step, in units of the input feature; `epsilon / steps` when None.
        decay: What is kept of the average from step to step.

    Example:
        >>> attack = MIM(epsilon=0.1, steps=5)
        >>> adversarial = attack(lambda x: 3 * x["a"][:, 0], {"a": tf.constant([[1.0]])})
        >>> round(float(adversarial["a"][0, 0]), 6)
        1.1
    """

    steps: int = bounded(10, ge=1, unit="gradient steps")
    step_size: float | None = bounded(None, ge=0, unit="input units")
    decay: float = bounded(1.0, ge=0)

    @property
    def queries(self) -> int:
        """At the input, and at every point on the way; see `Attack`."""
        return 1 + self.steps + 1

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the best point on the way; see `Attack`."""
        del seed  # Nothing here is random.
        size = self.epsilon / self.steps if self.step_size is None else self.step_size
        start = Best.at(loss, x)

        def look(current: Structure, average: Structure, *so_far: Any) -> tuple[Any, ...]:
            value, fooled, gradient = value_and_gradient(loss, current)
            unit = _with_sum_1(gradient)
            average = {name: self.decay * average[name] + unit[name] for name in unit}
            better = Best(*so_far).update(current, value, fooled)
            return average, average, better.x, better.loss, better.fooled

        nothing = {name: tf.zeros_like(value) for name, value in x.items()}
        state = (nothing, start.x, start.loss, start.fooled)
        final, _, *so_far = self.region.ascend(x, x, size, self.steps, look, state, some_stand)
        return Best(*so_far).update(final, *value_and_fooled(loss, final))


def _with_sum_1(gradient: Structure) -> Structure:
    """Divides each example's gradient by the sum of its magnitudes; what is not finite is 0."""
    finite = {
        name: tf.where(tf.math.is_finite(value), value, tf.zeros_like(value))
        for name, value in gradient.items()
    }
    # By the largest first, so that the sum neither overflows nor vanishes.
    scaled = scale_to_unit_maximum(finite)
    total = tf.add_n(
        [
            tf.reduce_sum(tf.abs(value), axis=tf.range(1, tf.rank(value)))
            for value in scaled.values()
        ]
    )
    return {
        name: tf.math.divide_no_nan(value, expand_like(total, value))
        for name, value in scaled.items()
    }
