import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial import distance
from scipy.special import rel_entr, softmax

from nsl_tfx import lib
from nsl_tfx.configs import DistanceConfig

SOURCES = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
TARGETS = np.array([[0.5, 0.25, 0.25], [0.6, 0.3, 0.1]])


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize(
    ("reduction", "weights", "per_element", "per_vector"),
    [
        ("weighted_sum_by_nonzero_weights", [[1.0], [0.0]], 1.0, 2.0),
        ("weighted_mean", [[1.0], [0.0]], 1.0, 2.0),
        ("weighted_sum_over_batch_size", [[1.0], [0.0]], 0.5, 1.0),
        ("weighted_sum", [[1.0], [0.0]], 2.0, 2.0),
        ("weighted_sum_by_nonzero_weights", [[0.5], [0.0]], 0.5, 1.0),
        ("weighted_mean", [[0.5], [0.0]], 1.0, 2.0),
        ("weighted_sum_by_nonzero_weights", [[0.0], [0.0]], 0.0, 0.0),
    ],
)
def test_golden_values(axis, reduction, weights, per_element, per_vector):
    config = DistanceConfig(sum_over_axis=axis, reduction=reduction)
    found = lib.pairwise_distance_wrapper(
        tf.zeros([2, 2]), tf.constant([[1.0, 1.0], [9.0, 9.0]]), weights, config
    )
    assert float(found) == (per_element if axis is None else per_vector)


def test_no_reduction_gives_weighted_distances():
    config = DistanceConfig(reduction="none")
    found = lib.pairwise_distance_wrapper(
        tf.zeros([2, 2]), tf.constant([[1.0, 1.0], [9.0, 9.0]]), [[1.0], [0.0]], config
    )
    np.testing.assert_array_equal(found, [[1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("l1", distance.cityblock),
        ("l2", distance.sqeuclidean),
        ("cosine", distance.cosine),
        ("kl_divergence", lambda p, q: rel_entr(p, q).sum()),
        ("jensen_shannon_divergence", lambda p, q: distance.jensenshannon(p, q) ** 2),
    ],
)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_agrees_with_scipy(kind, reference, dtype):
    config = DistanceConfig(distance_type=kind, sum_over_axis=-1)
    found = lib.pairwise_distance_wrapper(
        tf.constant(SOURCES, dtype), tf.constant(TARGETS, dtype), 1.0, config
    )
    expected = np.mean([reference(p, q) for p, q in zip(SOURCES, TARGETS, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_softmax_comes_first():
    config = DistanceConfig(transform_fn="softmax", sum_over_axis=-1)
    found = lib.pairwise_distance_wrapper(tf.constant(SOURCES), tf.constant(TARGETS), 1.0, config)
    expected = np.square(softmax(SOURCES, -1) - softmax(TARGETS, -1)).sum(-1).mean()
    np.testing.assert_allclose(found, expected)


@pytest.mark.slow
def test_unknown_shapes():
    measure = tf.function(
        lambda a, b: lib.pairwise_distance_wrapper(a, b, 1.0, DistanceConfig(sum_over_axis=-1)),
        input_signature=[tf.TensorSpec(None, tf.float32)] * 2,
    )
    assert float(measure(tf.zeros([2, 2]), tf.ones([2, 2]))) == 2.0
