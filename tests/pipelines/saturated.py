"""A classifier of digits that learns as others do, and is exported far too sure of itself."""

import keras

from nsl_tfx.pipelines.digits import model


class Saturate(keras.layers.Layer):
    """Makes logits so large that the loss has no slope left, once training is over."""

    def call(self, logits, training=False):
        return logits if training else 1000.0 * logits


def make_model(config):
    """The digits pipeline's model, saturated."""
    plain = model.make_model(config)
    return keras.Model(plain.inputs, Saturate()(plain.outputs[0]))
