"""From a config and a base model to a regularized, compiled one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.keras import RegularizedModel
from nsl_tfx.keras.base_call import call_base
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.keras_parts import keras_part
from nsl_tfx.trainer.tasks import make_loss, make_metrics

# Of the examples that a model is tried with.
_ROWS = 16


def make_regularized_model(base_model: keras.Model, config: TrainerConfig) -> RegularizedModel:
    """Wraps a model with the config's regularizers, and compiles it with its optimizer and loss.

    Args:
        base_model: From the features, by name, to what the config's `task` says.
        config: Says how.

    Returns:
        The wrapper, to be trained with `fit` on `training_dataset`; `base_model` is what is served.

    Raises:
        TypeError: `base_model` is no Keras 3 model.
        ValueError: The config names a part of Keras that there is not, or a layer.

    Example:
        >>> base = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3)])
        >>> config = TrainerConfig(model_fn="a.b", features=("x",), optimizer="sgd")
        >>> make_regularized_model(base, config).loss.name
        'sparse_categorical_crossentropy'
    """
    require_config("config", config, TrainerConfig)
    model = RegularizedModel(
        base_model,
        graph=config.graph,
        adversarial=config.adversarial,
        virtual_adversarial=config.virtual_adversarial,
        trades=config.trades,
        embedding=config.embedding if config.graph is not None else None,
        neighbor_features=config.neighbor_features,
        neighbor_perturbation=config.neighbor_perturbation,
    )
    model.compile(
        optimizer=_make_optimizer(config),
        loss=make_loss(config),
        weighted_metrics=make_metrics(config),
    )
    return model


def build_model(model: keras.Model, config: TrainerConfig, spec: ExampleSpec, classes: int) -> None:
    """Makes a model's weights, by calling it, and looks at what it puts out.

    Args:
        model: The base model.
        config: Says what it should put out.
        spec: Shapes and types of the features.
        classes: The number of the highest class of the labels, plus 1; 0 where labels are none.

    Raises:
        ValueError: It puts out something else.
    """
    features = {name: _values(feature) for name, feature in spec.features.items()}
    try:
        output = call_base(model, features, training=False)
    except Exception as error:  # of whatever the user's layers do
        shown = ", ".join(f"{name} {list(value.shape)}" for name, value in features.items())
        raise ValueError(
            f"Expected model_fn {config.model_fn!r} to return a model that takes a dict of "
            f"TrainerConfig.features: {shown}. Received: a model that fails on it "
            f"({type(error).__name__}: {error})."
        ) from error
    width = spec.labels
    wanted = {
        Task.CLASSIFICATION: "[batch, classes], a logit for each class",
        Task.BINARY: f"[batch, {width}], a logit for each label",
        Task.REGRESSION: f"[batch, {width}], a number for each label",
    }[config.task]
    if not hasattr(output, "shape"):
        several = isinstance(output, (Mapping, list, tuple))
        kind = type(output).__name__
        found = f"a {kind} of {len(output)}" if several else repr(output)
        raise _wrong_output(config, wanted, found)
    shape = tuple(output.shape)
    fits = len(shape) == 2 and shape[0] == _ROWS
    if not fits or (config.task is not Task.CLASSIFICATION and shape[1] != width):
        raise _wrong_output(config, wanted, f"shape {shape} for {_ROWS} examples")
    if config.task is Task.CLASSIFICATION and shape[1] < max(classes, 2):
        raise _wrong_output(
            config, wanted, f"{shape[1]} logits, for labels up to {max(classes - 1, 1)}"
        )
    _check_logits(config, np.asarray(output, np.float32))
    _try_loss_and_metrics(config, tf.cast(output, tf.float32), width)


def _try_loss_and_metrics(config: TrainerConfig, output: tf.Tensor, labels: int) -> None:
    """Raises ValueError where a loss or metric does not take what the model puts out."""
    label = tf.zeros([_ROWS] if config.task is Task.CLASSIFICATION else [_ROWS, labels])
    weight = tf.ones([_ROWS])
    tried = {"loss": [lambda: make_loss(config)(label, output, weight)]}
    tried["metrics"] = [
        functools.partial(metric.update_state, label, output, weight)
        for metric in make_metrics(config)
    ]
    for field, calls in tried.items():
        for number, call in enumerate(calls):
            try:
                call()
            except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
                given = config.loss if field == "loss" else (config.metrics or ("",))[number]
                raise ValueError(
                    f"Expected TrainerConfig.{field} for labels {list(label.shape)} and outputs "
                    f"{list(output.shape)} (task {config.task.value!r}). Received: {given!r}, "
                    f"which does not take them ({error})."
                ) from error


def _values(feature: Any) -> tf.Tensor:
    """Returns values of a feature for some examples: of floats, some of either sign and size."""
    shape = [_ROWS, *feature.shape]
    if not feature.dtype.is_floating:
        return tf.zeros(shape, feature.dtype)
    scales = np.geomspace(0.1, 100, _ROWS).reshape([_ROWS] + [1] * len(feature.shape))
    return tf.constant(scales * np.random.default_rng(0).normal(size=shape), feature.dtype)


def _make_optimizer(config: TrainerConfig) -> keras.optimizers.Optimizer:
    rate = config.learning_rate
    if isinstance(rate, Mapping):
        rate = keras_part("schedule", "learning_rate", rate)
    return keras_part("optimizer", "optimizer", config.optimizer, learning_rate=rate)


def _check_logits(config: TrainerConfig, outputs: npt.NDArray[np.float32]) -> None:
    """Raises ValueError where a model gives probabilities rather than logits.

    Args:
        config: The task.
        outputs: `[rows, logits]`, of examples that differ.
    """
    between = bool(((outputs >= 0) & (outputs <= 1)).all())
    if config.task is Task.CLASSIFICATION:
        found = between and np.allclose(outputs.sum(axis=1), 1, atol=1e-2)
    else:
        # By chance, so many numbers do not lie there, unless all are a new layer's bias alone.
        found = config.task is Task.BINARY and between and bool(np.ptp(outputs) > 0)
    if found:
        raise ValueError(
            f"Expected model_fn {config.model_fn!r} to return a model that ends in logits, through "
            "which attacks find their way; the trainer adds the softmax or sigmoid to what is "
            "served. Received: a model that puts out probabilities. Leave out the activation of "
            "its last layer."
        )


def _wrong_output(config: TrainerConfig, wanted: str, found: str) -> ValueError:
    return ValueError(
        f"Expected model_fn {config.model_fn!r} to return a model with one output, {wanted} (task "
        f"{config.task.value!r}). Received: {found}."
    )
