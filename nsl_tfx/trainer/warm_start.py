"""Beginning from the weights of a model that was exported before."""

from __future__ import annotations

import keras
import tensorflow as tf
from absl import logging


def copy_weights(path: str, model: keras.Model) -> None:
    """Sets a model's weights to those of an exported model of the same architecture.

    Args:
        path: Folder of a SavedModel that `export_model` or `keras.Model.export` wrote.
        model: Built.

    Raises:
        ValueError: There is no such model, or it has other weights.
    """
    try:
        loaded = tf.saved_model.load(path)
        exported = list(loaded.variables)
    except (OSError, AttributeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            "Expected Trainer(base_model=...) to be a model that this trainer exported. Received: "
            f"{path} ({error})."
        ) from error
    own = model.variables
    shapes = [[tuple(variable.shape) for variable in variables] for variables in (own, exported)]
    if shapes[0] != shapes[1]:
        differing = next(
            (f"{a} and {b}" for a, b in zip(*shapes, strict=False) if a != b),
            f"{len(own)} and {len(exported)} of them",
        )
        raise ValueError(
            "Expected Trainer(base_model=...) to have the weights of what model_fn makes. Their "
            f"shapes differ: {differing}. Leave base_model out to begin anew, or let model_fn make "
            f"the same layers. Received: {path}."
        )
    for variable, weights in zip(own, exported, strict=True):
        variable.assign(tf.cast(weights, variable.dtype))
    logging.info("Beginning from the weights in %s.", path)
