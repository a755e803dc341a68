"""Projected gradient descent: small steps, kept inside the ball."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.attacks.attack import Best, Loss, some_stand, value_and_fooled, value_and_gradient
from nsl_tfx.attacks.restarts import RestartedAttack
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PGD(RestartedAttack):
    """Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", eq. 2.

    In the L1 norm, steps go towards points that ball and box have in common; see `Reach`.

    Attributes:
        steps: Gradient steps of each start.
        step_size: Length of a step, in units of the input feature; `2.5 * epsilon / steps` when
            None, so that any point of the ball can be reached from any other.

    Example:
        >>> import tensorflow as tf
        >>> attack = PGD(epsilon=0.1, steps=4)
        >>> adversarial = attack(lambda x: -x["a"][:, 0] ** 2, {"a": tf.constant([[0.05]])})
        >>> abs(float(adversarial["a"][0, 0])) < 0.05
        True
    """

    steps: int = bounded(40, ge=1, unit="gradient steps")
    step_size: float | None = bounded(None, ge=0, unit="input units")

    @property
    def queries(self) -> int:
        """At the input, and from each start at every point on the way; see `Attack`."""
        return 1 + (self.restarts + 1) * (self.steps + 1)

    def climb(self, loss: Loss, x: Structure, start: Structure, best: Best) -> Best:
        """Takes the steps from a start; see `RestartedAttack`."""
        size = 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size

        def look(current: Structure, *so_far: Any) -> tuple[Any, ...]:
            value, fooled, gradient = value_and_gradient(loss, current)
            better = Best(*so_far).update(current, value, fooled)
            return gradient, better.x, better.loss, better.fooled

        final, *so_far = self.region.ascend(
            x, start, size, self.steps, look, (best.x, best.loss, best.fooled), some_stand
        )
        return Best(*so_far).update(final, *value_and_fooled(loss, final))
