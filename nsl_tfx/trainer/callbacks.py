"""The callbacks that a config asks for, and what is in the logs for them to watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import EarlyStoppingConfig, TrainerConfig
from nsl_tfx.keras import RegularizationSchedule
from nsl_tfx.keras.regularized_model import TERMS
from nsl_tfx.trainer.attacked_validation import PREFIX, AttackedValidation
from nsl_tfx.trainer.keras_parts import keras_part
from nsl_tfx.trainer.tasks import make_metrics


def make_callbacks(
    config: TrainerConfig, validation_batches: Callable[[], tf.data.Dataset]
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that a config asks for.

    Args:
        config: Says which.
        validation_batches: Makes the batches to validate on.

    Raises:
        ValueError: It names one that there is not, or that watches what is not in the logs.
    """
    callbacks: list[Any] = []
    if config.validation_attack is not None:
        # First, so that others find what it adds to the logs.
        callbacks.append(AttackedValidation(config, validation_batches))
    own = [keras_part("callback", "callbacks", spec) for spec in config.callbacks]
    _check_watched(config, own)
    callbacks += own
    if config.regularization_start_epoch or config.regularization_ramp_epochs:
        callbacks.append(
            RegularizationSchedule(
                config.regularization_start_epoch, config.regularization_ramp_epochs
            )
        )
    if config.early_stopping is not None:
        callbacks.append(make_early_stopping(config.early_stopping, log_names(config)))
    return callbacks


def log_names(config: TrainerConfig) -> list[str]:
    """Returns what the logs hold of losses and metrics, of validation and of the training split.

    Example:
        >>> from nsl_tfx.configs import make_trades_reg_config
        >>> config = TrainerConfig(
        ...     model_fn="a.b", features=("x",), metrics=(), trades=make_trades_reg_config(0.1)
        ... )
        >>> log_names(config)
        ['val_loss', 'loss', 'scaled_trades_loss', 'label_loss']
    """
    names = ["loss", *(metric.name for metric in make_metrics(config))]
    attacked = names if config.validation_attack is not None else []
    terms = [f"scaled_{name}_loss" for name in TERMS if getattr(config, name) is not None]
    return [
        *(f"val_{name}" for name in names),
        *(PREFIX + name for name in attacked),
        *names,
        *terms,
        *(["label_loss"] if terms else []),
    ]


def make_early_stopping(
    config: EarlyStoppingConfig, names: Sequence[str]
) -> keras.callbacks.EarlyStopping:
    """Makes Keras's callback.

    Args:
        config: What to watch.
        names: What the logs hold.

    Raises:
        ValueError: The logs hold no such thing; Keras would train on to the last epoch.

    Example:
        >>> make_early_stopping(EarlyStoppingConfig(monitor="val_auc"), ["val_auc"]).mode
        'max'
    """
    _check_monitor("early_stopping.monitor", config.monitor, names)
    return keras.callbacks.EarlyStopping(
        monitor=config.monitor,
        patience=config.patience,
        min_delta=config.min_delta,
        mode=config.mode.of(config.monitor).value,
        restore_best_weights=config.restore_best_weights,
    )


def _check_watched(config: TrainerConfig, callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Raises ValueError where one of Keras's callbacks watches what is not in the logs."""
    if any(not type(callback).__module__.startswith("keras.") for callback in callbacks):
        return  # A callback of the user's may add to the logs.
    for callback in callbacks:
        watched = getattr(callback, "monitor", None)
        if isinstance(watched, str):
            _check_monitor("callbacks", watched, log_names(config))


def _check_monitor(field: str, monitor: str, names: Sequence[str]) -> None:
    if monitor not in names:
        raise ValueError(
            f"Expected TrainerConfig.{field} to watch one of {', '.join(names)}. "
            f"Received: {monitor!r}."
        )
