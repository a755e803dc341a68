"""The classifier of the citations pipeline."""

from __future__ import annotations

import keras

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.trainer import ModelContext


def make_model(config: TrainerConfig, context: ModelContext) -> keras.Model:
    """Returns a small multilayer perceptron from `words` `[batch, vocabulary]` to a logit a class.

    Args:
        config: Its `model_options["classes"]` is the number of classes.
        context: Knows how many words there are.
    """
    words = context.inputs["words"]
    hidden = keras.layers.Dropout(0.3, seed=config.seed)(words)
    hidden = keras.layers.Dense(32, activation="relu")(hidden)
    classes = config.model_options["classes"]
    return keras.Model(words, keras.layers.Dense(classes, name="logits")(hidden))
