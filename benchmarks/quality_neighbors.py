"""How Cora and the reviews train: few rows have a label, and neighbors may tell of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from quality_part import Arrays, Method, rows_of
from quality_training import BestEpoch, fit

FEATURE = "x"
"""The name of a model's input."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeighborsMethod(Method):
    """How a network of two layers is trained.

    Attributes:
        dropout: Of the hidden layer.
        weight_decay: The first layer's.
        epochs: At most.
        patience: Epochs without a better accuracy on val.
        neighbors: Packed with each seed; 0 for none.
        multiplier: Weight of the graph term.
        label_copies: How often a labelled row comes in an epoch in which the others come once; 0
            leaves the others out.
    """

    hidden: int
    dropout: float = 0.5
    weight_decay: float
    learning_rate: float = 0.01
    batch_size: int
    epochs: int
    patience: int
    neighbors: int = 0
    multiplier: float = 0.0
    label_copies: int = 0


def train_with_neighbors(
    nsl: Any, method: NeighborsMethod, model: keras.Model, arrays: Arrays, epochs: int
) -> None:
    """Trains the model to the weights of the epoch that is best on val."""
    trained = model
    if method.neighbors:
        config = nsl.configs.make_graph_reg_config(
            max_neighbors=method.neighbors,
            multiplier=method.multiplier,
            distance_type="l2",
            transform_fn="softmax",
            sum_over_axis=-1,
        )
        trained = nsl.keras.GraphRegularization(model, config)
    best = BestEpoch(model, *rows_of(arrays, "val"), method.patience)
    fit(trained, batches_of(method, arrays), epochs, method.learning_rate, [best])


def batches_of(method: NeighborsMethod, arrays: Arrays) -> tf.data.Dataset:
    """Returns an epoch's seeds with their neighbors, shuffled anew each time.

    As tf.Examples that `pack_nbrs` wrote would be read; but the features are held once, and each
    batch takes its own and its neighbors'. What has no label weighs nothing in the loss.

    Args:
        method: Tells the seeds, and how many make a batch.
        arrays: `x` and `y` of all rows; `labelled`, the rows whose label is known; `training`, the
            rows to train on; `neighbors` `[rows, count]`, each row's, and `neighbor_weights`.
    """
    seeds = labelled = arrays["labelled"]
    if method.label_copies:
        seeds = np.concatenate([arrays["training"], np.repeat(labelled, method.label_copies - 1)])
    x, y, neighbors, nearness = (
        tf.constant(arrays[name]) for name in ("x", "y", "neighbors", "neighbor_weights")
    )
    known = tf.constant(np.isin(np.arange(len(arrays["y"])), labelled).astype(np.float32))

    def pack(rows: tf.Tensor) -> Any:
        features = {FEATURE: tf.gather(x, rows)}
        for i in range(method.neighbors):
            features[f"NL_nbr_{i}_{FEATURE}"] = tf.gather(x, tf.gather(neighbors[:, i], rows))
            features[f"NL_nbr_{i}_weight"] = tf.gather(nearness[:, i : i + 1], rows)
        return features, tf.gather(y, rows), tf.gather(known, rows)

    data = tf.data.Dataset.from_tensor_slices(seeds).shuffle(len(seeds))
    return data.batch(method.batch_size).map(pack)
