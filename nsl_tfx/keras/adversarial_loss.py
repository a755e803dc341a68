"""The adversarial loss, for training loops of one's own."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import AdvRegConfig
from nsl_tfx.keras import checks
from nsl_tfx.keras.base_call import call_base
from nsl_tfx.lib import gen_adv_neighbor
from nsl_tfx.lib.casting import expand_like
from nsl_tfx.lib.features import Features


def adversarial_loss(
    features: Any,
    labels: Any,
    model: Callable[..., Any],
    loss_fn: Any,
    sample_weights: Any = None,
    adv_config: AdvRegConfig | None = None,
    predictions: Any = None,
    labeled_loss: tf.Tensor | None = None,
    gradient_tape: tf.GradientTape | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
) -> tf.Tensor:
    """Returns a model's loss on adversarial neighbors of a batch.

    Goodfellow et al. 2015, "Explaining and harnessing adversarial examples", section 6. The loss is
    not multiplied with `adv_config.multiplier` yet.

    Args:
        features: A tensor `[batch, ...]`, or a flat dict or list of them.
        labels: What `loss_fn` takes as such.
        model: A Keras model, or a function from features to predictions.
        loss_fn: A Keras loss, its name, or a function of labels and predictions, and of sample
            weights too where these are given. What it returns is averaged over the batch, unless it
            is a scalar already.
        sample_weights: Weights of the examples, `[batch]` or `[batch, 1]`.
        adv_config: The attack.
        predictions: `model(features)`, where it is at hand.
        labeled_loss: The loss at the features, where it is at hand.
        gradient_tape: The tape that recorded `predictions` or `labeled_loss`; it has to be
            persistent if it is used afterwards.
        model_kwargs: Passed on to the model, such as `{"training": True}`.

    Returns:
        A scalar.

    Raises:
        ValueError: `predictions` or `labeled_loss` come without the tape that recorded them.

    Example:
        >>> from nsl_tfx.configs import make_adv_reg_config
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> x, y = tf.ones([2, 1]), tf.zeros([2, 1])
        >>> config = make_adv_reg_config(adv_step_size=0.1)
        >>> plain = keras.losses.MeanSquaredError()(y, model(x))
        >>> bool(adversarial_loss(x, y, model, "mse", adv_config=config) > plain)
        True
    """
    checks.check_config("adv_config", adv_config, AdvRegConfig)
    if labels is None:
        raise ValueError(
            "Expected labels, which loss_fn compares predictions with. Received: None."
        )
    if gradient_tape is None and (predictions is not None or labeled_loss is not None):
        raise ValueError(
            "Expected gradient_tape, which recorded predictions or labeled_loss: without it their "
            "gradient by the features cannot be had. Received: None."
        )
    measure = _measure(loss_fn, sample_weights)

    def predict(x: Any) -> Any:
        extra = dict(model_kwargs or {})
        return call_base(model, x, **extra) if isinstance(model, keras.Model) else model(x, **extra)

    tape = tf.GradientTape() if gradient_tape is None else gradient_tape
    if labeled_loss is None:
        with _recording(tape):
            if predictions is None:
                parts = Features.of(features)
                tape.watch(parts.dense)
                # The watched tensors are to be used, also where an array came.
                features = parts.replace(parts.dense)
                predictions = predict(features)
            labeled_loss = measure(labels, predictions)
    neighbors, _ = gen_adv_neighbor(
        features,
        labeled_loss,
        (adv_config or AdvRegConfig()).adv_neighbor_config,
        gradient_tape=tape,
        pgd_model_fn=predict,
        pgd_loss_fn=measure,
        pgd_labels=labels,
        use_while_loop=True,
    )
    return measure(labels, predict(neighbors))


@contextlib.contextmanager
def _recording(tape: tf.GradientTape) -> Iterator[None]:
    """Lets a tape record, whether or not it already does: one that does cannot be entered."""
    try:
        tape.__enter__()
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        tape.__exit__(None, None, None)


def _measure(loss_fn: Any, sample_weights: Any) -> Callable[[Any, Any], tf.Tensor]:
    """Returns a function of labels and predictions to a scalar, whatever form the loss has."""
    loss = keras.losses.get(loss_fn)
    if not callable(loss):
        raise TypeError(
            "Expected loss_fn to be a Keras loss, its name, or a function of labels and "
            f"predictions. Received: {loss_fn!r}."
        )
    if isinstance(loss, keras.losses.Loss):
        return lambda labels, predictions: loss(labels, predictions, sample_weight=sample_weights)
    if sample_weights is None:
        return lambda labels, predictions: tf.reduce_mean(loss(labels, predictions))
    if "sample_weight" in inspect.signature(loss).parameters:
        return lambda labels, predictions: tf.reduce_mean(
            loss(labels, predictions, sample_weight=sample_weights)
        )

    def weighted(labels: Any, predictions: Any) -> tf.Tensor:
        losses = loss(labels, predictions)
        weights = tf.cast(tf.reshape(sample_weights, [-1]), losses.dtype)
        return tf.reduce_mean(losses * expand_like(weights, losses))

    return weighted
