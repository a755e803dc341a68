"""Attacks against the exact robust accuracy of a small network, by mixed-integer programming."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import Bounds, LinearConstraint, milp

from nsl_tfx.attacks import APGD
from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness import ModelUnderTest, evaluate

HIDDEN, ROWS = 12, 150


@pytest.fixture(scope="module")
def network():
    """Images, labels and weights of a network that reads digits well."""
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    order = np.random.default_rng(1).permutation(len(data.target))
    image = (data.data / 16).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(HIDDEN, "relu"), keras.layers.Dense(10)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train, test = order[:1200], order[1200 : 1200 + ROWS]
    model.fit(image[train], data.target[train], epochs=30, batch_size=32, verbose=0)
    weights = [weight.astype(np.float64) for weight in model.get_weights()]
    return image[test], data.target[test], weights


def lowest_margin(x, label, other, weights, epsilon):
    """Returns the smallest difference of two logits within the ball and the box.

    A hidden unit `h = max(a, 0)` with `low <= a <= high` is `h >= a`, `h >= 0`,
    `h <= a - low * (1 - b)` and `h <= high * b`, with `b` 0 or 1.
    """
    first, first_bias, second, second_bias = weights
    floor, ceiling = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    middle, radius = (floor + ceiling) / 2, (ceiling - floor) / 2
    a = middle @ first + first_bias
    reach = radius @ np.abs(first)
    low, high = np.minimum(a - reach, 0), np.maximum(a + reach, 0)
    n, m = len(x), len(a)
    one, none = np.eye(m), np.zeros((m, m))
    constraints = [
        LinearConstraint(np.hstack([first.T, -one, none]), -np.inf, -first_bias),
        LinearConstraint(np.hstack([-first.T, one, -np.diag(low)]), -np.inf, first_bias - low),
        LinearConstraint(np.hstack([np.zeros((m, n)), one, -np.diag(high)]), -np.inf, 0),
    ]
    slope = second[:, label] - second[:, other]
    found = milp(
        np.concatenate([np.zeros(n), slope, np.zeros(m)]),
        constraints=constraints,
        integrality=np.concatenate([np.zeros(n + m), np.ones(m)]),
        bounds=Bounds(
            np.concatenate([floor, np.zeros(2 * m)]), np.concatenate([ceiling, high, np.ones(m)])
        ),
    )
    assert found.success, found.message
    return found.fun + second_bias[label] - second_bias[other]


def is_robust(x, label, weights, epsilon):
    """Returns whether no point of the ball gives another class a higher logit."""
    others = set(range(10)) - {label}
    # A margin of a rounding error may fall on either side.
    return all(lowest_margin(x, label, other, weights, epsilon) > -1e-5 for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.05, 0.1, 0.15])
def test_targets_find_what_can_be_found(network, epsilon):
    """What is fooled is shown to be; of what is not, no more than 1 % could be."""
    image, label, weights = network
    first, first_bias, second, second_bias = (tf.constant(w, tf.float32) for w in weights)
    model = ModelUnderTest(
        lambda f: tf.nn.relu(f["image"] @ first + first_bias) @ second + second_bias,
        {"image": tf.TensorSpec([None, 64], tf.float32)},
    )
    config = RobustnessConfig(
        features=("image",),
        label_feature="label",
        epsilon=epsilon,
        clip_value_min=0.0,
        clip_value_max=1.0,
        attacks=("apgd_t",),
        curve=(),
    )
    found = evaluate(model, {"image": image, "label": label}, config).model
    robust = found.rows.robust_at(epsilon)
    missed = [
        row
        for row in np.flatnonzero(robust)
        if not is_robust(image[row].astype(np.float64), label[row], weights, epsilon)
    ]
    assert 0 < robust.sum() < found.rows.correct.sum()
    assert len(missed) <= 0.01 * ROWS


def test_the_program_knows_what_a_point_shows(network):
    """The reference itself: no point that an attack finds lies below its lowest margin."""
    image, label, weights = network
    first, first_bias, second, second_bias = weights
    for row, epsilon in ((0, 0.02), (1, 0.1)):
        x, y = image[row].astype(np.float64), label[row]
        other = (y + 1) % 10

        def margin(z, y=y, other=other):
            hidden = tf.nn.relu(z @ first + first_bias)
            logits = hidden @ second + second_bias
            return logits[:, other] - logits[:, y]

        attack = APGD(epsilon=epsilon, clip_value_min=0.0, clip_value_max=1.0, steps=100)
        point = attack(lambda z: margin(z["x"]), {"x": tf.constant(x[None])})["x"]
        lowest = lowest_margin(x, y, other, weights, epsilon)
        assert -1e-6 <= -margin(point)[0].numpy() - lowest < 0.2
