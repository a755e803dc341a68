"""From the config's names to attacks, and to what they raise."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.attacks import (
    APGD,
    FGSM,
    MIM,
    NES,
    PGD,
    SPSA,
    Attack,
    HopSkipJump,
    Noise,
    RayS,
    Square,
)
from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.robustness.attacking.losses import (
    LossOfLogits,
    TargetedLossOfLogits,
    cross_entropy,
    difference_of_logits,
    difference_of_logits_ratio,
    targeted_difference_of_logits_ratio,
)
from nsl_tfx.robustness.attacking.threat import Threat

GRADIENT_FREE = frozenset(
    {
        AttackName.NOISE,
        AttackName.SQUARE,
        AttackName.SPSA,
        AttackName.NES,
        AttackName.RAYS,
        AttackName.HOP_SKIP_JUMP,
    }
)
"""The attacks that work on a model without gradients."""

CHEAP = frozenset({AttackName.NOISE, AttackName.FGSM, AttackName.PGD})
"""The attacks that are told every example; the others get what withstands all before them."""

# Searches by scores take the margin, whose slope does not vanish where a model is sure.
_MARGIN = {"loss": difference_of_logits}

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
    steps = {"steps": budget.steps, "step_size": budget.relative_step_size}
    apgd = {"steps": budget.apgd_steps, "restarts": budget.apgd_restarts}
    # What each is, its own settings, and what it raises.
    kinds: dict[AttackName, tuple[type[Attack], dict[str, Any], dict[str, Any]]] = {
        AttackName.NOISE: (Noise, {"draws": budget.noise_draws, "inside": 0.5}, {}),
        AttackName.FGSM: (FGSM, {}, {}),
        AttackName.PGD: (PGD, {"restarts": budget.restarts, **steps}, {}),
        AttackName.MIM: (MIM, steps, {}),
        AttackName.APGD_CE: (APGD, apgd, {}),
        AttackName.APGD_DLR: (APGD, apgd, {"loss": difference_of_logits_ratio}),
        AttackName.APGD_T: (
            APGD,
            apgd,
            {
                "targeted_loss": targeted_difference_of_logits_ratio,
                "targets": budget.apgd_targets,
            },
        ),
        AttackName.SQUARE: (Square, {"queries": budget.square_queries}, _MARGIN),
        AttackName.SPSA: (SPSA, {"steps": budget.spsa_steps}, _MARGIN),
        AttackName.NES: (NES, {"steps": budget.nes_steps}, _MARGIN),
        AttackName.RAYS: (RayS, {"queries": budget.rays_queries}, _MARGIN),
        AttackName.HOP_SKIP_JUMP: (HopSkipJump, {"walks": budget.hop_skip_jump_walks}, _MARGIN),
    }
    kind, settings, raised = kinds[name]
    return PlannedAttack(kind(**settings, **Threat.of(config).settings), **raised)


def most_queries(config: RobustnessConfig, classes: int) -> int:
    """Returns how often all attacks, at all epsilons, ask about one example at most.

    Example:
        >>> config = RobustnessConfig(
        ...     features=("a",), label_feature="y", epsilon=0.1, attacks=("fgsm",), curve=(0.2,)
        ... )
        >>> most_queries(config, 10)
        4
    """
    planned = [make_attack(name, config) for name in config.attack_names]
    return len(config.epsilons) * sum(attack.queries(classes) for attack in planned)
