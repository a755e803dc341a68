"""The classifier of the digits pipeline."""

from __future__ import annotations

import keras

from nsl_tfx.configs import TrainerConfig


def make_model(config: TrainerConfig) -> keras.Model:
    """Returns a small multilayer perceptron from `image` `[batch, 64]` to ten logits."""
    del config  # Nothing of it changes this model.
    image = keras.Input((64,), name="image")
    hidden = keras.layers.Dense(128, activation="relu")(image)
    hidden = keras.layers.Dense(64, activation="relu")(hidden)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(hidden), name="digits")
