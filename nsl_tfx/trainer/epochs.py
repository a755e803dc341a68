"""How long to train, in epochs of equal length."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras

from nsl_tfx.configs import TrainerConfig


@dataclasses.dataclass(frozen=True)
class Epochs:
    """A training in epochs, the last of which may be shorter.

    Attributes:
        count: Number of epochs.
        steps: Steps of an epoch.
        total_steps: Steps of all epochs.
    """

    count: int
    steps: int
    total_steps: int


def plan_epochs(config: TrainerConfig, train_steps: int | None, rows: int | None) -> Epochs:
    """Works out how long to train.

    Args:
        config: `epochs`, `steps_per_epoch` and `batch_size`.
        train_steps: Trainer's `TrainArgs(num_steps=...)`, if any.
        rows: Number of training examples; needed where the config has no `steps_per_epoch`.

    Raises:
        ValueError: Nothing says how long, or two things do, or a batch is more than a pass.

    Example:
        >>> config = TrainerConfig(model_fn="a.b", features=("x",), batch_size=10, epochs=3)
        >>> plan_epochs(config, None, rows=25)
        Epochs(count=3, steps=3, total_steps=9)
        >>> plan_epochs(config.replace(epochs=None), 7, rows=25)
        Epochs(count=3, steps=3, total_steps=7)
    """
    if bool(train_steps) == bool(config.epochs) or (train_steps or 0) < 0:
        received = f"epochs={config.epochs!r} and num_steps={train_steps!r}"
        raise ValueError(
            "Expected either TrainerConfig(epochs=...) or Trainer(train_args=TrainArgs(num_steps="
            f"...)), a positive number that says how long to train. Received: {received}."
        )
    if rows is not None and config.batch_size > rows:
        raise ValueError(
            f"Expected TrainerConfig.batch_size of at most the {rows} examples to train on, each "
            f"of which a pass takes once. Received: batch_size={config.batch_size}."
        )
    steps = config.steps_per_epoch
    if steps is None:
        assert rows is not None
        steps = math.ceil(rows / config.batch_size)
    if config.epochs:
        return Epochs(config.epochs, steps, config.epochs * steps)
    assert train_steps
    steps = min(steps, train_steps)
    return Epochs(math.ceil(train_steps / steps), steps, train_steps)


class StopAfter(keras.callbacks.Callback):
    """Ends the last epoch, and so training, after so many steps of all epochs.

    Args:
        epochs: The plan.
    """

    def __init__(self, epochs: Epochs) -> None:
        super().__init__()
        self.epochs = epochs
        self._before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Counts the steps of the epochs before."""
        del logs
        self._before = epoch * self.epochs.steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Ends the epoch where the last step has been made."""
        del logs
        if self._before + batch + 1 >= self.epochs.total_steps:
            self.model.stop_training = True
