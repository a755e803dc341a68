"""The fast gradient method: one step of the full radius."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.attacks.attack import (
    Attack,
    Best,
    Loss,
    value_and_fooled,
    value_and_gradient,
)
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FGSM(Attack):
    """Goodfellow et al. 2015, "Explaining and harnessing adversarial examples", section 4.

    For the infinity norm `x + epsilon * sign(gradient)`; for L2 the steepest step; for L1 to the
    point of ball and box that is the highest on a linear loss, see `Reach`.

    Example:
        >>> import tensorflow as tf
        >>> attack = FGSM(epsilon=0.1)
        >>> adversarial = attack(lambda x: 3 * x["a"][:, 0], {"a": tf.constant([[1.0]])})
        >>> round(float(adversarial["a"][0, 0]), 6)
        1.1
    """

    @property
    def queries(self) -> int:
        """At the input and at the point after the step; see `Attack`."""
        return 2

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the input after one step; see `Attack`."""
        del seed  # Nothing here is random.
        value, fooled, gradient = value_and_gradient(loss, x)
        moved = self.region.step(x, x, gradient, self.epsilon)
        return Best(x, value, fooled).update(moved, *value_and_fooled(loss, moved))
