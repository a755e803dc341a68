"""What attacks share that climb from several starts."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import Attack, Best, Loss, improve_repeatedly
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib.draws import split_seed
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RestartedAttack(Attack, abc.ABC):
    """Starts at the input itself, then anew at random points of the ball.

    The point of highest loss over all steps of all starts is returned, or the first that fools,
    where the loss says so.

    Attributes:
        restarts: Random starts after the one at the input.
    """

    restarts: int = bounded(0, ge=0, unit="random starts")

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the best point over all starts; see `Attack`."""
        best = self.climb(loss, x, x, Best.at(loss, x))
        if self.restarts == 0:
            return best
        seeds = split_seed(seed, self.restarts)

        def restart(i: tf.Tensor, best: Best) -> Best:
            start = self.region.random_point(x, self.epsilon, seeds[i])
            return self.climb(loss, x, start, best)

        return improve_repeatedly(self.restarts, best, restart)

    @abc.abstractmethod
    def climb(self, loss: Loss, x: Structure, start: Structure, best: Best) -> Best:
        """Returns the better of the best point so far and what is found from a start.

        Args:
            loss: The loss to raise.
            x: The middle of the ball.
            start: Where to begin.
            best: The best point so far.
        """
