"""Tests of the attacks themselves, on a few examples: do they find what must be there?"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import PGD, Structure
from nsl_tfx.configs import AttackName, NormType, RobustnessConfig
from nsl_tfx.robustness.attacking.planted import NOT_MADE, search_planted
from nsl_tfx.robustness.attacking.runner import Runner
from nsl_tfx.robustness.attacking.suite import PlannedAttack, make_attack
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples

FULL_RANGE, MORE_STEPS, PLANTED = "full_range", "more_steps", "planted"

# From the one whose convergence tells the most.
_ITERATIVE = (
    AttackName.PGD,
    AttackName.APGD_T,
    AttackName.APGD_DLR,
    AttackName.APGD_CE,
    AttackName.MIM,
)


def main_attack(config: RobustnessConfig) -> AttackName | None:
    """Returns the iterative gradient attack that the others are measured by, if there is one."""
    return next((name for name in _ITERATIVE if name in config.attack_names), None)


class Probes:
    """The tests for one model.

    Args:
        runner: Calls the model.
        config: The evaluation.
        box: Lower and upper end of the values of each attacked feature.
    """

    def __init__(
        self, runner: Runner, config: RobustnessConfig, box: tuple[Arrays, Arrays]
    ) -> None:
        self._runner, self._config = runner, config
        self._low, self._high = box

    def full_range(self, examples: Examples) -> NDArray[np.int8]:
        """Returns whether an attack that may change everything misleads the model, `[examples]`."""
        width = {name: self._high[name] - low for name, low in self._low.items()}
        threat = Threat(NormType.INFINITY, width, self._low, self._high)
        planned = PlannedAttack(PGD(steps=self._config.attack_budget.steps, **threat.settings))
        found = self._runner.attack(planned, examples, 1.0, (self._config.seed, 1000), threat)
        return found.fooled.astype(np.int8)

    def more_steps(self, examples: Examples) -> NDArray[np.int8]:
        """Returns whether twice the steps, from twice the starts, mislead it after all."""
        name = main_attack(self._config)
        if name is None:
            return np.full(len(examples), NOT_MADE, np.int8)
        budget = self._config.attack_budget
        doubled = budget.replace(
            steps=2 * budget.steps,
            restarts=2 * budget.restarts + 1,
            apgd_steps=2 * budget.apgd_steps,
            apgd_restarts=2 * budget.apgd_restarts + 1,
        )
        planned = make_attack(name, self._config.replace(budget=doubled))
        seed = (self._config.seed, 1001)
        found = self._runner.attack(planned, examples, self._config.epsilon, seed)
        return found.fooled.astype(np.int8)

    def planted(self, examples: Examples) -> NDArray[np.int8]:
        """Returns whether a planted adversarial example is found; see `search_planted`."""
        name = main_attack(self._config)
        if name is None:
            return np.full(len(examples), NOT_MADE, np.int8)
        attack = make_attack(name, self._config).attack
        threat = Threat.of(self._config)

        def search(x: Structure, still: Any, labels: Any, seed: Any, epsilon: Any) -> tf.Tensor:
            del labels  # The readout has classes of its own.
            reach = threat.reach(x, epsilon)
            return search_planted(attack, self._runner.model(still), x, reach, seed)

        seed = (self._config.seed, 1002)
        found = self._runner.search(PLANTED, search, examples, self._config.epsilon, seed)
        return np.asarray(found)
