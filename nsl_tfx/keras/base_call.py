"""Calling a user's model with the inputs that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


def call_base(model: keras.Model, inputs: Any, training: bool = False, **kwargs: Any) -> Any:
    """Calls a model; of features by name, with those that it takes.

    A sequential or functional model gets the features that its inputs are named after, in their
    order, or the only feature where there is one input and one feature. A sequential model without
    a `keras.Input` gets the only feature, or a list of them by alphabet. Any other model gets the
    dict.

    Args:
        model: The model.
        inputs: Name to `[batch, ...]`; anything else is passed on as it is.
        training: Keras's training flag.
        kwargs: Passed on.

    Raises:
        ValueError: An input of the model has no feature of its name.
    """
    if isinstance(inputs, Mapping):
        inputs = _arrange(model, inputs)
    return model(inputs, training=training, **kwargs)


def input_names(model: keras.Model) -> list[str] | None:
    """Returns the names of a model's inputs, in order; None where it has no symbolic inputs."""
    # Only functional models, and sequential ones that know their input, have symbolic inputs.
    symbolic = getattr(model, "inputs", None)
    return [tensor.name for tensor in symbolic] if symbolic else None


def input_structure(model: keras.Model) -> Any:
    """Returns the symbolic inputs of a model that has such, in the container that it takes."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def output_layer(model: keras.Model) -> keras.Layer:
    """Returns the layer that makes the output of a model that has symbolic inputs."""
    history = model.outputs[0]._keras_history  # Keras has no public name for it.
    layer: keras.Layer = history.operation
    return layer


def taken_features(model: keras.Model, features: Mapping[str, Any]) -> list[str] | None:
    """Returns the names of the features that a model takes, in order; None where it takes a dict.

    Raises:
        ValueError: An input of the model has no feature of its name.
    """
    names = input_names(model)
    if names is None:
        return sorted(features) if isinstance(model, keras.Sequential) else None
    if len(names) == 1 and len(features) == 1:
        return [*features]
    structure = input_structure(model)
    if isinstance(structure, Mapping) and structure.keys() <= features.keys():
        # In the order in which TensorFlow lays a dict out.
        return sorted(structure)
    absent = [name for name in names if name not in features]
    if absent:
        raise ValueError(
            f"Expected a feature for each input of model {model.name!r}: {', '.join(names)}. "
            f"Missing: {', '.join(absent)}. Received: {', '.join(map(str, features))}. Name each "
            "keras.Input after its feature."
        )
    return names


def _arrange(model: keras.Model, features: Mapping[str, Any]) -> Any:
    names = taken_features(model, features)
    if names is None:
        return dict(features)
    values = [features[name] for name in names]
    if input_names(model) is None:
        return values[0] if len(values) == 1 else values
    return tf.nest.pack_sequence_as(input_structure(model), values)
