"""From the config's names to attacks, and to what they raise."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.attacks import APGD, FGSM, MIM, PGD, Attack, Noise, Square
from nsl_tfx.configs import AttackName, NormType, RobustnessConfig
from nsl_tfx.robustness.losses import (
    LossOfLogits,
    TargetedLossOfLogits,
    cross_entropy,
    difference_of_logits,
    difference_of_logits_ratio,
    targeted_difference_of_logits_ratio,
)

GRADIENT_FREE = frozenset({AttackName.NOISE, AttackName.SQUARE})
"""The attacks that work on a model without gradients."""


@dataclasses.dataclass(frozen=True)
class PlannedAttack:
    """An attack on a classifier.

    Attributes:
        attack: How it searches.
        loss: What it raises.
        targeted_loss: What it raises for one target after the other, instead.
        targets: How many targets: the classes that come next in the unchanged example's logits.
    """

    attack: Attack
    loss: LossOfLogits = cross_entropy
    targeted_loss: TargetedLossOfLogits | None = None
    targets: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides about what is found, as plain JSON values."""
        loss: Any = self.loss if self.targeted_loss is None else self.targeted_loss
        found = {**self.attack.to_dict(), "loss": loss.__name__}
        return found if self.targeted_loss is None else {**found, "targets": self.targets}


def make_attack(name: AttackName, config: RobustnessConfig, epsilon: float) -> PlannedAttack:
    """Returns the named attack within `epsilon`.

    Example:
        >>> config = RobustnessConfig(features=("a",), label_feature="y", epsilon=0.1, steps=7)
        >>> make_attack(AttackName.PGD, config, 0.2).attack.steps
        7
        >>> make_attack(AttackName.APGD_DLR, config, 0.2).settings["loss"]
        'difference_of_logits_ratio'
    """
    threat: dict[str, Any] = {
        "epsilon": epsilon,
        "norm": config.norm,
        "clip_value_min": config.clip_value_min,
        "clip_value_max": config.clip_value_max,
    }
    if name is AttackName.NOISE:
        return PlannedAttack(Noise(draws=config.noise_draws, **threat))
    if name is AttackName.SQUARE:
        return PlannedAttack(Square(queries=config.square_queries, **threat), difference_of_logits)
    if name is AttackName.FGSM:
        return PlannedAttack(FGSM(**threat))
    if name is AttackName.MIM:
        return PlannedAttack(MIM(steps=config.steps, step_size=config.step_size, **threat))
    if name is AttackName.PGD:
        steps: dict[str, Any] = {"steps": config.steps, "step_size": config.step_size}
        return PlannedAttack(PGD(restarts=config.restarts, **steps, **threat))
    apgd = APGD(steps=config.apgd_steps, restarts=config.apgd_restarts, **threat)
    if name is AttackName.APGD_CE:
        return PlannedAttack(apgd)
    if name is AttackName.APGD_DLR:
        return PlannedAttack(apgd, difference_of_logits_ratio)
    return PlannedAttack(
        apgd,
        targeted_loss=targeted_difference_of_logits_ratio,
        targets=config.apgd_targets,
    )


def make_full_range_attack(config: RobustnessConfig, low: float, high: float) -> PlannedAttack:
    """Returns an attack that may move every element anywhere between two values.

    Always in the infinity norm, whose ball then is the box itself.
    """
    return PlannedAttack(
        PGD(
            epsilon=high - low,
            norm=NormType.INFINITY,
            clip_value_min=low,
            clip_value_max=high,
            steps=config.steps,
        )
    )
