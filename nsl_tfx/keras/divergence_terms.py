"""Terms that ask for steady predictions nearby, and take no labels.

Each is a replica's share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import TradesRegConfig, VirtualAdvRegConfig
from nsl_tfx.keras.replica_share import replica_share
from nsl_tfx.lib import virtual_adv_regularizer
from nsl_tfx.lib.distances import total_distance
from nsl_tfx.lib.features import Features
from nsl_tfx.lib.norms import random_normal
from nsl_tfx.lib.perturbation import Region, Structure

# The standard deviation of the noise that TRADES starts from, in units of the input feature.
_TRADES_NOISE = 0.001

Forward = Callable[[Any], Any]
"""From features, in the container that the model takes, to its outputs in training."""


def virtual_adversarial_term(
    config: VirtualAdvRegConfig,
    forward: Forward,
    features: Features,
    predictions: Any,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns how far the prediction moves in the direction where it moves the most.

    Miyato et al. 2018, "Virtual adversarial training", eq. 8. As there, the pass leaves no trace in
    batch normalization's moving averages.

    Args:
        config: The direction and the distance.
        forward: The model in training.
        features: The clean input.
        predictions: The clean predictions.
        seed: Fixes the direction to begin with, `[2]`.
    """

    def traceless(inputs: Any) -> Any:
        # A scope for each call: one around all of them would keep what is made inside a loop.
        with keras.StatelessScope():
            return forward(inputs)

    distance = virtual_adv_regularizer(
        features.replace(features.dense),
        traceless,
        config.virtual_adv_config,
        predictions,
        seed,
    )
    return replica_share(distance, config.virtual_adv_config.distance_config.reduction)


def trades_term(
    config: TradesRegConfig,
    forward: Forward,
    features: Features,
    predictions: Any,
    tape: tf.GradientTape,
    scale: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns the divergence of the attacked prediction from the clean one.

    Zhang et al. 2019, "Theoretically principled trade-off between robustness and accuracy",
    algorithm 1. The weights learn from both sides.

    Args:
        config: The attack and the divergence.
        forward: The model in training.
        features: The clean input.
        predictions: The clean predictions, on the tape.
        tape: Records the pass over the attacked input; not the attack.
        scale: Enlarges a loss so that its gradient does not vanish in half precision.
        seed: Fixes where the attack starts, `[2]`.
    """
    with tape.stop_recording():
        attacked = _trades_attack(config, forward, features, predictions, scale, seed)
    moved = forward(features.replace(attacked))
    distance = total_distance(predictions, moved, config.distance_config)
    return replica_share(distance, config.distance_config.reduction)


def _trades_attack(
    config: TradesRegConfig,
    forward: Forward,
    features: Features,
    predictions: Any,
    scale: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
) -> Structure:
    attack = config.adv_neighbor_config
    region = Region.of(attack, features.named)
    x = features.dense

    def gradient_at(current: Structure) -> tuple[Structure]:
        with keras.StatelessScope(), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(current)
            moved = forward(features.replace(current))
            divergence = scale(total_distance(predictions, moved, config.distance_config))
        zero = tf.UnconnectedGradients.ZERO
        return (tape.gradient(divergence, current, unconnected_gradients=zero),)

    if attack.random_init:
        start = region.random_point(x, attack.pgd_epsilon, seed)
    else:
        noise = {name: _TRADES_NOISE * value for name, value in random_normal(x, seed).items()}
        start = region.place(x, region.apply_mask(noise))
    (attacked,) = region.ascend(x, start, attack.adv_step_size, attack.pgd_iterations, gradient_at)
    return {name: tf.stop_gradient(value) for name, value in attacked.items()}
