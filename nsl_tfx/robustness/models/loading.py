"""From whatever a user calls a model to what is attacked."""

from __future__ import annotations

import os
import zipfile
from typing import Any, TypeAlias, TypeGuard

import keras

from nsl_tfx.robustness.models.keras_model import from_keras
from nsl_tfx.robustness.models.model import ModelUnderTest, load_model

AnyModel: TypeAlias = str | os.PathLike[str] | ModelUnderTest | keras.Model
"""A SavedModel's folder, a Keras model or its file, or a function that says what it takes."""

_KERAS_FILE = ".keras"


def as_model(model: AnyModel, features: tuple[str, ...]) -> ModelUnderTest:
    """Returns what is attacked of a model of any kind.

    Args:
        model: The model.
        features: The features to attack.

    Raises:
        OSError: No SavedModel is at the path.
        TypeError: It is no model.
        ValueError: The file holds no Keras model, or one of layers that are not known.
        UnusableModelError: The model cannot be attacked.
    """
    if isinstance(model, ModelUnderTest):
        return model
    if isinstance(model, keras.Model):
        return from_keras(model, features)
    if is_keras_file(model):
        return from_keras(_read_keras(os.fspath(model)), features)
    if isinstance(model, (str, os.PathLike)):
        return load_model(model, features)
    raise TypeError(_not_a_model(model))


def is_keras_file(model: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether this is the path of a file such as a Keras model's `save` writes.

    Example:
        >>> is_keras_file("best.keras"), is_keras_file("serving")
        (True, False)
    """
    return isinstance(model, (str, os.PathLike)) and os.fspath(model).endswith(_KERAS_FILE)


def _read_keras(path: str) -> keras.Model:
    try:
        # What it was trained with is not asked, and may be of the user's own making.
        return keras.models.load_model(path, compile=False)
    # Keras tells of unknown layers by a TypeError of many lines.
    except (TypeError, ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0].strip().rstrip(".")
        raise ValueError(
            f"Expected {path!r} to be a Keras model that this Python knows the layers of. "
            f"Received: {reason}. Load it yourself, and pass the model, or export it as a "
            "SavedModel by model.export(folder)."
        ) from None


def _not_a_model(model: Any) -> str:
    return (
        "Expected a model: a SavedModel's folder, a .keras file, a keras.Model or a "
        "ModelUnderTest. Received: "
        f"{type(model).__name__}; of a plain function make ModelUnderTest(function, inputs)."
    )
