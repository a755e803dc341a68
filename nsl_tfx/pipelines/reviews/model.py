"""The classifier of the reviews pipeline."""

from __future__ import annotations

import keras

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.trainer import ModelContext


def make_model(config: TrainerConfig, context: ModelContext) -> keras.Model:
    """Returns a small multilayer perceptron from `words` `[batch, vocabulary]` to two logits."""
    del config  # Nothing of it changes this model.
    words = context.inputs["words"]
    hidden = keras.layers.Dense(32, activation="relu")(words)
    return keras.Model(words, keras.layers.Dense(2, name="logits")(hidden))
