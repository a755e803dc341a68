"""NES: gradients from Gaussian directions, averaged from step to step."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.probing import ProbingAttack
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import norms
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NES(ProbingAttack):
    """Ilyas et al. 2018, "Black-box adversarial attacks with limited queries and information".

    Natural evolution strategies with antithetic Gaussian directions (algorithm 1 of the paper), and
    steps along an average of the estimates, of its sign in the infinity norm. The defaults are the
    paper's as shares of its epsilon of 0.05: probes of 0.001, steps of 0.01, 50 points a step.

    Attributes:
        decay: What is kept of the average from step to step.

    Example:
        >>> attack = NES(epsilon=0.1, steps=10, directions=8)
        >>> adversarial = attack(lambda x: 3 * x["a"][:, 0], {"a": tf.constant([[1.0]])})
        >>> round(float(adversarial["a"][0, 0]), 6)
        1.1
    """

    directions: int = bounded(25, ge=1, unit="random directions")
    probe: float = bounded(0.02, gt=0, unit="share of epsilon")
    step_size: float = bounded(0.2, ge=0, unit="share of epsilon")
    decay: float = bounded(0.9, ge=0, lt=1)

    def draw(self, x: Structure, seed: tf.Tensor) -> Structure:
        """Returns a normally distributed direction; see `ProbingAttack`."""
        return norms.random_normal(x, seed)

    def start(self, x: Structure) -> Any:
        """Returns an average of nothing; see `ProbingAttack`."""
        return {name: tf.zeros_like(value) for name, value in x.items()}

    def remember(self, estimate: Structure, memory: Any) -> Any:
        """Returns the average; see `ProbingAttack`."""
        # An average whose length does not count needs no correction.
        return {k: self.decay * memory[k] + (1 - self.decay) * v for k, v in estimate.items()}

    def move(self, number: tf.Tensor, x: Structure, current: Structure, memory: Any) -> Structure:
        """Takes the steepest step along the average; see `ProbingAttack`."""
        del number
        return self.region.step(x, current, memory, self.epsilon * self.step_size)
