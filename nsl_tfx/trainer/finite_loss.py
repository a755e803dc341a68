"""Stopping as soon as a loss is no number, and saying which."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

_CURES = {
    "scaled_adversarial_loss": "the step and multiplier of `adversarial`",
    "scaled_virtual_adversarial_loss": "the step and multiplier of `virtual_adversarial`",
    "scaled_trades_loss": "epsilon and multiplier of `trades`",
    "scaled_graph_loss": "the multiplier of `graph`, or its distance (a divergence needs "
    "probabilities)",
}


_LOOK = (
    " for infinite values and NaN among the features, and lower learning_rate or set clipnorm: "
    "optimizer={'class_name': 'Adam', 'config': {'clipnorm': 1.0}}."
)


class NonFiniteLossError(ArithmeticError):
    """A term of the loss, or a weight, became infinite or no number: training cannot go on."""


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteLossError` in the step in which a term of the loss is no longer finite.

    `keras.callbacks.TerminateOnNaN` stops without an error, and a pipeline would export the model.
    At the end of an epoch it looks at the validation's loss too, and at the weights: of a NaN that
    a ReLU swallows, the losses show nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch, for the error's text."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the losses.

        Raises:
            NonFiniteLossError: One is infinite or no number.
        """
        losses = {name: float(value) for name, value in (logs or {}).items() if "loss" in name}
        if all(map(math.isfinite, losses.values())):
            return
        terms = {name: value for name, value in losses.items() if name != "loss"}
        wrong = [name for name, value in terms.items() if not math.isfinite(value)]
        shown = ", ".join(f"{name}={value:g}" for name, value in terms.items())
        # In the step where a term fails, the others are still what they were.
        cures = [_CURES[name] for name in wrong if name in _CURES] if len(wrong) == 1 else []
        raise NonFiniteLossError(
            f"Expected a finite loss. Received in step {batch + 1} of epoch {self._epoch + 1}: "
            f"{', '.join(wrong) or 'loss'} is not finite ({shown or losses}). "
            + (f"Lower {cures[0]}; else look" if cures else "Look")
            + _LOOK
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the weights, and at what validation found.

        Raises:
            NonFiniteLossError: A weight or a loss is infinite or no number.
        """
        weights = [
            weight.path
            for weight in self.model.trainable_variables
            if not np.isfinite(keras.ops.convert_to_numpy(keras.ops.sum(weight))).all()
        ]
        if weights:
            raise NonFiniteLossError(
                f"Expected finite weights. Received after epoch {epoch + 1}: "
                f"{', '.join(weights[:3])} holds a number that is not, though the loss is finite. "
                f"Look{_LOOK}"
            )
        losses = [
            name
            for name, value in (logs or {}).items()
            if "loss" in name and not math.isfinite(float(value))
        ]
        if losses:
            raise NonFiniteLossError(
                f"Expected a finite loss. Received after epoch {epoch + 1}: {', '.join(losses)} is "
                "not finite. Look for infinite values and NaN among the examples to validate on."
            )
