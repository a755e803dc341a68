"""A Keras model whose training adds a graph term and an adversarial term to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.attacks.attack import value_and_gradient
from nsl_tfx.configs import (
    NUM_NEIGHBORS_FEATURE,
    AdvNeighborConfig,
    AdvRegConfig,
    GraphRegConfig,
)
from nsl_tfx.keras.base_call import call_by_name
from nsl_tfx.lib import pairwise_distance_wrapper, strip_neighbor_features, unpack_neighbor_features
from nsl_tfx.lib.casting import expand_like
from nsl_tfx.lib.perturbation import Region, Structure

Features = dict[str, tf.Tensor]


class RegularizedModel(keras.Model):
    """Wraps a model; trains it with structure, leaves its predictions as they are.

    The loss of a step is

        loss(x) + graph.multiplier * distance(f(x), f(neighbors of x))
                + adversarial.multiplier * loss(x + perturbation)

    (Bui et al. 2018, "Neural graph learning", eq. 3; Goodfellow et al. 2015, "Explaining and
    harnessing adversarial examples", section 6). Neighbors are read from the features that
    `GraphNeighborConfig` names; the perturbation raises the first term alone. An example of sample
    weight 0 takes part in the graph term only, so unlabelled examples are given that weight and
    any valid label.

    Train it with `fit` on a dataset of `(features, label)` or `(features, label, sample_weight)`;
    serve `base_model`.

    Args:
        base_model: The model to train, from features `[batch, ...]` by name to one prediction
            `[batch, ...]`.
        graph: Graph regularization; off when None.
        adversarial: Adversarial regularization; off when None.

    Raises:
        ValueError: `graph` asks for no neighbors.

    Example:
        >>> from nsl_tfx.configs import make_adv_reg_config
        >>> base = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)])
        >>> model = RegularizedModel(base, adversarial=make_adv_reg_config(adv_step_size=0.1))
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> history = model.fit({"x": tf.ones([8, 4])}, tf.zeros([8]), verbose=0)
        >>> sorted(history.history)
        ['loss', 'scaled_adversarial_loss']
    """

    def __init__(
        self,
        base_model: keras.Model,
        graph: GraphRegConfig | None = None,
        adversarial: AdvRegConfig | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if graph is not None:
            graph.require_neighbors()
        self.base_model = base_model
        self.graph = graph
        self.adversarial = adversarial
        self._term_trackers = [
            keras.metrics.Mean(name=f"scaled_{term}_loss")
            for term, config in (("graph", graph), ("adversarial", adversarial))
            if config is not None
        ]

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the base model's prediction; neighbors' features are ignored.

        Args:
            inputs: Feature name to `[batch, ...]`; or a lone tensor, where the base model has one
                input and there is no graph term.
            training: Keras's training flag.
        """
        return call_by_name(self.base_model, self._own_features(inputs), training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Makes one step of gradient descent on the regularized loss.

        The clean pass and the adversarial pass are differentiated one after the other rather than
        through each other: the perturbation is a constant to the weights, and the backward pass of
        the clean loss yields the input's gradient on its way.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        own = self._own_features(x)
        attackable = {name: value for name, value in own.items() if value.dtype.is_floating}
        terms: dict[str, tf.Tensor] = {}
        with tf.GradientTape(persistent=True) as tape:
            if self.adversarial is not None:
                tape.watch(attackable)
            predictions, graph_loss = self._forward(x, own)
            label_loss, own_losses = self._label_and_own_loss(own, y, predictions, sample_weight)
            clean = loss = label_loss + own_losses
            if graph_loss is not None:
                terms["graph"] = graph_loss
                clean += graph_loss
            scaled = self.optimizer.scale_loss(clean)
        # Only now: the first pass of a subclassed model makes its weights.
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, variables)
        if self.adversarial is not None:
            # A feature that the model does not use has no gradient, and stays as it is.
            input_gradient = tape.gradient(
                label_loss, attackable, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            adversarial, adversarial_gradients = self._adversarial_pass(
                self.adversarial, own, attackable, input_gradient, y, sample_weight
            )
            terms["adversarial"] = adversarial
            gradients = [_add(a, b) for a, b in zip(gradients, adversarial_gradients, strict=True)]
        del tape
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._record(x, y, predictions, sample_weight, loss, terms)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates the base model's loss and metrics; the added terms are training's alone."""
        results = super().test_step(data)
        terms = {tracker.name for tracker in self._term_trackers}
        return {name: value for name, value in results.items() if name not in terms}

    def _own_features(self, x: Any) -> Features:
        if not isinstance(x, Mapping):
            # A lone tensor needs no name: the model's one input takes it.
            return {"features": tf.convert_to_tensor(x)}
        features = {name: tf.convert_to_tensor(value) for name, value in x.items()}
        if self.graph is None:
            return features
        features.pop(NUM_NEIGHBORS_FEATURE, None)
        return strip_neighbor_features(features, self.graph.neighbor_config)

    def _label_and_own_loss(
        self, own: Features, y: Any, predictions: Any, sample_weight: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the loss by the labels, and the sum of the base model's own (weight decay)."""
        total = self.compute_loss(own, y, predictions, sample_weight, training=True)
        own_losses = [tf.cast(tf.reduce_sum(loss), total.dtype) for loss in self.losses]
        added = tf.add_n(own_losses) if own_losses else tf.zeros_like(total)
        return total - added, added

    def _forward(self, x: Features, own: Features) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the predictions and the scaled graph loss, from one pass over all rows."""
        if self.graph is None:
            return call_by_name(self.base_model, own, training=True), None
        config = self.graph.neighbor_config
        named = {name: value for name, value in x.items() if name != NUM_NEIGHBORS_FEATURE}
        _, neighbors, weights = unpack_neighbor_features({**named, **own}, config)
        # A missing neighbor's place is taken by the example itself: no row of zeros then reaches
        # what a model learns from its batches, such as batch normalization's mean.
        present = tf.reshape(weights, [-1]) != 0
        neighbors = {
            name: tf.where(
                expand_like(present, value),
                value,
                tf.repeat(own[name], config.max_neighbors, axis=0),
            )
            for name, value in neighbors.items()
        }
        together = {name: tf.concat([own[name], neighbors[name]], axis=0) for name in own}
        outputs = call_by_name(self.base_model, together, training=True)
        rows = tf.shape(next(iter(own.values())))[0]
        predictions = outputs[:rows]
        sources = tf.repeat(predictions, config.max_neighbors, axis=0)
        distance = pairwise_distance_wrapper(
            sources, outputs[rows:], weights, self.graph.distance_config
        )
        return predictions, self.graph.multiplier * distance

    def _adversarial_pass(
        self,
        config: AdvRegConfig,
        own: Features,
        x: Structure,
        gradient: Structure,
        y: Any,
        sample_weight: Any,
    ) -> tuple[tf.Tensor, list[Any]]:
        """Returns the scaled loss on perturbed features, and its gradients by the weights."""

        def loss(perturbed: Structure) -> tf.Tensor:
            predictions = call_by_name(self.base_model, {**own, **perturbed}, training=True)
            return self._label_and_own_loss(own, y, predictions, sample_weight)[0]

        perturbed = perturb(config.adv_neighbor_config, loss, x, gradient)
        with tf.GradientTape() as tape:
            value = config.multiplier * loss(perturbed)
            scaled = self.optimizer.scale_loss(value)
        return value, tape.gradient(scaled, self.trainable_variables)

    def _record(
        self,
        x: Any,
        y: Any,
        predictions: tf.Tensor,
        sample_weight: Any,
        loss: tf.Tensor,
        terms: dict[str, tf.Tensor],
    ) -> dict[str, Any]:
        rows = tf.shape(tf.nest.flatten(x)[0])[0]
        values = {f"scaled_{name}_loss": value for name, value in terms.items()}
        values["loss"] = tf.add_n([loss, *terms.values()])
        for metric in self.metrics:
            if metric.name in values:
                metric.update_state(values[metric.name], sample_weight=rows)
        return self.compute_metrics(x, y, predictions, sample_weight)


def perturb(config: AdvNeighborConfig, loss: Any, x: Structure, gradient: Structure) -> Structure:
    """Finds adversarial neighbors of a training batch.

    Args:
        config: Step size, norm, ball, box and mask.
        loss: From features to the scalar loss to raise.
        x: The features that may change, name to `[batch, ...]`.
        gradient: The loss's gradient at `x`: the first step costs nothing.

    Returns:
        The features after the last step, as constants.
    """
    region = Region.of(config)
    size = config.adv_step_size
    if config.random_init:
        radius = size if config.pgd_epsilon is None else config.pgd_epsilon
        current = region.random_point(x, radius)
        steps_left = config.pgd_iterations
    else:
        current = region.step(x, x, gradient, size)
        steps_left = config.pgd_iterations - 1
    for _ in range(steps_left):
        _, _, gradient = value_and_gradient(loss, current)
        current = region.step(x, current, gradient, size)
    return {name: tf.stop_gradient(value) for name, value in current.items()}


def _add(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return tf.convert_to_tensor(a) + tf.convert_to_tensor(b)
