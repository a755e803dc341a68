"""The attack that a training is validated under."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.configs.base import Config, bounded
from nsl_tfx.configs.norm import NormType


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ValidationAttackConfig(Config):
    """Projected gradient descent from the input (Madry et al. 2018, eq. 2).

    A few steps tell epochs and settings apart; what a model withstands is RobustnessEvaluator's to
    say.

    Attributes:
        epsilon: Radius of the ball around the input, in units of the input feature.
        norm: The ball's norm, over all features of an example together.
        steps: Gradient steps.
        step_size: Length of a step, in units of the input feature; `2.5 * epsilon / steps` when
            None.
        clip_value_min: Lower bound of a valid feature; a number, or a dict of them by feature name.
        clip_value_max: Upper bound, likewise.
        feature_mask: 0 for what never changes, 1 for the rest; as in `AdvNeighborConfig`.
    """

    epsilon: float = bounded(gt=0, unit="input units")
    norm: NormType = NormType.INFINITY
    steps: int = bounded(10, ge=1, unit="gradient steps")
    step_size: float | None = bounded(None, gt=0, unit="input units")
    clip_value_min: Any = None
    clip_value_max: Any = None
    feature_mask: Any = None
