"""Keras models that train with structure and predict without it.

Raises:
    ImportError: Keras runs on another backend than TensorFlow.
"""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "Expected Keras on the TensorFlow backend, which TFX needs too. Received: "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

from nsl_tfx.keras import layers
from nsl_tfx.keras.regularized_model import RegularizedModel

__all__ = ["RegularizedModel", "layers"]
