"""Models that compute in half or double precision."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import AttackBudget, NormType, RobustnessConfig
from nsl_tfx.robustness import ModelUnderTest, Verdict, evaluate
from nsl_tfx.robustness.attacking.threat import Threat

DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
CONFIG = RobustnessConfig(
    features=("x",), label_feature="y", epsilon=0.125, curve=(), attacks=("fgsm",)
)
WEIGHTS = np.random.default_rng(0).normal(size=(4, 3))
X = np.random.default_rng(1).uniform(-1, 1, (40, 4))
DATA = {"x": X, "y": (X @ WEIGHTS).argmax(axis=1)}


def linear(inputs, outputs):
    def logits(features):
        return tf.cast(tf.cast(features["x"], tf.float64) @ tf.constant(WEIGHTS), outputs)

    return ModelUnderTest(logits, {"x": tf.TensorSpec([None, 4], inputs)})


def least_margin(epsilon):
    """How far the label's logit stays ahead anywhere in the infinity norm's ball."""
    rows, logits = np.arange(len(X)), X @ WEIGHTS
    ahead = logits[rows, DATA["y"]][:, None] - logits
    reach = epsilon * np.abs(WEIGHTS[:, DATA["y"]].T[:, :, None] - WEIGHTS).sum(axis=1)
    ahead[rows, DATA["y"]] = np.inf
    return (ahead - reach).min(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", DTYPES, ids=lambda dtype: f"to_{dtype.name}")
@pytest.mark.parametrize("inputs", DTYPES, ids=lambda dtype: dtype.name)
def test_attacks_know_every_precision(inputs, outputs):
    config = CONFIG.replace(
        attacks=("noise", "fgsm", "pgd", "apgd_dlr", "square"),
        clip_value_min=-1.0,
        clip_value_max=1.0,
        budget=AttackBudget(noise_draws=2, steps=2, restarts=1, apgd_steps=2, square_queries=4),
    )
    result = evaluate(linear(inputs, outputs), DATA, config)
    assert result.verdict is Verdict.PASS, result.reason
    robust = result.model.rows.robust_at(0.125)
    # What is this far from the boundary is robust, however all is rounded.
    assert robust[least_margin(0.15) > 0].all()
    assert robust.sum() < result.model.accuracy.count


def threat(norm=NormType.INFINITY):
    return Threat.of(CONFIG.replace(norm=norm, clip_value_min=-9.0, clip_value_max=1.2))


@pytest.mark.parametrize("norm", NormType, ids=lambda norm: norm.value)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_rounding_to_the_own_dtype_is_no_offence(dtype, norm):
    kind = dtype.as_numpy_dtype
    x = X.astype(kind)
    delta = np.random.default_rng(2).normal(size=X.shape)
    delta /= np.linalg.norm(delta, {"infinity": np.inf, "l2": 2, "l1": 1}[norm.value], 1)[:, None]

    def invalid(length, value=x):
        there = (value.astype(np.float64) + length * delta).astype(kind)
        return threat(norm).find_invalid({"x": value}, {"x": there}, np.full(len(x), 0.125))

    assert not invalid(0.125).any()
    # Of bfloat16, 1 and 1.008 are neighbors.
    assert invalid(0.35 if dtype == tf.bfloat16 else 0.15).all()
    assert invalid(0.125, np.full_like(x, 1.6)).all()


def test_a_tolerance_is_no_larger_than_the_dtype_needs():
    for dtype, moved, valid in [
        (np.float16, 0.127, True),
        (np.float32, 0.127, False),
        (np.float32, 0.12501, True),
        (np.float64, 0.1251, False),
    ]:
        x = {"x": np.zeros((1, 4), dtype)}
        point = {"x": np.full((1, 4), moved, dtype)}
        assert threat().find_invalid(x, point, np.array([0.125])).tolist() == [not valid]


def test_a_point_that_is_not_finite_is_never_valid():
    for dtype in DTYPES:
        x = {"x": np.zeros((1, 4), dtype.as_numpy_dtype)}
        for value in (np.nan, np.inf, -np.inf):
            point = {"x": np.full((1, 4), value, dtype.as_numpy_dtype)}
            assert threat().find_invalid(x, point, np.array([0.125])).all()


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_probabilities_of_any_precision_are_told_from_logits(dtype, classes):
    weights = tf.constant(np.random.default_rng(3).normal(size=(4, classes)))

    def under_test(output):
        def function(features):
            return output(tf.cast(tf.cast(features["x"], tf.float64) @ weights, dtype))

        return ModelUnderTest(function, {"x": tf.TensorSpec([None, 4], tf.float32)})

    data = {"x": X, "y": (X @ weights.numpy()).argmax(axis=1)}
    for output, passed in ((tf.nn.softmax, False), (tf.identity, True), (tf.sigmoid, True)):
        result = evaluate(under_test(output), data, CONFIG)
        (check,) = [check for check in result.model.checks if check.name.startswith("C2")]
        assert check.passed is passed
