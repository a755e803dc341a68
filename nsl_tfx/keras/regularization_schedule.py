"""Starting regularization after some epochs, all at once or little by little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from nsl_tfx.keras import checks


class RegularizationSchedule(keras.callbacks.Callback):
    """Trains without the added terms first, then lets them in.

    Before `start_epoch` the terms cost nothing: their passes are not made. Works with
    `keras.callbacks.BackupAndRestore`, since the strength follows from the epoch's number.

    Args:
        start_epoch: Number of epochs without the terms.
        ramp_epochs: In how many epochs, from there on, their weight grows evenly to the configs'
            multipliers; 0 or 1 for at once.
        terms: Names of terms, such as "adversarial"; all of the model's when None.

    Raises:
        ValueError: A number is negative.

    Example:
        >>> schedule = RegularizationSchedule(start_epoch=2, ramp_epochs=4)
        >>> [schedule.strength(epoch) for epoch in range(7)]
        [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, start_epoch: int = 0, ramp_epochs: int = 0, terms: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        numbers: dict[str, Any] = {"start_epoch": start_epoch, "ramp_epochs": ramp_epochs}
        for name, value in numbers.items():
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"Expected {name} >= 0, a number of epochs. Received: {value!r}.")
        checks.check_names("terms", terms)
        self.start_epoch = start_epoch
        self.ramp_epochs = ramp_epochs
        self.terms = None if terms is None else tuple(terms)

    def strength(self, epoch: int) -> float:
        """Returns what the multipliers are scaled with in an epoch, from 0 to 1."""
        if epoch < self.start_epoch:
            return 0.0
        return min(1.0, (epoch - self.start_epoch + 1) / max(self.ramp_epochs, 1))

    def set_model(self, model: Any) -> None:
        """Takes the model that is trained.

        Raises:
            TypeError: It is none of this package's wrappers.
        """
        if not hasattr(model, "set_strength"):
            raise TypeError(
                "Expected RegularizationSchedule in the fit of a wrapper, such as "
                f"nsl_tfx.keras.RegularizedModel. Received: a {type(model).__name__}."
            )
        super().set_model(model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the strength of the epoch."""
        del logs
        self.model.set_strength(self.strength(epoch), self.terms)
