"""Regularization terms for training loops of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import DistanceType, VirtualAdvConfig
from nsl_tfx.lib.distances import total_distance
from nsl_tfx.lib.features import Features
from nsl_tfx.lib.norms import normalize, random_normal
from nsl_tfx.lib.perturbation import Region, Structure, scale_to_unit_maximum


def adv_regularizer(
    adv_neighbors: Any,
    target_scores: tf.Tensor,
    model_fn: Callable[..., Any],
    loss_fn: Callable[[Any, Any], tf.Tensor],
) -> tf.Tensor:
    """Returns the loss on adversarial neighbors.

    Args:
        adv_neighbors: Features, from `gen_adv_neighbor`.
        target_scores: What the neighbors' predictions are compared with: the examples' labels.
        model_fn: Called as `model_fn(adv_neighbors, is_train=False tensor, reuse=True)`.
        loss_fn: From targets and predictions to a loss.
    """
    scores = model_fn(adv_neighbors, is_train=tf.constant(False), reuse=True)
    return loss_fn(target_scores, scores)


def virtual_adv_regularizer(
    input_layer: Any,
    embedding_fn: Callable[[Any], Any],
    virtual_adv_config: VirtualAdvConfig,
    embedding: Any = None,
    seed: Any = None,
) -> tf.Tensor:
    """Returns how far the prediction moves in the direction where it moves the most.

    Miyato et al. 2018, "Virtual adversarial training: a regularization method for supervised and
    semi-supervised learning", eq. 5 and algorithm 1. No labels enter.

    The paper approximates the most sensitive direction by power iteration on the distance's second
    derivative, with a difference quotient over `approx_difference`; in float32 what is left of that
    quotient is mostly rounding error. Here the product with the second derivative is computed as
    such: forward through the model for how the prediction moves, then backward. The config's
    `approx_difference` is thus taken at its limit, zero.

    Args:
        input_layer: A tensor `[batch, ...]`, or a flat dict or list of them. Floating dense tensors
            are perturbed.
        embedding_fn: From features to the prediction or embedding whose movement is measured; of
            several, the distances are added up.
        virtual_adv_config: Step, norm and mask; the distance; number of power iterations.
        embedding: `embedding_fn(input_layer)`, where it is at hand.
        seed: Two integers that fix the direction to begin with. Random when None.

    Returns:
        The distance, reduced as the config says; gradients flow into the second of the two
        embeddings alone.
    """
    config = virtual_adv_config
    features = Features.of(input_layer)
    x = features.dense
    if not x:
        raise ValueError(
            "Expected at least one floating dense feature to perturb in input_layer. Received: "
            f"{', '.join(map(str, features.other)) or 'none'}."
        )
    region = Region(
        norm=config.adv_neighbor_config.adv_grad_norm,
        mask=features.named(config.adv_neighbor_config.feature_mask),
    )

    def embed(dense: Structure) -> Any:
        return embedding_fn(features.replace(dense))

    anchor = tf.nest.map_structure(tf.stop_gradient, embed(x) if embedding is None else embedding)

    def distance(moved: Any) -> tf.Tensor:
        return total_distance(anchor, moved, config.distance_config)

    direction = random_normal(x, seed)

    def sharpen(direction: Structure) -> tuple[Structure]:
        sensitivity = _curvature_product(
            embed,
            distance,
            anchor,
            x,
            _unit(region, direction),
            config.distance_config.distance_type,
        )
        return ({name: tf.stop_gradient(value) for name, value in sensitivity.items()},)

    # A loop of the graph: each iteration written out would be traced anew.
    (direction,) = (
        sharpen(direction)
        if config.num_approx_steps == 1
        else tf.while_loop(
            lambda _: True, sharpen, (direction,), maximum_iterations=config.num_approx_steps
        )
    )
    direction = _unit(region, direction)
    size = config.adv_neighbor_config.adv_step_size
    return distance(embed({name: x[name] + size * direction[name] for name in x}))


def _unit(region: Region, direction: Structure) -> Structure:
    """Masks a direction and gives each feature of each example norm 1."""
    scaled = scale_to_unit_maximum(region.apply_mask(direction))
    return {name: normalize(value, region.norm) for name, value in scaled.items()}


def _curvature_product(
    embed: Callable[[Structure], Any],
    distance: Callable[[Any], tf.Tensor],
    anchor: Any,
    x: Structure,
    direction: Structure,
    distance_type: DistanceType,
) -> Structure:
    """Returns the second derivative of `distance(embed(x + r))` at `r = 0`, times a direction.

    There the distance's first derivative is zero, so only `J^T H J` is left of the chain rule, with
    the Jacobian `J` of the embedding and the second derivative `H` of the distance by it.
    """
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(x)
        embedding = embed(x)
    # The product with J is the derivative of the one with J^T, which is linear. Differentiating
    # forward would be more direct, but TensorFlow cannot do that through a recurrent layer's loop.
    point = tf.nest.map_structure(tf.zeros_like, embedding)
    with tf.GradientTape(watch_accessed_variables=False) as linear:
        linear.watch(point)
        product = tape.gradient(embedding, x, output_gradients=point, unconnected_gradients=zero)
    movement = linear.gradient(
        product, point, output_gradients=direction, unconnected_gradients=zero
    )
    if distance_type is DistanceType.L1:
        # It has a kink where others have a curvature: its slope there is the movement's sign.
        pull = tf.nest.map_structure(tf.sign, movement)
    else:
        point = tf.nest.map_structure(tf.identity, anchor)
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(point)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(point)
                value = distance(point)
            slopes = tf.nest.flatten(inner.gradient(value, point))
            along = tf.add_n(
                [
                    tf.reduce_sum(slope * step)
                    for slope, step in zip(slopes, tf.nest.flatten(movement), strict=True)
                ]
            )
        pull = outer.gradient(along, point, unconnected_gradients=zero)
    # Only the direction is asked for, example by example. A model that is sure of itself has hardly
    # any curvature, and half precision would lose it on the way back.
    flat = scale_to_unit_maximum(dict(enumerate(tf.nest.flatten(pull))))
    pull = tf.nest.pack_sequence_as(pull, list(flat.values()))
    return dict(tape.gradient(embedding, x, output_gradients=pull, unconnected_gradients=zero))
