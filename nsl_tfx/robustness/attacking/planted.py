"""Whether an attack finds an adversarial example that is known to be there.

Zimmermann et al. 2022, "Increasing confidence in adversarial robustness evaluations": around an
example, a new linear readout of the model is made that tells one point at the ball's edge from many
points further inside. That point is an adversarial example of the readout, so an attack that works
on this model has to find it, or another one.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from nsl_tfx.attacks import Attack, Structure
from nsl_tfx.attacks.units import Units
from nsl_tfx.configs import NormType
from nsl_tfx.lib import draws, norms
from nsl_tfx.lib.perturbation import Region

# Points inside the ball, and candidates at its edge.
_INSIDE, _EDGE = 64, 16
# How far inside, as a share of the radius: nearer the edge, few edge points would stand out.
_DEPTH = 0.5

NOT_MADE, MISSED, FOUND = -1, 0, 1


def search_planted(
    attack: Attack,
    predict: Callable[[Structure], tf.Tensor],
    x: Structure,
    reach: Structure,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Plants an adversarial example for each row and lets the attack search for it.

    Args:
        attack: The attack, in a ball of radius 1.
        predict: The model, from features to logits `[batch, classes]`.
        x: The features to attack, name to `[batch, ...]`.
        reach: The radius along each element, by name.
        seed: `[batch, 2]`.

    Returns:
        `[batch]`: `FOUND`, `MISSED`, or `NOT_MADE` where no edge point stood out from those inside.
    """
    units = Units.around(x, reach, attack.region)
    region = Region(radius=1.0, norm=attack.norm, low=units.low, high=units.high, mask=units.mask)
    inside = _predict_points(_INSIDE, predict, units, region, draws.fold_in(seed, 0), _at_depth)
    edge = _predict_points(_EDGE, predict, units, region, draws.fold_in(seed, 1), _at_edge)
    # The readout: along the line from the middle of those inside to an edge point.
    middle = tf.reduce_mean(inside, axis=0)
    weights = tf.math.l2_normalize(edge - middle, axis=-1)
    highest = tf.reduce_max(tf.einsum("ebc,ibc->eib", weights, inside), axis=1)
    planted = tf.einsum("ebc,ebc->eb", weights, edge)
    # The edge point that stands out the most.
    best = tf.argmax(planted - highest, axis=0, output_type=tf.int32)
    index = tf.stack([best, tf.range(tf.shape(best)[0])], axis=1)
    weight = tf.gather_nd(weights, index)
    top, value = tf.gather_nd(highest, index), tf.gather_nd(planted, index)
    stands_out = value > top
    threshold = (top + value) / 2

    def loss(moved: Structure) -> tuple[tf.Tensor, tf.Tensor]:
        score = tf.reduce_sum(weight * tf.cast(predict(moved), tf.float32), axis=1) - threshold
        return score, score > 0

    fooled = attack.replace(scale=reach).find(loss, x, draws.fold_in(seed, 2)).fooled
    found = tf.where(fooled, FOUND, MISSED)
    return tf.cast(tf.where(stands_out, found, NOT_MADE), tf.int8)


def _predict_points(
    count: int,
    predict: Callable[[Structure], tf.Tensor],
    units: Units,
    region: Region,
    seed: tf.Tensor,
    draw: Callable[[Structure, NormType, tf.Tensor], Structure],
) -> tf.Tensor:
    """Returns the logits at random points, `[count, batch, classes]`."""
    seeds = draws.split_seed(seed, count)
    middle = units.middle

    def at(own: tf.Tensor) -> tf.Tensor:
        delta = region.apply_mask(draw(middle, region.norm, own))
        return tf.cast(predict(units.point(region.place(middle, delta))), tf.float32)

    # One after the other: the model may take batches of one size only.
    return tf.map_fn(at, seeds, fn_output_signature=tf.float32)


def _at_depth(x: Structure, norm: NormType, seed: tf.Tensor) -> Structure:
    return dict(norms.random_in_norm_ball(x, _DEPTH, norm, seed))


def _at_edge(x: Structure, norm: NormType, seed: tf.Tensor) -> Structure:
    drawn = norms.random_in_norm_ball(x, 1.0, norm, seed)
    return dict(norms.maximize_within_unit_norm(drawn, norm, epsilon=1e-30))
