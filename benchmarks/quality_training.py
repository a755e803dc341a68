"""What the parts of `quality.py` train with, on Keras 3 and, in NSL's environment, on Keras 2."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def fit(
    model: keras.Model, data: Any, epochs: int, learning_rate: Any, callbacks: list[Any]
) -> None:
    """Trains a model of logits by Adam, whose learning rate is a number or a schedule."""
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(data, epochs=epochs, verbose=0, callbacks=callbacks)


class BestEpoch(keras.callbacks.Callback):
    """Ends training when the held-out accuracy has stopped to grow, at the best epoch's weights.

    Args:
        base: The model to look at, from features to logits.
        features: Held-out features.
        labels: Their labels.
        patience: Epochs without a better accuracy.
    """

    def __init__(
        self, base: keras.Model, features: np.ndarray, labels: np.ndarray, patience: int
    ) -> None:
        super().__init__()
        self.base, self.features, self.labels = base, features, labels
        self.patience = patience
        self.best, self.best_epoch = -1.0, 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        found = accuracy(self.base, self.features, self.labels)
        if found > self.best:
            self.best, self.best_epoch = found, epoch
            self.weights = self.base.get_weights()
        elif epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.base.set_weights(self.weights)


def accuracy(model: keras.Model, features: np.ndarray, labels: np.ndarray) -> float:
    """Returns the accuracy in percent."""
    parts = range(0, len(features), 1000)
    logits = [np.asarray(model(features[at : at + 1000], training=False)) for at in parts]
    return 100 * float(np.mean(np.concatenate(logits).argmax(axis=1) == labels))
