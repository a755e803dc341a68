"""From the config's names to attacks."""

from __future__ import annotations

from typing import Any

from nsl_tfx.attacks import FGSM, PGD, Attack, Noise
from nsl_tfx.configs import AttackName, NormType, RobustnessConfig

GRADIENT_FREE = frozenset({AttackName.NOISE})
"""The attacks that work on a model without gradients."""


def make_attack(name: AttackName, config: RobustnessConfig, epsilon: float) -> Attack:
    """Returns the named attack within `epsilon`.

    Example:
        >>> config = RobustnessConfig(features=("a",), label_feature="y", epsilon=0.1, steps=7)
        >>> make_attack(AttackName.PGD, config, 0.2).steps
        7
    """
    threat: dict[str, Any] = {
        "epsilon": epsilon,
        "norm": config.norm,
        "clip_value_min": config.clip_value_min,
        "clip_value_max": config.clip_value_max,
    }
    if name is AttackName.NOISE:
        return Noise(draws=config.noise_draws, **threat)
    if name is AttackName.FGSM:
        return FGSM(**threat)
    return PGD(steps=config.steps, step_size=config.step_size, restarts=config.restarts, **threat)


def make_full_range_attack(config: RobustnessConfig, low: float, high: float) -> Attack:
    """Returns an attack that may move every element anywhere between two values.

    Always in the infinity norm, whose ball then is the box itself.
    """
    return PGD(
        epsilon=high - low,
        norm=NormType.INFINITY,
        clip_value_min=low,
        clip_value_max=high,
        steps=config.steps,
    )
