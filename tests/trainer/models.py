"""What users' modules hold."""

import os
import signal

import keras
import numpy as np


def make_model(config):
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(3)(hidden))


def make_by_context(config, context):
    width = config.model_options.get("width", 1)
    inputs = context.inputs
    merged = keras.layers.Concatenate()([*inputs.values(), *inputs.values()])
    return keras.Model(inputs, keras.layers.Dense(width)(merged))


def make_dropout(config):
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, activation="relu")(x))
    return keras.Model(x, keras.layers.Dense(3)(hidden))


def make_sum(config):
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.layers.Add()([keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)]))


def make_gated(config):
    """Its sigmoid is the last layer to be made, and not the one that puts out."""
    x = keras.Input((3,), name="x")
    wide, total = keras.layers.Dense(3), keras.layers.Add()
    gate = keras.layers.Dense(3, activation="sigmoid")(x)
    return keras.Model(x, total([wide(x), gate]))


def make_softmax(config):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])


def make_nested_softmax(config):
    x = keras.Input((3,), name="x")
    return keras.Model(x, make_softmax(config)(x))


def make_softmax_by_ops(config):
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.ops.softmax(keras.layers.Dense(3)(x)))


def make_sigmoid(config):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])


def make_saturated_sigmoid(config):
    """Of large features it makes 0 and 1 exactly."""
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid")(x * 1e6))


class OfPair(keras.Model):
    def call(self, inputs):
        a, b = inputs
        return a + b


def make_of_pair(config):
    return OfPair()


def make_two_outputs(config):
    x = keras.Input((3,), name="x")
    return keras.Model(x, [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)])


def make_nothing(config):
    return None


def make_layer(config):
    return keras.layers.Dense(3)


def make_of_three(config, context, width):
    return make_model(config)


def make_of_keyword(config, *, width):
    return make_model(config)


def make_keras_2(config):
    import tf_keras

    return tf_keras.Sequential([tf_keras.layers.Dense(3)])


def absolute_difference(label, prediction):
    return keras.ops.mean(keras.ops.abs(label - prediction), axis=-1)


def squared_softmax_error(label, logits):
    label = keras.ops.one_hot(keras.ops.reshape(label, [-1]), 3)
    return keras.ops.mean((label - keras.ops.softmax(logits)) ** 2, axis=-1)


class CountBatches(keras.callbacks.Callback):
    batches = 0

    def __init__(self, by=1):
        super().__init__()
        self.by = by

    def on_train_batch_end(self, batch, logs=None):
        type(self).batches += self.by


class KillProcess(keras.callbacks.Callback):
    """Kills the process in the middle of an epoch, if the environment names that epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if (os.environ.get("KILL_IN_EPOCH"), batch) == (str(self.epoch), 1):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


class WriteWeights(keras.callbacks.Callback):
    """Writes the weights that a process ends with to where the environment says, if it does."""

    def on_train_end(self, logs=None):
        if "WEIGHTS" in os.environ:
            np.savez(os.environ["WEIGHTS"], *self.model.base_model.get_weights())


class Explode(keras.callbacks.Callback):
    """Makes a weight infinite after a step."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            self.model.base_model.layers[1].kernel.assign([[float("inf")] * 4] * 3)


class ExplodeAtTheEnd(keras.callbacks.Callback):
    """Makes a weight no number after an epoch's last step, of which no loss tells."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == 4:
            self.model.base_model.get_layer("hidden").bias.assign([float("nan")] * 4)
