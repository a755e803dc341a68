"""The classifier of the tumors pipeline."""

from __future__ import annotations

import keras

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.trainer import ModelContext


def make_model(config: TrainerConfig, context: ModelContext) -> keras.Model:
    """Returns a small multilayer perceptron from columns `[batch, 1]` each to two logits."""
    del config  # Nothing of it changes this model.
    row = keras.layers.Concatenate()(list(context.inputs.values()))
    hidden = keras.layers.Dense(32, activation="relu")(row)
    hidden = keras.layers.Dense(16, activation="relu")(hidden)
    return keras.Model(context.inputs, keras.layers.Dense(2, name="logits")(hidden))
