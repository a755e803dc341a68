"""What follows from what a label is: the loss, the metrics, and what is served."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.trainer.keras_parts import keras_part

_LOSSES = {
    Task.CLASSIFICATION: "SparseCategoricalCrossentropy",
    Task.BINARY: "BinaryCrossentropy",
    Task.REGRESSION: "MeanSquaredError",
}
_ACCURACIES = {
    Task.CLASSIFICATION: "SparseCategoricalAccuracy",
    Task.BINARY: "BinaryAccuracy",
}
_ACTIVATIONS = {Task.CLASSIFICATION: "softmax", Task.BINARY: "sigmoid"}


@keras.saving.register_keras_serializable(package="nsl_tfx")
class OnProbabilities(keras.metrics.Metric):
    """A metric of the probabilities that logits stand for, as Keras's metrics expect them.

    Args:
        metric: What is measured.
        activation: Keras's name of what makes probabilities of logits, "softmax" or "sigmoid".

    Example:
        >>> metric = OnProbabilities(keras.metrics.BinaryAccuracy(), "sigmoid")
        >>> metric.update_state([[1.0], [0.0]], [[0.2], [-0.2]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, metric: keras.metrics.Metric, activation: str) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric = metric
        self.activation = activation
        # By which Keras's callbacks tell whether more is better.
        self._direction = getattr(metric, "_direction", None)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in the labels and logits of a batch."""
        probabilities = keras.activations.get(self.activation)(y_pred)
        return self.metric.update_state(y_true, probabilities, sample_weight)

    def result(self) -> Any:
        """Returns the metric of all batches since the last reset."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forgets all batches."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same metric of."""
        metric = keras.saving.serialize_keras_object(self.metric)
        return {"metric": metric, "activation": self.activation}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OnProbabilities:
        """Makes a metric from what `get_config` returned."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(metric, config["activation"])


class MeanOverWeights(keras.losses.Loss):
    """A loss's weighted mean over the examples of a batch, those of all workers together.

    Unlabelled examples have weight 0 and must not dilute the mean, as they would in Keras's usual
    one. Its "mean_with_sample_weight" is a mean on each worker, and the mean of these another one
    where they have different numbers of labels.

    Args:
        loss: Gives the loss of an example; its own reduction is not used.

    Example:
        >>> loss = MeanOverWeights(keras.losses.MeanSquaredError())
        >>> float(loss([[0.0], [0.0]], [[2.0], [9.0]], sample_weight=[1.0, 0.0]))
        4.0
    """

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(name=loss.name, reduction="sum")
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example, `[batch]`."""
        return self.loss.call(y_true, y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """Returns this worker's share of the mean."""
        total = super().__call__(y_true, y_pred, sample_weight)
        if sample_weight is None:
            sample_weight = tf.ones(tf.shape(y_pred)[:1])
        weights = tf.reduce_sum(tf.cast(sample_weight, total.dtype))
        replicas = tf.distribute.get_replica_context()
        if replicas is not None and replicas.num_replicas_in_sync > 1:
            weights = replicas.all_reduce(tf.distribute.ReduceOp.SUM, weights)
        return tf.math.divide_no_nan(total, weights)


def make_loss(config: TrainerConfig) -> keras.losses.Loss:
    """Returns the loss by the labels: a mean over the labelled examples of a batch.

    Raises:
        ValueError: The config names none.
    """
    spec = _LOSSES[config.task] if config.loss is None else config.loss
    defaults = {} if config.task is Task.REGRESSION else {"from_logits": True}
    return MeanOverWeights(keras_part("loss", "loss", spec, defaults))


def make_metrics(config: TrainerConfig) -> list[keras.metrics.Metric]:
    """Returns the metrics over labelled examples.

    Raises:
        ValueError: The config names none.
    """
    specs = config.metrics
    if specs is None:
        specs = ("accuracy",) if config.task in _ACCURACIES else ("mean_absolute_error",)
    return [_make_metric(config.task, spec) for spec in specs]


def served(task: Task, output: tf.Tensor) -> tf.Tensor:
    """Returns what is served of a model's output: probabilities, or the output itself."""
    return keras.activations.get(_ACTIVATIONS.get(task, "linear"))(output)


def output_names(task: Task) -> tuple[str, str]:
    """Returns the names of a model's output as it is, and as it is served."""
    if task is Task.REGRESSION:
        return "predictions", "predictions"
    return "logits", "probabilities"


def _make_metric(task: Task, spec: Any) -> keras.metrics.Metric:
    if isinstance(spec, str) and spec.lower() in ("accuracy", "acc") and task in _ACCURACIES:
        spec = {"class_name": _ACCURACIES[task], "config": {"name": "accuracy"}}
    metric = keras_part("metric", "metrics", spec)
    return OnProbabilities(metric, _ACTIVATIONS[task]) if task in _ACTIVATIONS else metric
