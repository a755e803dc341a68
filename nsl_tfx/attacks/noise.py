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
        boundary: Whether to draw from the ball's extreme points (the corners of a cube, the surface
            of a sphere, the tips of a cross) rather than from its inside. Much the stronger.
    """

    draws: int = bounded(20, ge=1, unit="random points")
    boundary: bool = True

    @property
    def queries(self) -> int:
        """At the input and at each draw; see `Attack`."""
        return 1 + self.draws

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the worst point of all draws; see `Attack`."""
        seeds = split_seed(seed, self.draws)

        def draw(i: tf.Tensor, best: Best) -> Best:
            delta = norms.random_in_norm_ball(x, self.epsilon, self.norm, seeds[i])
            if self.boundary:
                unit = norms.maximize_within_unit_norm(delta, self.norm, epsilon=1e-30)
                delta = {name: self.epsilon * value for name, value in unit.items()}
            point = self.region.place(x, self.region.apply_mask(delta))
            return best.update(point, *value_and_fooled(loss, point))

        return improve_repeatedly(self.draws, Best.at(loss, x), draw)
