"""Calling a user's model with features by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


def call_by_name(model: keras.Model, features: Mapping[str, tf.Tensor], training: bool) -> Any:
    """Calls a model with those of the features that it takes.

    A sequential or functional model gets the features that its inputs are named after, in their
    order, or the only feature where there is one input and one feature. Any other model gets the
    dict.

    Args:
        model: The model.
        features: Name to `[batch, ...]`.
        training: Keras's training flag.

    Raises:
        ValueError: An input of the model has no feature of its name.
    """
    # Only functional models, and sequential ones that know their input, have symbolic inputs.
    symbolic = getattr(model, "inputs", None)
    if not symbolic:
        return model(dict(features), training=training)
    names = [tensor.name for tensor in symbolic]
    if len(names) == 1 and len(features) == 1:
        return model(next(iter(features.values())), training=training)
    absent = [name for name in names if name not in features]
    if absent:
        raise ValueError(
            f"Expected a feature for each input of model {model.name!r}: {', '.join(names)}. "
            f"Missing: {', '.join(absent)}. Received: {', '.join(features)}."
        )
    values = [features[name] for name in names]
    inputs = values[0] if len(values) == 1 else tf.nest.pack_sequence_as(model.input, values)
    return model(inputs, training=training)
