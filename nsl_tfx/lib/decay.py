"""A value that shrinks over the steps of training."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nsl_tfx.configs import DecayConfig, DecayType
from nsl_tfx.lib.casting import to_dtype


def decay_over_time(
    global_step: Any, decay_config: DecayConfig, init_value: Any = 1.0
) -> tf.Tensor:
    """Returns the value at a step.

    Args:
        global_step: The step, a number, tensor or variable.
        decay_config: The formula, its rate and its floor.
        init_value: The value at step 0, a number or tensor.

    Returns:
        A float32 scalar.

    Example:
        >>> config = DecayConfig(decay_steps=10, decay_rate=0.5)
        >>> float(decay_over_time(20, config))
        0.25
    """
    time = tf.cast(global_step, tf.float32) / decay_config.decay_steps
    rate = decay_config.decay_rate
    if decay_config.decay_type is DecayType.EXPONENTIAL_DECAY:
        factor = tf.pow(rate, time)
    elif decay_config.decay_type is DecayType.INVERSE_TIME_DECAY:
        factor = 1 / (1 + rate * time)
    else:
        factor = tf.exp(-rate * time)
    return tf.maximum(to_dtype(init_value, tf.float32) * factor, decay_config.min_value)
