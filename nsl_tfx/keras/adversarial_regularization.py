"""NSL's wrapper for adversarial training, whose labels may lie among the features."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from nsl_tfx.configs import AdvNeighborConfig, AdvRegConfig
from nsl_tfx.configs.base import Config
from nsl_tfx.keras import checks
from nsl_tfx.keras.base_call import input_names
from nsl_tfx.keras.log_names import full_metric_names, log_names
from nsl_tfx.keras.regularized_model import RegularizedModel
from nsl_tfx.lib.features import Features


@keras.saving.register_keras_serializable(package="nsl_tfx")
class AdversarialRegularization(RegularizedModel):
    """Wraps a model; trains it on adversarially perturbed examples too.

    The loss of a step is `loss(f(x), y) + multiplier * loss(f(x + perturbation), y)` (Goodfellow et
    al. 2015, "Explaining and harnessing adversarial examples", section 6; with `pgd_iterations`
    above 1, Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks").
    Sample weights enter both parts.

    Labels may come as Keras takes them, `fit(x, y)` or a dataset of `(features, labels)`, or inside
    the dict of features under `label_keys`, as `fit({"feature": x, "label": y})`. `predict` needs
    none. `evaluate` and validation include the adversarial loss, at its full weight.

    The logs hold "loss"; each output's own loss and metrics, unweighted by `loss_weights`, by their
    full names, such as "sparse_categorical_accuracy" for "accuracy", with "_<label key>" behind
    where there are several labels; and "scaled_adversarial_loss".

    Args:
        base_model: The model to train, from features `[batch, ...]` to one or several outputs.
        label_keys: Names of the labels inside the dict, in the order of the model's outputs.
        sample_weight_key: Name of the examples' weights, `[batch]` or `[batch, 1]`, inside the
            dict; there are none when None.
        adv_config: The attack, and the weight of its loss.
        base_with_labels_in_features: Whether the base model takes the labels and weights of the
            dict among its features. They are not perturbed.

    Raises:
        TypeError: An argument is of another type.
        ValueError: The number of labels is not that of the model's outputs.

    Example:
        >>> from nsl_tfx.configs import make_adv_reg_config
        >>> base = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(1)])
        >>> config = make_adv_reg_config(multiplier=0.2, adv_step_size=0.1)
        >>> model = AdversarialRegularization(base, adv_config=config)
        >>> model.compile("sgd", "mse")
        >>> history = model.fit({"x": tf.ones([8, 4]), "label": tf.zeros([8, 1])}, verbose=0)
        >>> list(history.history)
        ['loss', 'mean_squared_error', 'scaled_adversarial_loss']
    """

    _LOGS_LABEL_LOSS: ClassVar[bool] = False
    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {"adv_config": AdvRegConfig}
    _PLAIN_ARGUMENTS: ClassVar[tuple[str, ...]] = (
        "label_keys",
        "sample_weight_key",
        "base_with_labels_in_features",
    )

    def __init__(
        self,
        base_model: keras.Model,
        label_keys: Sequence[str] = ("label",),
        sample_weight_key: str | None = None,
        adv_config: AdvRegConfig | None = None,
        base_with_labels_in_features: bool = False,
        **kwargs: Any,
    ) -> None:
        for name, value in (("label_keys", label_keys), ("sample_weight_key", sample_weight_key)):
            if isinstance(value, AdvRegConfig):
                raise TypeError(
                    f"Expected {name} to be names, not a config. Received: an AdvRegConfig; write "
                    "AdversarialRegularization(base_model, adv_config=...)."
                )
        checks.check_base_model(base_model)
        checks.check_names("label_keys", label_keys)
        if not isinstance(sample_weight_key, (str, type(None))):
            raise TypeError(
                "Expected sample_weight_key to be a feature's name, or None. Received: "
                f"{sample_weight_key!r}."
            )
        checks.check_config("adv_config", adv_config, AdvRegConfig)
        super().__init__(base_model, adversarial=adv_config or AdvRegConfig(), **kwargs)
        self.label_keys = tuple(label_keys)
        self.sample_weight_key = sample_weight_key
        self.base_with_labels_in_features = base_with_labels_in_features
        if len({*self.label_keys}) < len(self.label_keys):
            raise ValueError(
                f"Expected label_keys without repetition. Received: {list(self.label_keys)}."
            )
        inputs = set() if base_with_labels_in_features else {*(input_names(base_model) or ())}
        if inputs & self._fixed_features:
            raise ValueError(
                "Expected labels and weights under other names than the model's inputs, "
                f"{', '.join(sorted(inputs))}, unless base_with_labels_in_features=True. Received: "
                f"{', '.join(sorted(inputs & self._fixed_features))}."
            )
        outputs = getattr(base_model, "outputs", None)
        if not self.label_keys or (outputs and len(self.label_keys) not in (1, len(outputs))):
            raise self._wrong_number_of_labels(len(outputs or ["its own"]))
        self._label_loss_tracker = keras.metrics.Mean(name="label_loss")
        self._named_metrics: frozenset[str] = frozenset()

    @property
    def adv_config(self) -> AdvRegConfig:
        """The attack, and the weight of its loss."""
        assert self.adversarial is not None
        return self.adversarial

    def compile(  # type: ignore[override]  # The order is NSL's.
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
            optimizer: A Keras optimizer, or its name.
            loss: A loss in any form that Keras takes; lists and dicts by output.
            metrics: Metrics, not weighted by the examples' weights, in any form that Keras takes.
            loss_weights: A list or dict of the weights of the outputs' losses.
            kwargs: Passed on to `keras.Model.compile`, such as `weighted_metrics`.

        Raises:
            ValueError: There is no loss: adversarial neighbors are where it is higher.
        """
        if loss is None:
            raise ValueError(
                "Expected loss, which adversarial neighbors are to raise, such as "
                "loss='sparse_categorical_crossentropy'. Received: None."
            )
        outputs = getattr(self.base_model, "output_names", [])
        weighted = full_metric_names(kwargs.pop("weighted_metrics", None), loss, outputs)
        metrics = full_metric_names(metrics, loss, outputs)
        both = tf.nest.flatten([metrics, weighted])
        # A function goes by its name, in NSL's order too.
        names = [m if isinstance(m, str) else getattr(m, "__name__", None) for m in both]
        self._named_metrics = frozenset(name for name in names if name is not None)
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            loss_weights=loss_weights,
            weighted_metrics=weighted,
            **kwargs,
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Trains the model; see `keras.Model.fit`. Labels may lie in `x`."""
        x, y, sample_weight = self._taken_apart(x, y, sample_weight, class_weight)
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            **kwargs,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Returns loss and metrics, the adversarial loss included; see `keras.Model.evaluate`."""
        x, y, sample_weight = self._taken_apart(x, y, sample_weight)
        return super().evaluate(
            x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs
        )

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Makes one step; see `keras.Model.train_on_batch`. Labels may lie in `x`."""
        x, y, sample_weight = self._taken_apart(x, y, sample_weight, class_weight)
        return super().train_on_batch(
            x, y, sample_weight, class_weight=class_weight, return_dict=return_dict
        )

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates the loss with its adversarial part, and the metrics."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        own = self._own_inputs(x)
        terms: dict[str, tf.Tensor] = {}
        if self.adv_config.multiplier == 0:
            predictions = self._forward(own, training=False)
            losses = self._loss_parts(x, y, predictions, sample_weight, training=False)
        else:
            attack = self.adv_config.adv_neighbor_config
            features = self._movable(own, {"adversarial"})
            predictions, losses, perturbed = self._attack(attack, features, x, y, sample_weight)
            attacked = self._forward(features.replace(perturbed), training=False)
            terms["adversarial"] = self.adv_config.multiplier * self._label_loss(
                x, y, attacked, sample_weight
            )
        return self._record(x, y, predictions, sample_weight, *losses, terms)

    def perturb_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **config_kwargs: Any
    ) -> Any:
        """Perturbs a batch so that this model's loss on it is higher.

        The model is called as in prediction, and nothing of it changes.

        Args:
            x: Features `[batch, ...]`, with the labels among them or not.
            y: Labels, where they are not in `x`.
            sample_weight: Weights of the examples, where they are not in `x`.
            config_kwargs: Fields of `AdvNeighborConfig` to use instead of `adv_config`'s, such as
                `adv_step_size=0.1`; None leaves one as it is.

        Returns:
            What `x` was, with the perturbed features as NumPy arrays, all else as it came.

        Raises:
            RuntimeError: The model is not compiled: there is no loss to raise.
            TypeError: AdvNeighborConfig has no such field.
            ValueError: There are no labels, or nothing can be perturbed.

        Example:
            >>> base = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Dense(1)])
            >>> model = AdversarialRegularization(base)
            >>> model.compile("sgd", "mse")
            >>> batch = {"x": tf.ones([1, 1]), "label": tf.zeros([1, 1])}
            >>> moved = model.perturb_on_batch(batch, adv_step_size=0.5)
            >>> float(abs(moved["x"] - 1)[0, 0])
            0.5
        """
        if not self.compiled:
            raise RuntimeError(
                "Expected compile(optimizer, loss=...) before perturb_on_batch: the loss says "
                "which way to go. Received: a model that is not compiled."
            )
        known = [field.name for field in dataclasses.fields(AdvNeighborConfig)]
        unknown = [name for name in config_kwargs if name not in known]
        if unknown:
            raise TypeError(
                f"Expected fields of AdvNeighborConfig: {', '.join(known)}. Received: "
                f"{', '.join(unknown)}."
            )
        changes = {name: value for name, value in config_kwargs.items() if value is not None}
        config = dataclasses.replace(self.adv_config.adv_neighbor_config, **changes)
        tensors = tf.nest.map_structure(_tensor, (x, y, sample_weight))
        features = Features.of(self._own_inputs(tensors[0])).hold(self._fixed_features)
        checks.check_movable(features, {"perturb_on_batch": config})
        before = {id(value): value.numpy() for value in self._metrics_variables()}
        _, _, perturbed = self._attack(config, features, *tensors)
        for value in self._metrics_variables():
            value.assign(before.get(id(value), tf.zeros_like(value)))
        moved = {name: value.numpy() for name, value in perturbed.items()}
        if isinstance(x, Mapping):
            return {**x, **moved}
        if isinstance(x, (list, tuple)):
            return [moved.get(index, value) for index, value in enumerate(x)]
        return moved[None]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the loss by the labels, wherever these are, plus the base model's own losses."""
        y, sample_weight = self._labels(x, y, sample_weight, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates and returns the metrics, by their names in the logs."""
        y, sample_weight = self._labels(x, y, sample_weight, y_pred)
        return dict(super().compute_metrics(x, y, y_pred, sample_weight))

    def _metric_logs(self) -> dict[str, Any]:
        return log_names(self, self.label_keys, self._label_loss_tracker, self._named_metrics)

    @property
    def _fixed_features(self) -> frozenset[str]:
        return frozenset([*self.label_keys, *self._weight_keys])

    @property
    def _weight_keys(self) -> list[str]:
        return [] if self.sample_weight_key is None else [self.sample_weight_key]

    def _own_inputs(self, x: Any) -> Any:
        if not isinstance(x, Mapping) or self.base_with_labels_in_features:
            return x
        return {name: value for name, value in x.items() if name not in self._fixed_features}

    def _attack(
        self, config: AdvNeighborConfig, features: Features, x: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, tuple[tf.Tensor, tf.Tensor], dict[Any, tf.Tensor]]:
        """Returns predictions, losses and the movable features after an attack, in prediction."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features.dense)
            predictions = self._forward(features.replace(features.dense), training=False)
            losses = self._loss_parts(x, y, predictions, sample_weight, training=False)
        zero = tf.UnconnectedGradients.ZERO
        slope = tape.gradient(losses[0], features.dense, unconnected_gradients=zero)
        perturbed = self._perturb(config, features, slope, x, y, sample_weight, training=False)
        return predictions, losses, perturbed

    def _labels(self, x: Any, y: Any, sample_weight: Any, predictions: Any) -> tuple[Any, Any]:
        """Returns labels and weights, taken out of the features where they are there."""
        if not isinstance(x, Mapping):
            if sample_weight is None and self.sample_weight_key is not None:
                raise self._no_weights("features without names")
            return y, sample_weight
        inside = [key for key in self.label_keys if key in x]
        if y is not None:
            if inside and not self.base_with_labels_in_features:
                raise ValueError(
                    f"Expected the labels once. Received: y, and {', '.join(inside)} among the "
                    "features. Leave one out."
                )
        elif len(inside) < len(self.label_keys):
            absent = [key for key in self.label_keys if key not in x]
            raise ValueError(
                f"Expected the labels {', '.join(self.label_keys)} among the features, or as y. "
                f"Missing: {', '.join(absent)}. Received: {', '.join(map(str, x))}. Name them "
                "with label_keys; predict() and base_model need none."
            )
        else:
            outputs = tf.nest.flatten(predictions)
            if len(outputs) != len(inside):
                raise self._wrong_number_of_labels(len(outputs))
            y = tf.nest.pack_sequence_as(predictions, [x[key] for key in inside])
        for key in self._weight_keys:
            if key in x and sample_weight is not None and not self.base_with_labels_in_features:
                raise ValueError(
                    f"Expected the examples' weights once. Received: sample_weight, and {key!r} "
                    "among the features. Leave one out."
                )
            sample_weight = x.get(key, sample_weight)
            if sample_weight is None:
                raise self._no_weights(", ".join(map(str, x)))
        return y, sample_weight

    def _no_weights(self, received: str) -> ValueError:
        return ValueError(
            f"Expected the weights {self.sample_weight_key!r} among the features, as "
            f"sample_weight_key says, or as sample_weight. Received: {received}."
        )

    def _taken_apart(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Takes labels out of the features where Keras would else forget the weights.

        Without a `y` it drops `sample_weight` in silence, and takes no `class_weight`.
        """
        if y is not None or (sample_weight is None and class_weight is None):
            return x, y, sample_weight
        if isinstance(x, tf.data.Dataset) and isinstance(x.element_spec, Mapping):
            return x.map(lambda batch: self._as_tuple(batch, None)), None, sample_weight
        if isinstance(x, Mapping):
            return self._as_tuple(x, sample_weight)
        return x, y, sample_weight

    def _as_tuple(self, x: Mapping[str, Any], sample_weight: Any) -> tuple[Any, Any, Any]:
        y, sample_weight = self._labels(x, None, sample_weight, [0] * len(self.label_keys))
        own = self._own_inputs(x)
        return own, y[0] if len(y) == 1 else tuple(y), sample_weight

    def _wrong_number_of_labels(self, outputs: int) -> ValueError:
        return ValueError(
            f"Expected label_keys to name one label for each of the model's {outputs} outputs, in "
            f"their order. Received: {list(self.label_keys)}."
        )

    def _metrics_variables(self) -> list[Any]:
        return [value for metric in self.metrics for value in metric.variables]


def _tensor(value: Any) -> Any:
    kept = value is None or isinstance(value, (tf.SparseTensor, tf.RaggedTensor))
    return value if kept else tf.convert_to_tensor(value)
