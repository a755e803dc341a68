"""What the attacker may do, for a person to read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nsl_tfx.configs import NormType, RobustnessConfig

_NORMS = {NormType.INFINITY: "L∞", NormType.L2: "L2", NormType.L1: "L1"}
# What a sentence and a table can hold; the config has them all.
_MOST_NAMES = 8
_MOST_ROWS = 20


@dataclasses.dataclass(frozen=True)
class FeatureThreat:
    """What may become of one feature, each as text: how far it may move, and its bounds."""

    feature: str
    reach: str
    low: str
    high: str


@dataclasses.dataclass(frozen=True)
class ThreatText:
    """The threat model in words.

    Attributes:
        sentence: What holds for all features.
        features: What differs between them; empty where nothing does.
        left_out: How many features there are beyond those.
    """

    sentence: str
    features: tuple[FeatureThreat, ...] = ()
    left_out: int = 0


def describe_threat(config: RobustnessConfig) -> ThreatText:
    """Returns what an attacker may do, in a sentence, and in a table where features differ.

    Example:
        >>> config = RobustnessConfig(
        ...     features=("a",), label_feature="y", epsilon=0.1, clip_value_max=9.0
        ... )
        >>> print(describe_threat(config).sentence)
        The attacker may change a by at most 0.1 in the L∞ norm, in units of the input, not above 9.
    """
    names = _join(config.features)
    norm, epsilon = _NORMS[config.norm], f"{config.epsilon:g}"
    scale, low, high = config.feature_scale, config.clip_value_min, config.clip_value_max
    if all(value is None or isinstance(value, (int, float)) for value in (scale, low, high)):
        reach = f"{config.epsilon * (1 if scale is None else scale):g}"
        return ThreatText(
            f"The attacker may change {names} by at most {reach} in the {norm} norm, in units of "
            f"the input{_within(low, high)}."
        )
    together = (
        ""
        if config.norm is NormType.INFINITY
        else f" Together, each change divided by its feature's reach, they are at most 1 in the "
        f"{norm} norm."
    )
    shown = config.features[:_MOST_ROWS]
    return ThreatText(
        f"The attacker may change {names}, each as far as the table says, in units of the input: "
        f"its reach is epsilon {epsilon} times its scale.{together}",
        tuple(
            FeatureThreat(
                name,
                _range(config.of_feature(scale, name), 1.0, config.epsilon),
                _range(config.of_feature(low, name), None),
                _range(config.of_feature(high, name), None),
            )
            for name in shown
        ),
        len(config.features) - len(shown),
    )


def _join(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= _MOST_NAMES + 1 else names[:_MOST_NAMES]
    more = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _within(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f", not below {low:g}"
    return f", not above {high:g}" if low is None else f", within {low:g} to {high:g}"


def _range(setting: Any, default: float | None, factor: float = 1.0) -> str:
    """Returns a number, or of different numbers by element the smallest and the largest."""
    if setting is None and default is None:
        return "none"
    values = factor * np.asarray(default if setting is None else setting, np.float64)
    least, most = f"{values.min():g}", f"{values.max():g}"
    return least if least == most else f"{least} to {most}, by element"
