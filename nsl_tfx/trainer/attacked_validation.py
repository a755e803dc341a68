"""How a model does on attacked validation examples, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.attacks import PGD
from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.keras.base_call import call_base
from nsl_tfx.lib.features import Features
from nsl_tfx.trainer.tasks import make_loss, make_metrics

PREFIX = "val_attacked_"


class AttackedValidation(keras.callbacks.Callback):
    """Adds loss and metrics under the config's `validation_attack` to the logs of each epoch.

    They are called `val_attacked_loss`, `val_attacked_accuracy` and so on, and are there for
    callbacks that come after this one.

    Args:
        config: The attack, the task and the metrics.
        make_batches: Makes the batches to validate on.
    """

    def __init__(self, config: TrainerConfig, make_batches: Callable[[], tf.data.Dataset]) -> None:
        super().__init__()
        assert config.validation_attack is not None
        self._task = config.task
        self._attack = PGD(**config.validation_attack.fields())
        self._batches = make_batches()
        self._loss = make_loss(config)
        self._metrics = [keras.metrics.Mean(name="loss"), *make_metrics(config)]
        self._step: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Attacks one batch, so that what is wrong shows before the first step.

        Raises:
            ValueError: No feature can be attacked.
        """
        del logs
        for x, y, weight in self._batches.take(1):
            if not Features.of(x).dense:
                raise ValueError(
                    "Expected a feature of floats, for TrainerConfig.validation_attack to move. "
                    f"Received: {', '.join(x)}."
                )
            self._attack_batch(x, y, weight)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Attacks the model as it is."""
        del epoch
        for metric in self._metrics:
            metric.reset_state()
        self._step = self._step or tf.function(self._attack_batch, reduce_retracing=True)
        for x, y, weight in self._batches:
            self._step(x, y, weight)
        for metric in self._metrics:
            if logs is not None:
                logs[PREFIX + metric.name] = float(metric.result())

    def _attack_batch(self, x: Any, y: tf.Tensor, weight: tf.Tensor) -> None:
        features = Features.of(x)

        def loss_of(moved: dict[str, tf.Tensor]) -> Any:
            output = self._predict(features.replace(moved))
            value = self._loss.call(tf.cast(y, output.dtype), output)
            if self._task is not Task.CLASSIFICATION:
                return value
            return value, tf.argmax(output, axis=1, output_type=y.dtype) != y

        output = self._predict(features.replace(self._attack(loss_of, features.dense)))
        mean, *others = self._metrics
        mean.update_state(self._loss(y, output, weight), tf.reduce_sum(weight))
        for metric in others:
            metric.update_state(y, output, weight)

    def _predict(self, x: Any) -> tf.Tensor:
        output = call_base(self.model.base_model, x, training=False)
        return tf.cast(output, tf.float32)
