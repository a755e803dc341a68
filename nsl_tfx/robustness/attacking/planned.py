"""Applying an attack to a classifier: to the label's loss, or to one target after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks import Attack, Loss, Structure
from nsl_tfx.attacks.attack import some_stand, where_example
from nsl_tfx.lib.draws import fold_in
from nsl_tfx.robustness.attacking.losses import without_label
from nsl_tfx.robustness.attacking.suite import PlannedAttack

Predict = Callable[[Structure], tf.Tensor]
"""From the attacked features, name to `[batch, ...]`, to logits `[batch, classes]`."""


def apply_attack(
    planned: PlannedAttack,
    predict: Predict,
    x: Structure,
    reach: Structure,
    labels: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[Structure, tf.Tensor]:
    """Attacks a classifier.

    Args:
        planned: The attack, and what it raises.
        predict: The model.
        x: The features to attack, name to `[batch, ...]`.
        reach: The radius along each element, by name.
        labels: `[batch]`; whatever else the model says counts as fooled.
        seed: Two integers, or two for each example, that fix every random draw.

    Returns:
        The attacked features, and whether the attack saw the model fooled, `[batch]`.
    """
    attack: Attack = planned.attack.replace(scale=reach)

    def loss_of(score: Callable[[tf.Tensor], tf.Tensor]) -> Loss:
        def loss(moved: Structure) -> tuple[tf.Tensor, tf.Tensor]:
            logits = predict(moved)
            return score(logits), tf.argmax(logits, axis=1) != labels

        return loss

    if planned.targeted_loss is None:
        best = attack.find(loss_of(lambda logits: planned.loss(logits, labels)), x, seed)
        return best.x, best.fooled
    targeted = planned.targeted_loss
    logits = predict(x)
    count = tf.minimum(planned.targets, tf.shape(logits)[1] - 1)
    likeliest = tf.math.top_k(without_label(logits, labels), count).indices
    targets = tf.cast(likeliest, labels.dtype)

    def attack_next(i: tf.Tensor, kept: Structure, fooled: tf.Tensor) -> tuple[Any, ...]:
        target = targets[:, i]
        best = attack.find(
            loss_of(lambda logits: targeted(logits, labels, target)), x, fold_in(seed, i)
        )
        found = {name: where_example(fooled, kept[name], best.x[name]) for name in x}
        return i + 1, found, fooled | best.fooled

    # A loop of the graph: each target written out would be traced anew.
    _, found, fooled = tf.while_loop(
        some_stand,
        attack_next,
        (tf.constant(0), x, tf.argmax(logits, axis=1) != labels),
        maximum_iterations=count,
    )
    return found, fooled
