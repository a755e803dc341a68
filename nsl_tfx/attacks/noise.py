"""Random noise: the attack that every other one has to beat."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import Attack, Best, Loss, improve_repeatedly, value_and_fooled
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import norms
from nsl_tfx.lib.draws import split_seed
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Noise(Attack):
    """Draws points of the ball and keeps the worst.

    Attributes:
        draws: Number of points.
        inside: Share of them that is drawn evenly from the ball. The others come first and are its
            extreme points (the corners of a cube, the surface of a sphere, the tips of a cross),
            much the stronger.
    """

    draws: int = bounded(20, ge=1, unit="random points")
    inside: float = bounded(0.0, ge=0, le=1, unit="share of the draws")

    @property
    def queries(self) -> int:
        """At the input and at each draw; see `Attack`."""
        return 1 + self.draws

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the worst point of all draws; see `Attack`."""
        seeds = split_seed(seed, self.draws)
        extreme = self.draws - round(self.inside * self.draws)

        def move_out(delta: Structure) -> Structure:
            unit = norms.maximize_within_unit_norm(delta, self.norm, epsilon=1e-30)
            return {name: self.epsilon * value for name, value in unit.items()}

        def draw(i: tf.Tensor, best: Best) -> Best:
            drawn = norms.random_in_norm_ball(x, self.epsilon, self.norm, seeds[i])
            delta = tf.cond(i < extreme, lambda: move_out(drawn), lambda: drawn)
            point = self.region.place(x, self.region.apply_mask(delta))
            return best.update(point, *value_and_fooled(loss, point))

        return improve_repeatedly(self.draws, Best.at(loss, x), draw)
