"""The adversarial loss of a training loop of one's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import adversarial_loss

STEP = 0.2
CONFIG = configs.make_adv_reg_config(adv_step_size=STEP, adv_grad_norm="infinity")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3)).astype("float32")
Y = RNG.normal(size=(5, 1)).astype("float32")
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 1.0], "float32")


def make_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(1)])


def expected(model, weights=None):
    """A linear model's squared error grows along the kernel's sign, outward."""
    kernel = model.layers[0].kernel.numpy()
    error = X @ kernel - Y
    moved = X + STEP * np.sign(error) * np.sign(kernel).T
    losses = ((moved @ kernel - Y) ** 2)[:, 0]
    return np.mean(losses * (1 if weights is None else weights))


def squared(labels, predictions):
    return tf.reduce_mean((labels - predictions) ** 2, axis=-1)


def squared_with_weights(labels, predictions, sample_weight=None):
    losses = squared(labels, predictions)
    return losses if sample_weight is None else losses * sample_weight


LOSSES = {
    "name": "mse",
    "object": keras.losses.MeanSquaredError(),
    "keras_function": keras.losses.mean_squared_error,
    "function": squared,
    "function_of_weights": squared_with_weights,
    "function_to_a_scalar": lambda y, p: tf.reduce_mean((y - p) ** 2),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", ["tensor", "dict", "list"])
def test_every_form(loss, form):
    model = make_model()
    features = {"tensor": X, "dict": {"x": X}, "list": [X]}[form]
    predict = (lambda x: model(x[0])) if form == "list" else model
    found = adversarial_loss(features, Y, predict, LOSSES[loss], adv_config=CONFIG)
    np.testing.assert_allclose(found, expected(model), rtol=1e-5)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "function_to_a_scalar"])
@pytest.mark.parametrize("shape", [(5,), (5, 1)], ids=str)
def test_weights(loss, shape):
    model = make_model()
    weights = WEIGHTS.reshape(shape)
    if loss == "function_of_weights" and shape == (5, 1):
        weights = WEIGHTS
    found = adversarial_loss(X, Y, model, LOSSES[loss], weights, CONFIG)
    np.testing.assert_allclose(found, expected(model, WEIGHTS), rtol=1e-5)


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("given", ["tape", "predictions", "loss"])
def test_what_is_at_hand_is_used(given, persistent):
    model, x, calls = make_model(), tf.constant(X), []

    def count(features):
        calls.append(features)
        return model(features)

    kwargs = {}
    with tf.GradientTape(persistent=persistent) as tape:
        tape.watch(x)
        if given != "tape":
            kwargs["predictions"] = model(x)
        if given == "loss":
            kwargs["labeled_loss"] = tf.reduce_mean(squared(Y, kwargs["predictions"]))
    found = adversarial_loss(x, Y, count, "mse", adv_config=CONFIG, gradient_tape=tape, **kwargs)
    np.testing.assert_allclose(found, expected(model), rtol=1e-5)
    assert len(calls) == (2 if given == "tape" else 1)


@pytest.mark.slow
def test_a_training_loop():
    """As NSL's guide writes it: inside the tape that the weights' gradient is taken from."""
    model, optimizer = make_model(), keras.optimizers.SGD(0.1)
    losses = []

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(squared(Y, model(X)))
            loss += 0.2 * adversarial_loss({"x": X}, Y, model, "mse", adv_config=CONFIG)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    losses = [float(step()) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_arguments_for_the_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.999)])
    zeros = np.zeros([5, 3], "float32")
    kept, dropped = (
        adversarial_loss(X, zeros, model, "mse", model_kwargs={"training": training})
        for training in (False, True)
    )
    np.testing.assert_allclose(kept, np.mean(X**2), rtol=1e-2)
    assert not np.isclose(kept, dropped, rtol=1e-1)


def test_several_steps():
    model = make_model()
    config = configs.make_adv_reg_config(
        adv_step_size=STEP, adv_grad_norm="infinity", pgd_iterations=3, pgd_epsilon=2 * STEP
    )
    one, three = (adversarial_loss(X, Y, model, "mse", adv_config=c) for c in (CONFIG, config))
    assert three > one
