"""What wrappers of a model have in common, whatever they train it with: compiling, logs, saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf
from absl import logging

from nsl_tfx.configs.base import Config
from nsl_tfx.keras import checks

# How an embedding that is one of the base model's own methods is written down.
_METHOD = "method_of_base_model"


class ModelWrapper(keras.Model):
    """Holds a base model; compiles it likewise, and saves it instead of itself.

    Args:
        base_model: The model.
        kwargs: Keras's `name`, `dtype` and `trainable`.

    Raises:
        TypeError: `base_model` is no Keras 3 model, or a wrapper itself.
    """

    # Arguments of the constructor, which attributes of the same names hold.
    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {}
    _PLAIN_ARGUMENTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, base_model: keras.Model, **kwargs: Any) -> None:
        checks.check_base_model(base_model)
        if isinstance(base_model, ModelWrapper):
            raise TypeError(
                "Expected base_model to be the model itself, since the terms of a wrapper inside "
                f"another would be lost. Received: a {type(base_model).__name__}. Combine terms as "
                "RegularizedModel(base_model, graph=..., adversarial=...)."
            )
        # The base model casts its inputs itself. Its policy decides whether the loss is scaled.
        super().__init__(**{"dtype": base_model.dtype_policy, "autocast": False, **kwargs})
        self.base_model = base_model
        self._compiled_base = False
        self._log_order: tuple[str, ...] = ()

    @property
    def output_names(self) -> list[str]:
        """Names of the base model's outputs, where it has such; Keras finds losses by them."""
        return list(self.base_model.output_names)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configures training; see `keras.Model.compile`.

        The base model is compiled likewise, with an optimizer and metrics of its own, unless it is
        compiled already.
        """
        settings = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            **kwargs,
        }
        if not self.base_model.compiled or self._compiled_base:
            self._compile_base(optimizer, settings)
        super().compile(optimizer, **settings)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model with what `get_compile_config` returned."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Returns loss and metrics; see `keras.Model.evaluate`. `metrics_names` says which."""
        return_dict = kwargs.pop("return_dict", False)
        logs = super().evaluate(*args, return_dict=True, **kwargs)
        return self._plain_logs(logs, return_dict)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Makes one step; see `keras.Model.train_on_batch`."""
        return_dict = kwargs.pop("return_dict", False)
        logs = super().train_on_batch(*args, return_dict=True, **kwargs)
        return self._plain_logs(logs, return_dict)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one batch; see `keras.Model.test_on_batch`."""
        return_dict = kwargs.pop("return_dict", False)
        logs = super().test_on_batch(*args, return_dict=True, **kwargs)
        return self._plain_logs(logs, return_dict)

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the metrics' values by their names in the logs."""
        logs = self._metric_logs()
        self._log_order = tuple(logs)
        if _is_one_of_several_workers():
            # Keras takes the mean of the workers' values over an axis that a scalar lacks.
            return {name: tf.reshape(value, [1]) for name, value in logs.items()}
        return {name: _number(value) for name, value in logs.items()}

    def _get_metrics_result_or_logs(self, logs: Any) -> Any:
        """Returns the metrics' values by the names in a step's logs.

        Keras's own takes what one step returned where that leaves out a metric, as that of an
        evaluation does; of several replicas it is then the mean of their values.
        """
        found = self.get_metrics_result()
        if isinstance(logs, Mapping) and logs.keys() <= found.keys():
            return {name: found[name] for name in logs}
        return logs

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `train_on_batch` and `evaluate` return, in its order.

        They are known after the first batch. `evaluate` leaves out those that are of training only.
        """
        return list(self._log_order or super().metrics_names)

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Writes the base model, compiled like the wrapper: what is served holds no structure.

        `keras.saving.save_model(model, path)` writes the wrapper, to train on.

        Args:
            filepath: Where to, ending in ".keras".
            overwrite: Whether a file there may be overwritten.
            kwargs: Passed on.
        """
        if self._compiled_base and self.optimizer.built:
            self._hand_on_optimizer()
        self.base_model.save(filepath, overwrite=overwrite, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """Writes the base model as a SavedModel; see `keras.Model.export`."""
        return self.base_model.export(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same wrapper of, as plain values."""
        config: dict[str, Any] = {"name": self.name}
        config["base_model"] = keras.saving.serialize_keras_object(self.base_model)
        for name in self._CONFIG_ARGUMENTS:
            value = getattr(self, name)
            config[name] = None if value is None else value.to_dict()
        for name in self._PLAIN_ARGUMENTS:
            value = getattr(self, name)
            config[name] = list(value) if isinstance(value, tuple) else value
        if "embedding" in config:
            config["embedding"] = self._serialized_embedding()
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a wrapper from what `get_config` returned."""
        arguments = dict(config)
        with keras.saving.custom_object_scope(custom_objects or {}):
            base = keras.saving.deserialize_keras_object(arguments.pop("base_model"))
            embedding = arguments.get("embedding")
            if isinstance(embedding, dict) and _METHOD in embedding:
                arguments["embedding"] = getattr(base, embedding[_METHOD])
            elif isinstance(embedding, dict):
                arguments["embedding"] = keras.saving.deserialize_keras_object(embedding)
        for name, kind in cls._CONFIG_ARGUMENTS.items():
            if arguments.get(name) is not None:
                arguments[name] = kind.from_dict(arguments[name])
        return cls(base, **arguments)

    def _serialized_embedding(self) -> Any:
        if self.embedding is None or isinstance(self.embedding, str):
            return self.embedding
        if getattr(self.embedding, "__self__", None) is self.base_model:
            return {_METHOD: self.embedding.__name__}
        if isinstance(self.embedding, keras.Layer):
            raise ValueError(
                "Expected embedding as a layer's name, a method of the base model or a function, "
                "to save the wrapper: weights that a model shares with the base model would come "
                f"back apart. Received: {self.embedding!r}."
            )
        return keras.saving.serialize_keras_object(self.embedding)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Makes what training needs from one batch, before the first step.

        Keras's own reduces a batch that is spread over replicas to its mean, which fails where the
        batch is a structure, such as features by name; one replica's part says as much.
        """
        strategy = self._distribute_strategy
        if strategy is not None and iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = tf.nest.map_structure(
                lambda part: strategy.experimental_local_results(part)[0], next(batches)
            )
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _compile_base(self, optimizer: Any, settings: dict[str, Any]) -> None:
        """Compiles the base model with copies: an optimizer or metric serves one model alone."""
        try:
            copies = {
                name: tf.nest.map_structure(_copy, settings[name])
                for name in ("metrics", "weighted_metrics")
            }
            own_optimizer = _copy(optimizer)
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            logging.warning(
                "base_model is not compiled, and save() writes it so: its metrics or optimizer "
                "cannot be copied by get_config and from_config (%s).",
                error,
            )
            return
        self.base_model.compile(own_optimizer, **{**settings, **copies})
        self._compiled_base = True

    def _hand_on_optimizer(self) -> None:
        """Gives the base model's optimizer the state of the wrapper's."""
        optimizer = self.base_model.optimizer
        optimizer.build(self.base_model.trainable_variables)
        copies, variables = optimizer.variables, self.optimizer.variables
        if [copy.shape for copy in copies] != [variable.shape for variable in variables]:
            logging.warning(
                "The optimizer is saved without its state: the model's trainable weights are not "
                "those that it was made for."
            )
            return
        for copy, variable in zip(copies, variables, strict=True):
            copy.assign(variable)

    def _metric_logs(self) -> dict[str, Any]:
        """Returns the metrics' values by their names, in the order of `evaluate`."""
        logs: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            logs.update(value if isinstance(value, Mapping) else {metric.name: value})
        return logs

    def _plain_logs(self, logs: dict[str, Any], return_dict: bool) -> Any:
        logs = {name: _number(value) for name, value in logs.items()}
        if return_dict:
            return logs
        values = [logs[name] for name in self._log_order if name in logs]
        return values if len(values) > 1 else values[0]


def _is_one_of_several_workers() -> bool:
    """Tells whether this runs within a step that several processes make together."""
    return (
        isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
        and not tf.distribute.in_cross_replica_context()
    )


def _copy(part: Any) -> Any:
    """Returns a copy of an optimizer or metric; its name or a function as it is."""
    if isinstance(part, (keras.optimizers.Optimizer, keras.metrics.Metric)):
        return type(part).from_config(part.get_config())
    return part


def _number(value: Any) -> Any:
    """Returns the number that a tensor holds; the tensor where it holds none yet."""
    if isinstance(value, tf.Tensor) and tf.executing_eagerly():
        return value.numpy().item()
    return value
