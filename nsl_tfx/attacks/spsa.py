"""SPSA: gradients from random signs, climbed with Adam."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.probing import ProbingAttack
from nsl_tfx.lib import draws
from nsl_tfx.lib.perturbation import Structure

# Adam's (Kingma and Ba 2015).
_KEPT, _KEPT_SQUARES = 0.9, 0.999


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SPSA(ProbingAttack):
    """Uesato et al. 2018, "Adversarial risk and the dangers of evaluating against weak attacks".

    Spall's simultaneous perturbation by random signs (algorithm 1 of the paper), followed by Adam.
    The defaults are the paper's, probes and steps of 0.01, as shares of its epsilon of 8/255.

    Example:
        >>> attack = SPSA(epsilon=0.1, steps=10, directions=8)
        >>> adversarial = attack(lambda x: 3 * x["a"][:, 0], {"a": tf.constant([[1.0]])})
        >>> round(float(adversarial["a"][0, 0]), 6)
        1.1
    """

    def draw(self, x: Structure, seed: tf.Tensor) -> Structure:
        """Returns random signs; see `ProbingAttack`."""
        seeds = draws.split_seed(seed, len(x))
        return {
            name: tf.where(draws.uniform(v, seeds[i]) < 0.5, tf.ones_like(v), -tf.ones_like(v))
            for i, (name, v) in enumerate(x.items())
        }

    def start(self, x: Structure) -> Any:
        """Returns averages of nothing; see `ProbingAttack`."""
        nothing = {name: tf.zeros_like(value) for name, value in x.items()}
        return nothing, nothing

    def remember(self, estimate: Structure, memory: Any) -> Any:
        """Returns the averages; see `ProbingAttack`."""
        mean, square = memory
        return (
            {k: _KEPT * mean[k] + (1 - _KEPT) * v for k, v in estimate.items()},
            {
                k: _KEPT_SQUARES * square[k] + (1 - _KEPT_SQUARES) * v**2
                for k, v in estimate.items()
            },
        )

    def move(self, number: tf.Tensor, x: Structure, current: Structure, memory: Any) -> Structure:
        """Takes Adam's step; see `ProbingAttack`."""
        mean, square = memory
        count = tf.cast(number + 1, tf.float64)
        whole = (1 - _KEPT_SQUARES**count) ** 0.5 / (1 - _KEPT**count)
        unit = self.even_direction(mean)
        size = self.epsilon * self.step_size
        delta = {
            k: current[k] - x[k] + size * unit[k] * tf.cast(whole, v.dtype) * _ratio(v, square[k])
            for k, v in mean.items()
        }
        return self.region.place(x, delta)


def _ratio(mean: tf.Tensor, square: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(mean, tf.sqrt(square))
