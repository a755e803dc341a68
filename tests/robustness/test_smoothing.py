"""Certificates against linear models, whose smoothed form is known, and SciPy's binomial test."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import binomtest, norm

from nsl_tfx.configs import SmoothingConfig
from nsl_tfx.robustness.attacking.smoothing import (
    ABSTAINED,
    binomial_lower_bound,
    certify,
    count_classes,
)

ROWS = 40
RNG = np.random.default_rng(0)
X = {
    "a": tf.constant(RNG.normal(size=(ROWS, 3)), tf.float32),
    "b": tf.constant(RNG.normal(size=(ROWS, 2, 1)), tf.float32),
}
A, B = RNG.normal(size=3).astype(np.float32), RNG.normal(size=(2, 1)).astype(np.float32)
SEEDS = RNG.integers(-(2**31), 2**31, (ROWS, 2), dtype=np.int32)
SIGMA = 0.5
CONFIG = SmoothingConfig(sigma=SIGMA)


def predict(x):
    value = tf.reduce_sum(A * x["a"], 1) + tf.reduce_sum(B * x["b"], (1, 2))
    return tf.stack([tf.zeros_like(value), value], axis=1)


def signed_distance():
    """From the hyperplane, which is also the smoothed model's, by the symmetry of the noise."""
    return predict(X)[:, 1].numpy() / np.linalg.norm([*A, *B.ravel()])


def test_radii_are_below_the_exact_ones_and_close():
    found = certify(predict, X, SmoothingConfig(sigma=SIGMA, samples=10_000), SEEDS)
    distance = signed_distance()
    certified = found.classes != ABSTAINED
    assert certified.mean() > 0.7
    np.testing.assert_array_equal(found.classes[certified], distance[certified] > 0)
    assert np.all(found.radius <= np.abs(distance))
    # What 10,000 draws can tell ends at 0.0007 of the distribution.
    near = certified & (np.abs(distance) < 2 * SIGMA)
    assert near.sum() > 10
    assert np.all(found.radius[near] >= 0.85 * np.abs(distance[near]) - 0.05 * SIGMA)
    assert np.all(np.abs(distance[~certified]) < 0.1 * SIGMA)
    np.testing.assert_array_equal(found.radius[~certified], 0)


def test_counts_follow_the_normal_distribution():
    counts = count_classes(predict, X, SIGMA, tf.constant(SEEDS), 2000).numpy()
    np.testing.assert_array_equal(counts.sum(axis=1), 2000)
    expected = norm.cdf(signed_distance() / SIGMA)
    deviation = np.sqrt(expected * (1 - expected) / 2000)
    assert np.all(np.abs(counts[:, 1] / 2000 - expected) <= 4.5 * deviation + 1e-3)


@pytest.mark.parametrize("total", [1, 10, 1000])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_bound_is_the_one_of_the_binomial_test(total, alpha):
    hits = np.unique(np.linspace(0, total, 11).astype(int))
    expected = [
        binomtest(int(k), total, alternative="greater").proportion_ci(1 - alpha).low for k in hits
    ]
    np.testing.assert_allclose(binomial_lower_bound(hits, total, alpha), expected, atol=1e-12)


def test_a_row_does_not_depend_on_the_batch():
    some = np.array([30, 2, 11])
    part = certify(predict, {k: tf.gather(v, some) for k, v in X.items()}, CONFIG, SEEDS[some])
    whole = certify(predict, X, CONFIG, SEEDS)
    np.testing.assert_array_equal(part.classes, whole.classes[some])
    np.testing.assert_array_equal(part.radius, whole.radius[some])


def test_logits_that_are_not_finite_certify_nothing():
    found = certify(lambda x: predict(x) * np.nan, X, CONFIG.replace(samples=20), SEEDS)
    assert np.all(found.classes == ABSTAINED)
    assert np.all(found.radius == 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"sigma": 0.3},
        {"seed": (1, 2)},
        {"samples": 300},
        {"alpha": 0.05},
        {"selection": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_setting_changes_the_result(changes):
    plain = CONFIG.replace(samples=200)
    first = certify(predict, X, plain, SEEDS)
    seed = changes.pop("seed", SEEDS)
    second = certify(predict, X, plain.replace(**changes), seed)
    assert np.any(first.radius != second.radius)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma": 0.0}, "sigma > 0.*sigma=0.0"),
        ({"selection": 0}, "selection >= 1.*selection=0"),
        ({"samples": 0}, "samples >= 1.*samples=0"),
        ({"alpha": 1.0}, "alpha > 0 and < 1.*alpha=1.0"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        CONFIG.replace(**settings)
