"""What the parts of `quality.py` train with, on Keras 3 and, in NSL's environment, on Keras 2."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from quality_part import Arrays


class BestEpoch(keras.callbacks.Callback):
    """Ends training when the held-out accuracy has stopped to grow; gives the best epoch's weights.

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


def accuracy(model: keras.Model, features: np.ndarray, labels: np.ndarray) -> float:
    """Returns the accuracy in percent."""
    parts = range(0, len(features), 1000)
    logits = [np.asarray(model(features[at : at + 1000], training=False)) for at in parts]
    return 100 * float(np.mean(np.concatenate(logits).argmax(axis=1) == labels))


def batches_with_neighbors(arrays: Arrays, feature: str, batch_size: int) -> tf.data.Dataset:
    """Returns what graph regularization trains on, shuffled anew each epoch.

    As tf.Examples that `pack_nbrs` wrote would be read; but the features are held once, and each
    batch takes its own and its neighbors'.

    Args:
        arrays: `x` and `y`, all features and labels; `weight`, the sample weights; `seeds`, the
            rows to train on; `neighbors` `[rows, count]`, each row's, and `neighbor_weights`.
        feature: The feature's name.
        batch_size: Seeds of a batch.
    """
    columns = {name: tf.constant(value) for name, value in arrays.items()}
    count = arrays["neighbors"].shape[1]

    def pack(rows: tf.Tensor) -> Any:
        features = {feature: tf.gather(columns["x"], rows)}
        for i in range(count):
            theirs = tf.gather(columns["neighbors"][:, i], rows)
            features[f"NL_nbr_{i}_{feature}"] = tf.gather(columns["x"], theirs)
            weights = columns["neighbor_weights"][:, i : i + 1]
            features[f"NL_nbr_{i}_weight"] = tf.gather(weights, rows)
        return features, tf.gather(columns["y"], rows), tf.gather(columns["weight"], rows)

    seeds = arrays["seeds"]
    return tf.data.Dataset.from_tensor_slices(seeds).shuffle(len(seeds)).batch(batch_size).map(pack)
