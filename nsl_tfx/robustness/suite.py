"""From the config's names to attacks, and to what they raise."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.attacks import APGD, FGSM, MIM, PGD, Attack, Noise, Square
from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.robustness.losses import (
    LossOfLogits,
    TargetedLossOfLogits,
    cross_entropy,
    difference_of_logits,
    difference_of_logits_ratio,
    targeted_difference_of_logits_ratio,
)
from nsl_tfx.robustness.threat import Threat

GRADIENT_FREE = frozenset({AttackName.NOISE, AttackName.SQUARE})
"""The attacks that work on a model without gradients."""

CHEAP = frozenset({AttackName.NOISE, AttackName.FGSM, AttackName.PGD})
"""The attacks that are told every example; the others get what withstands all before them."""

_THREAT = ("epsilon", "norm", "clip_value_min", "clip_value_max", "feature_mask", "scale")


@dataclasses.dataclass(frozen=True)
class PlannedAttack:
    """An attack on a classifier.

    Attributes:
        attack: How it searches, in a ball of radius 1.
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
        """All that decides about what is found, but for the threat, as plain JSON values."""
        own = {k: v for k, v in self.attack.to_dict().items() if k not in _THREAT}
        loss: Any = self.loss if self.targeted_loss is None else self.targeted_loss
        found = {**own, "loss": loss.__name__}
        return found if self.targeted_loss is None else {**found, "targets": self.targets}

    def queries(self, classes: int) -> int:
        """Returns how often it asks a model of so many classes about one example, at most."""
        if self.targeted_loss is None:
            return self.attack.queries
        # Once for the likeliest targets, and once about what was found for each.
        return 1 + min(self.targets, classes - 1) * self.attack.queries


def make_attack(name: AttackName, config: RobustnessConfig) -> PlannedAttack:
    """Returns the named attack.

    Example:
        >>> config = RobustnessConfig(
        ...     features=("a",), label_feature="y", epsilon=0.1, attacks="fast"
        ... )
        >>> make_attack(AttackName.PGD, config).attack.restarts
        1
        >>> make_attack(AttackName.APGD_DLR, config).settings["loss"]
        'difference_of_logits_ratio'
    """
    budget = config.attack_budget
    threat = Threat.of(config).settings
    if name is AttackName.NOISE:
        return PlannedAttack(Noise(draws=budget.noise_draws, **threat))
    if name is AttackName.SQUARE:
        return PlannedAttack(Square(queries=budget.square_queries, **threat), difference_of_logits)
    if name is AttackName.FGSM:
        return PlannedAttack(FGSM(**threat))
    steps: dict[str, Any] = {"steps": budget.steps, "step_size": budget.relative_step_size}
    if name is AttackName.MIM:
        return PlannedAttack(MIM(**steps, **threat))
    if name is AttackName.PGD:
        return PlannedAttack(PGD(restarts=budget.restarts, **steps, **threat))
    apgd = APGD(steps=budget.apgd_steps, restarts=budget.apgd_restarts, **threat)
    if name is AttackName.APGD_CE:
        return PlannedAttack(apgd)
    if name is AttackName.APGD_DLR:
        return PlannedAttack(apgd, difference_of_logits_ratio)
    return PlannedAttack(
        apgd,
        targeted_loss=targeted_difference_of_logits_ratio,
        targets=budget.apgd_targets,
    )
