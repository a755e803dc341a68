import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from nsl_tfx import lib
from nsl_tfx.configs import AdvNeighborConfig, DistanceConfig, VirtualAdvConfig
from nsl_tfx.lib.norms import random_normal

STEP = 0.1
# One direction counts four times as much as the next, so that power iteration soon finds it.
LEFT, _, RIGHT = np.linalg.svd(np.random.default_rng(0).normal(size=(5, 4)), full_matrices=False)
WEIGHTS = LEFT * [4, 1, 0.5, 0.2] @ RIGHT


def linear(dtype=tf.float64):
    return lambda x: x @ tf.constant(WEIGHTS, dtype)


def config_of(distance, norm="l2", steps=6, mask=None):
    return VirtualAdvConfig(
        adv_neighbor_config=AdvNeighborConfig(mask, STEP, norm),
        distance_config=distance,
        num_approx_steps=steps,
    )


SQUARED = DistanceConfig(reduction="weighted_sum")
KL = DistanceConfig("kl_divergence", "weighted_sum", -1, "softmax")


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("traced", [False, True])
def test_finds_the_most_sensitive_direction(dtype, traced):
    """Of a linear model and the squared distance that is the first singular vector."""
    x = tf.zeros([3, 5], dtype)

    def run(x):
        return lib.virtual_adv_regularizer(x, linear(dtype), config_of(SQUARED))

    found = (tf.function(run) if traced else run)(x)
    np.testing.assert_allclose(found, 3 * (STEP * 4) ** 2, rtol=1e-3)


def test_one_power_iteration_in_float32_is_exact():
    """Against the difference quotient in float64, where it is not yet noise."""
    x = np.random.default_rng(1).normal(size=(2, 5))
    seen = []

    def embed(features):
        seen.append(features.numpy())
        return tf.cast(features, tf.float32) @ tf.constant(WEIGHTS, tf.float32)

    features = tf.constant(x, tf.float32)
    lib.virtual_adv_regularizer(features, embed, config_of(KL, steps=1), seed=[5, 0])
    found = (seen[-1] - x) / STEP
    start = random_normal({"x": features}, [5, 0])["x"].numpy().astype(np.float64)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    xi = 1e-4

    def slope(r):
        p, q = softmax(x @ WEIGHTS, -1), softmax((x + r) @ WEIGHTS, -1)
        return (q - p) @ WEIGHTS.T

    expected = slope(xi * start)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosine = (found * expected).sum(1)
    np.testing.assert_allclose(cosine, 1, atol=1e-3)


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine", "kl_divergence"])
def test_every_distance_beats_a_random_direction(distance):
    transform = "softmax" if distance == "kl_divergence" else "none"
    measured = DistanceConfig(distance, "weighted_sum", -1, transform)
    x = tf.constant(np.random.default_rng(2).normal(size=(50, 5)))
    found = lib.virtual_adv_regularizer(x, linear(), config_of(measured, steps=3))
    noise = lib.normalize(tf.random.normal([50, 5], dtype=tf.float64, seed=3), "l2")
    random = lib.pairwise_distance_wrapper(
        linear()(x), linear()(x + STEP * noise), distance_config=measured
    )
    assert float(found) > float(random) > 0


@pytest.mark.parametrize("norm", ["l1", "l2", "infinity"])
def test_the_perturbation_has_the_size_of_the_step(norm):
    x = tf.constant(np.random.default_rng(2).normal(size=(3, 5)))
    seen = []

    def embed(features):
        seen.append(features)
        return linear()(features)

    lib.virtual_adv_regularizer(x, embed, config_of(SQUARED, norm))
    order = {"l1": 1, "l2": 2, "infinity": np.inf}[norm]
    sizes = np.linalg.norm(seen[-1] - x, order, axis=1)
    np.testing.assert_allclose(sizes, STEP, rtol=1e-6)


def test_masked_features_do_not_move():
    seen = []

    def embed(features):
        seen.append(features)
        return features["a"] + 100 * features["b"]

    x = {"a": tf.ones([2, 1]), "b": tf.ones([2, 1]), "word": tf.constant([["u"], ["v"]])}
    lib.virtual_adv_regularizer(x, embed, config_of(SQUARED, mask={"b": 0.0}))
    np.testing.assert_array_equal(seen[-1]["b"], x["b"])
    assert np.all(seen[-1]["a"] != x["a"])
    assert seen[-1]["word"] is x["word"]


def test_the_weights_learn_from_the_moved_side_alone():
    weights = tf.Variable(WEIGHTS)
    x = tf.constant(np.random.default_rng(4).normal(size=(3, 5)))
    with tf.GradientTape() as tape:
        value = lib.virtual_adv_regularizer(x, lambda x: tf.tanh(x @ weights), config_of(SQUARED))
    gradient = tape.gradient(value, weights)
    assert np.any(gradient != 0)


def test_a_given_embedding_is_the_anchor():
    x = tf.zeros([1, 5], tf.float64)
    far = tf.constant(np.full([1, 4], 10.0))
    found = lib.virtual_adv_regularizer(x, linear(), config_of(SQUARED), embedding=far)
    assert float(found) > 100


def test_nothing_to_perturb_is_named():
    with pytest.raises(ValueError, match="Received: n"):
        lib.virtual_adv_regularizer({"n": tf.constant([[1]])}, linear(), config_of(SQUARED))


def test_adv_regularizer_compares_with_the_targets():
    def model_fn(x, is_train, reuse):
        assert not is_train
        assert reuse
        return 2 * x

    loss = lib.adv_regularizer(
        tf.constant([3.0]), tf.constant([5.0]), model_fn, lambda y, p: tf.reduce_sum(p - y)
    )
    assert float(loss) == 1.0
