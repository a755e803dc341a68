"""A Keras model whose training adds terms of structure to the loss."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from absl import logging

from nsl_tfx.configs import (
    AdvNeighborConfig,
    AdvRegConfig,
    GraphRegConfig,
    TradesRegConfig,
    VirtualAdvRegConfig,
)
from nsl_tfx.configs.base import Config
from nsl_tfx.keras import checks
from nsl_tfx.keras.base_call import call_base
from nsl_tfx.keras.divergence_terms import trades_term, virtual_adversarial_term
from nsl_tfx.keras.graph_term import Embedding, GraphTerm
from nsl_tfx.keras.model_wrapper import ModelWrapper
from nsl_tfx.keras.replica_share import count_replicas
from nsl_tfx.keras.term_strength import TermStrength
from nsl_tfx.lib.adversarial_neighbor import climb
from nsl_tfx.lib.draws import fold_in, split_seed
from nsl_tfx.lib.features import Features, batch_size
from nsl_tfx.lib.perturbation import Region, Structure

TERMS = ("graph", "adversarial", "virtual_adversarial", "trades")
"""Names of the terms, as arguments and in the logs."""


@keras.saving.register_keras_serializable(package="nsl_tfx")
class RegularizedModel(ModelWrapper):
    """Wraps a model; trains it with structure, leaves its predictions as they are.

    The loss of a step is the sum of the base model's own and of those terms that are asked for:

        loss(f(x), y)
        + graph.multiplier * distance(f(x), f(neighbors of x))
        + adversarial.multiplier * loss(f(x + perturbation), y)
        + virtual_adversarial.multiplier * distance(f(x), f(x + perturbation))
        + trades.multiplier * divergence(f(x), f(x + perturbation))

    In their order: Bui et al. 2018, "Neural graph learning", eq. 3; Goodfellow et al. 2015,
    "Explaining and harnessing adversarial examples", section 6, and Madry et al. 2018, "Towards
    deep learning models resistant to adversarial attacks"; Miyato et al. 2018, "Virtual adversarial
    training"; Zhang et al. 2019, "Theoretically principled trade-off between robustness and
    accuracy". The adversarial perturbation raises the loss by the labels alone. Passes that search
    for a perturbation leave no trace in the model, such as moving averages.

    An example of sample weight 0 takes part in the terms without labels only, so unlabelled
    examples are given that weight and any valid label: then the graph term learns from edges
    between labelled and unlabelled, and between two unlabelled examples too.

    Train it with `fit` on `(features, label)` or `(features, label, sample_weight)`; serve
    `base_model`, which is also what `save` writes. `keras.saving.save_model(model, path)` writes
    the whole wrapper. `evaluate` gives the base model's loss and metrics: the terms are training's.

    Args:
        base_model: The model to train, from features `[batch, ...]`, by name or not, to one or
            several outputs `[batch, ...]`. The graph term needs features by name.
        graph: Graph regularization; off when None.
        adversarial: Adversarial regularization; off when None.
        virtual_adversarial: Virtual adversarial regularization; off when None.
        trades: TRADES; off when None.
        embedding: What the graph term compares: the outputs when None; the output of the layer of
            this name; or what a function `features -> [batch, ...]` makes of the features, as a
            method of the model. Such a function is called with `training=True` if it takes that.
        neighbor_features: The features that neighbors have. Of the others, a neighbor is given
            those of its example. All when None.
        neighbor_perturbation: How the graph term moves each neighbor first, to where it is further
            from its example (in the sense of Feng et al. 2019, "Graph adversarial training"); not
            at all when None.

    Raises:
        TypeError: An argument is of another type.
        ValueError: `graph` asks for no neighbors, or `embedding` names no layer.

    Example:
        >>> from nsl_tfx.configs import make_adv_reg_config
        >>> base = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)])
        >>> model = RegularizedModel(base, adversarial=make_adv_reg_config(adv_step_size=0.1))
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> history = model.fit({"x": tf.ones([8, 4])}, tf.zeros([8]), verbose=0)
        >>> sorted(history.history)
        ['label_loss', 'loss', 'scaled_adversarial_loss']
    """

    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {
        "graph": GraphRegConfig,
        "adversarial": AdvRegConfig,
        "virtual_adversarial": VirtualAdvRegConfig,
        "trades": TradesRegConfig,
        "neighbor_perturbation": AdvNeighborConfig,
    }
    _PLAIN_ARGUMENTS: ClassVar[tuple[str, ...]] = ("embedding", "neighbor_features")
    _NEEDS_NEIGHBORS: ClassVar[bool] = True
    # Whether the logs hold the loss by the labels beside the terms, as NSL's wrappers' do not.
    _LOGS_LABEL_LOSS: ClassVar[bool] = True

    def __init__(
        self,
        base_model: keras.Model,
        graph: GraphRegConfig | None = None,
        adversarial: AdvRegConfig | None = None,
        virtual_adversarial: VirtualAdvRegConfig | None = None,
        trades: TradesRegConfig | None = None,
        *,
        embedding: Embedding = None,
        neighbor_features: Sequence[str] | None = None,
        neighbor_perturbation: AdvNeighborConfig | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(base_model, **kwargs)
        checks.check_config("graph", graph, GraphRegConfig)
        checks.check_config("adversarial", adversarial, AdvRegConfig)
        checks.check_config("virtual_adversarial", virtual_adversarial, VirtualAdvRegConfig)
        checks.check_config("trades", trades, TradesRegConfig)
        checks.check_config("neighbor_perturbation", neighbor_perturbation, AdvNeighborConfig)
        checks.check_names("neighbor_features", neighbor_features)
        if graph is None and (embedding or neighbor_features or neighbor_perturbation):
            raise ValueError(
                "Expected graph, a GraphRegConfig, with embedding, neighbor_features and "
                "neighbor_perturbation, which are settings of its term. Received: graph=None."
            )
        self.graph = graph
        self.adversarial = adversarial
        self.virtual_adversarial = virtual_adversarial
        self.trades = trades
        self.embedding = embedding
        self.neighbor_features = None if neighbor_features is None else tuple(neighbor_features)
        self.neighbor_perturbation = neighbor_perturbation
        self._graph_term = None
        if graph is not None:
            if self._NEEDS_NEIGHBORS:
                graph.require_neighbors()
            self._graph_term = GraphTerm(
                base_model, graph, embedding, self.neighbor_features, neighbor_perturbation
            )
        self._strengths = {
            name: TermStrength(config.multiplier) for name, config in self._term_configs().items()
        }
        if graph is not None and graph.neighbor_config.max_neighbors == 0:
            self._strengths["graph"] = TermStrength(0.0)
        self._term_trackers = [
            keras.metrics.Mean(name=f"scaled_{name}_loss") for name in self._strengths
        ]
        if self._LOGS_LABEL_LOSS and self._strengths:
            self._term_trackers.append(keras.metrics.Mean(name="label_loss"))
        # From the seed that Keras sets for all.
        self._noise_seed = random.randrange(2**31)
        self.built = bool(base_model.built)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same wrapper of, which draws the same."""
        return {**super().get_config(), "noise_seed": self._noise_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a wrapper from what `get_config` returned."""
        arguments = dict(config)
        noise_seed = arguments.pop("noise_seed", None)
        model = super().from_config(arguments, custom_objects)
        if noise_seed is not None:
            model._noise_seed = noise_seed
        return model

    def _term_configs(self) -> dict[str, Any]:
        configs = {name: getattr(self, name) for name in TERMS}
        return {name: config for name, config in configs.items() if config is not None}

    @property
    def _fixed_features(self) -> frozenset[str]:
        """Features that are never perturbed."""
        return frozenset()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms that are asked for, such as "adversarial"."""
        return tuple(self._strengths)

    def set_strength(self, strength: float, terms: tuple[str, ...] | None = None) -> None:
        """Scales terms from the next step on, on top of their configs' multipliers.

        Args:
            strength: 0 for off, which costs nothing; 1 for the multiplier itself.
            terms: Names of terms; all when None.

        Raises:
            ValueError: `strength` is negative, or there is no such term.
        """
        checks.check_strength(strength, terms, self.terms)
        turned = [self._strengths[name].set(strength) for name in terms or self.terms]
        if any(turned) and self.train_function is not None:
            self.make_train_function(force=True)

    def call(self, inputs: Any, training: bool = False, **kwargs: Any) -> Any:
        """Returns the base model's predictions; neighbors' features are ignored.

        Args:
            inputs: Feature name to `[batch, ...]`, or what else the base model takes.
            training: Keras's training flag.
            kwargs: Passed on to the base model.
        """
        return call_base(self.base_model, self._own_inputs(inputs), training, **kwargs)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Makes one step of gradient descent on the regularized loss.

        The clean pass and the adversarial pass are differentiated one after the other rather than
        through each other: the perturbation is a constant to the weights, and the backward pass of
        the clean loss yields the input's gradient on its way.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        own = self._own_inputs(x)
        if not self.base_model.built:
            # The searches below cannot make weights.
            call_base(self.base_model, own)
        self.built = True
        on = {name for name, strength in self._strengths.items() if strength.on}
        features = self._movable(own, on)
        seeds = self._seeds_of_step()
        terms: dict[str, tf.Tensor] = {}
        with tf.GradientTape(persistent=True) as tape:
            if "adversarial" in on:
                tape.watch(features.dense)
                own = features.replace(features.dense)
            if "graph" in on:
                assert self._graph_term is not None
                checks.check_named(x)
                predictions, terms["graph"] = self._graph_term.forward(
                    x,
                    own,
                    tape,
                    self.optimizer.scale_loss,
                    seeds["graph"],
                    static_shapes=bool(self.jit_compile),
                )
            else:
                predictions = self._forward(own)
            # Now, since each further call of the base model puts its own losses in these' place.
            label_loss, own_losses = self._loss_parts(x, y, predictions, sample_weight)
            only_labels = not self.losses and on == {"adversarial"}
            if "virtual_adversarial" in on:
                assert self.virtual_adversarial is not None
                terms["virtual_adversarial"] = virtual_adversarial_term(
                    self.virtual_adversarial,
                    self._forward,
                    features,
                    predictions,
                    seeds["virtual_adversarial"],
                )
            if "trades" in on:
                assert self.trades is not None
                terms["trades"] = trades_term(
                    self.trades,
                    self._forward,
                    features,
                    predictions,
                    tape,
                    self.optimizer.scale_loss,
                    seeds["trades"],
                )
            # Replicas' gradients are added up: each gives its share.
            terms = {
                name: self._strengths[name].times(tf.cast(term, label_loss.dtype))
                for name, term in terms.items()
            }
            added = tf.add_n([own_losses, *terms.values()])
            scaled = [self.optimizer.scale_loss(loss) for loss in (label_loss, added)]
        # Only now: the first pass of a subclassed model makes its weights.
        variables = self.trainable_variables
        if "adversarial" in on:
            gradients, slope = _by_weights_and_inputs(
                tape, scaled, variables, features.dense, only_labels
            )
            terms["adversarial"], more = self._adversarial_pass(
                features, slope, x, y, sample_weight, seeds["adversarial"]
            )
            gradients = [_add(a, b) for a, b in zip(gradients, more, strict=True)]
        else:
            gradients = tape.gradient(scaled, variables)
        del tape
        if variables:
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        else:
            logging.warning("Nothing is trained: no weight of the model is trainable.")
        return self._record(x, y, predictions, sample_weight, label_loss, own_losses, terms)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates the base model's loss and metrics; the added terms are training's alone."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        predictions = self._forward(self._own_inputs(x), training=False)
        losses = self._loss_parts(x, y, predictions, sample_weight, training=False)
        results = self._record(x, y, predictions, sample_weight, *losses, {})
        terms = {tracker.name for tracker in self._term_trackers}
        return {name: value for name, value in results.items() if name not in terms}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the loss by the labels plus the base model's own losses, such as weight decay.

        Raises:
            ValueError: There are no labels, or the weights do not fit.
        """
        checks.check_labels(y, y_pred, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def _own_inputs(self, x: Any) -> Any:
        """Returns what the base model takes."""
        if self._graph_term is None or not isinstance(x, Mapping):
            return x
        return self._graph_term.own_features(x)

    def _forward(self, inputs: Any, training: bool = True) -> Any:
        return call_base(self.base_model, inputs, training)

    def _seeds_of_step(self) -> dict[str, tf.Tensor]:
        """Returns a seed `[2]` for what each term draws, others in each step and on each replica.

        The step's number decides: a training that goes on from a backup draws what it would have
        drawn.
        """
        step = tf.cast(self.optimizer.iterations, tf.int32)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = fold_in(tf.stack([self._noise_seed, step]), replica)
        return dict(zip(TERMS, tf.unstack(split_seed(key, len(TERMS))), strict=True))

    def _movable(self, own: Any, on: set[str]) -> Features:
        """Takes the input apart into what may be perturbed and what may not."""
        attacks = {
            name: getattr(config, "virtual_adv_config", config).adv_neighbor_config
            for name, config in self._term_configs().items()
            if name in on - {"graph"}
        }
        if not attacks:
            return Features({}, {}, dict)
        features = Features.of(own).hold(self._fixed_features)
        checks.check_movable(features, attacks)
        return features

    def _loss_parts(
        self, x: Any, y: Any, predictions: Any, sample_weight: Any, training: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the loss by the labels, and the sum of the base model's own (weight decay).

        Each is a replica's share, as Keras divides it.
        """
        # The sum of an empty batch's, which has no mean, is 0.
        total = tf.reduce_sum(self.compute_loss(x, y, predictions, sample_weight, training))
        if not self.losses:
            return total, tf.zeros_like(total)
        label_loss = self._label_loss(x, y, predictions, sample_weight)
        return label_loss, total - label_loss

    def _label_loss(self, x: Any, y: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
        """Returns the loss by the labels, unseen by the trackers of single outputs' losses."""
        y, sample_weight = self._labels(x, y, sample_weight, predictions)
        with keras.StatelessScope():
            return tf.reduce_sum(self._compile_loss(y, predictions, sample_weight))

    def _labels(self, x: Any, y: Any, sample_weight: Any, predictions: Any) -> tuple[Any, Any]:
        """Returns labels and weights as Keras takes them."""
        del x, predictions
        return y, sample_weight

    def _adversarial_pass(
        self,
        features: Features,
        slope: Structure,
        x: Any,
        y: Any,
        sample_weight: Any,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, list[Any]]:
        """Returns the scaled loss on perturbed features, and its gradients by the weights."""
        assert self.adversarial is not None
        config = self.adversarial.adv_neighbor_config
        perturbed = self._perturb(config, features, slope, x, y, sample_weight, seed)
        with tf.GradientTape() as tape:
            predictions = self._forward(features.replace(perturbed))
            loss = self._strengths["adversarial"].times(
                self._label_loss(x, y, predictions, sample_weight)
            )
            scaled = self.optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, self.trainable_variables)

    def _perturb(
        self,
        config: AdvNeighborConfig,
        features: Features,
        slope: Structure,
        x: Any,
        y: Any,
        sample_weight: Any,
        seed: Any = None,
        training: bool = True,
    ) -> Structure:
        """Returns the movable features after the attack.

        Args:
            config: The attack.
            features: The input.
            slope: The label loss's gradient there: the first step costs nothing.
            x: The input with all that came with it, as `compute_loss` takes it.
            y: The labels.
            sample_weight: Weights of the examples.
            seed: Fixes a random start, `[2]`; random when None.
            training: Keras's training flag.
        """

        def gradient_at(current: Structure) -> Structure:
            # What a search leaves behind in the model, such as moving averages, is dropped.
            with keras.StatelessScope(), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(current)
                predictions = self._forward(features.replace(current), training)
                loss = self._label_loss(x, y, predictions, sample_weight)
                loss = self.optimizer.scale_loss(loss)
            zero = tf.UnconnectedGradients.ZERO
            return dict(tape.gradient(loss, current, unconnected_gradients=zero))

        region = Region.of(config, features.named)
        return climb(config, region, features.dense, slope, gradient_at, seed)

    def _record(
        self,
        x: Any,
        y: Any,
        predictions: Any,
        sample_weight: Any,
        label_loss: tf.Tensor,
        own_losses: tf.Tensor,
        terms: dict[str, tf.Tensor],
    ) -> dict[str, Any]:
        """Tracks the losses and returns the logs."""
        # Each replica holds its share of the mean; the logs show the mean.
        replicas = count_replicas()
        values = {f"scaled_{name}_loss": replicas * value for name, value in terms.items()}
        values["loss"] = tf.add_n([replicas * (label_loss + own_losses), *values.values()])
        values["label_loss"] = replicas * label_loss
        self._update_trackers(values, batch_size(x))
        return self.compute_metrics(x, y, predictions, sample_weight)

    def _update_trackers(self, values: dict[str, tf.Tensor], rows: tf.Tensor) -> None:
        for metric in self.metrics:
            if metric.name in values:
                metric.update_state(values[metric.name], sample_weight=rows)


def _by_weights_and_inputs(
    tape: tf.GradientTape,
    losses: list[tf.Tensor],
    variables: list[Any],
    x: Structure,
    only_labels: bool,
) -> tuple[list[Any], Structure]:
    """Returns the losses' gradients by the weights, and the first one's by the input.

    Where the labels' loss is all there is, one backward pass gives both.
    """
    label_loss, added = losses
    if only_labels:
        gradients, slope = tape.gradient(label_loss, (variables, x))
    else:
        gradients = tape.gradient([label_loss, added], variables)
        slope = tape.gradient(label_loss, x)
    # A feature that the model does not use has no gradient, and stays as it is.
    return gradients, {
        name: tf.zeros_like(x[name]) if value is None else tf.convert_to_tensor(value)
        for name, value in slope.items()
    }


def _add(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return tf.convert_to_tensor(a) + tf.convert_to_tensor(b)
