"""Honest models of several kinds pass every check, by the attacks and the curve that users get."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from nsl_tfx.configs import AttackBudget, RobustnessConfig
from nsl_tfx.robustness import Verdict, evaluate

pytestmark = pytest.mark.slow

# The preset `standard`, with less of each attack.
CONFIG = RobustnessConfig(
    features=("x",),
    label_feature="y",
    epsilon=0.1,
    budget=AttackBudget(steps=20, restarts=2, apgd_steps=30, apgd_targets=4, square_queries=300),
)
PIXELS = CONFIG.replace(clip_value_min=0.0, clip_value_max=1.0)


def train(network, x, y, epochs):
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return network


def small_cnn(digits):
    images, labels = digits.train
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="x"),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    train(network, images.reshape(-1, 8, 8, 1), labels, 12)
    return network, {"x": digits.image.reshape(-1, 8, 8, 1), "y": digits.label}, PIXELS


def tumours(digits):
    del digits
    data = pytest.importorskip("sklearn.datasets").load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(data.target))
    learnt, asked = order[:369], order[369:]
    mean, deviation = data.data[learnt].mean(axis=0), data.data[learnt].std(axis=0)
    x = ((data.data - mean) / deviation).astype(np.float32)
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((30,), name="x"),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(2),
        ]
    )
    train(network, x[learnt], data.target[learnt], 30)
    return network, {"x": x[asked], "y": data.target[asked]}, CONFIG


def very_sure(digits):
    model = digits.under_test(lambda x: 3 * digits.logits(x))
    config = PIXELS.replace(features=("image",), label_feature="label")
    return model, digits.data(), config


@pytest.mark.parametrize("make", [small_cnn, tumours, very_sure], ids=lambda make: make.__name__)
def test_an_honest_model_passes_every_check(digits, make):
    model, data, config = make(digits)
    result = evaluate(model, data, config)
    assert result.verdict is Verdict.PASS, result.reason
    assert [c.message for c in result.model.checks if c.passed is False] == []
    assert result.model.accuracy.value > 0.9
    # The attacks had something to find, so that checks had something to judge.
    assert result.model.robust_accuracy.value < result.model.accuracy.value - 0.03
