"""How a value shrinks over the steps of training."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config, bounded


class DecayType(Choice):
    """How a value shrinks: `r` the rate, `t` the step divided by the number of decay steps.

    `EXPONENTIAL_DECAY` is `r ** t`, `INVERSE_TIME_DECAY` `1 / (1 + r * t)`, `NATURAL_EXP_DECAY`
    `exp(-r * t)`.
    """

    EXPONENTIAL_DECAY = "exponential_decay"
    INVERSE_TIME_DECAY = "inverse_time_decay"
    NATURAL_EXP_DECAY = "natural_exp_decay"


@dataclasses.dataclass(frozen=True, eq=False)
class DecayConfig(Config):
    """A value that shrinks over training.

    Attributes:
        decay_steps: The number of steps that one application of the rate takes.
        decay_rate: The rate.
        min_value: What the value never falls below.
        decay_type: The formula.
    """

    decay_steps: int = bounded(ge=1, unit="steps")
    decay_rate: float = bounded(0.96, ge=0, unit="per decay_steps")
    min_value: float = 0.0
    decay_type: DecayType = DecayType.EXPONENTIAL_DECAY
