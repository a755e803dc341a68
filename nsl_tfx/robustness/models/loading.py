"""From whatever a user calls a model to what is attacked."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import keras

from nsl_tfx.robustness.models.keras_model import from_keras
from nsl_tfx.robustness.models.model import ModelUnderTest, load_model

AnyModel: TypeAlias = str | os.PathLike[str] | ModelUnderTest | keras.Model
"""A SavedModel's folder, a function that says what it takes, or a Keras model in memory."""


def as_model(model: AnyModel, features: tuple[str, ...]) -> ModelUnderTest:
    """Returns what is attacked of a model of any kind.

    Args:
        model: The model.
        features: The features to attack.

    Raises:
        OSError: No SavedModel is at the path.
        TypeError: It is no model.
        UnusableModelError: The model cannot be attacked.
    """
    if isinstance(model, ModelUnderTest):
        return model
    if isinstance(model, keras.Model):
        return from_keras(model, features)
    if isinstance(model, (str, os.PathLike)):
        return load_model(model, features)
    raise TypeError(_not_a_model(model))


def _not_a_model(model: Any) -> str:
    return (
        "Expected a model: a SavedModel's folder, a keras.Model or a ModelUnderTest. Received: "
        f"{type(model).__name__}; of a plain function make ModelUnderTest(function, inputs)."
    )
