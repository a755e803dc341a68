import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import lib
from nsl_tfx.configs import GraphNeighborConfig

CONFIG = GraphNeighborConfig(max_neighbors=2)
FEATURES = {
    "x": tf.constant([[1.0], [2.0]]),
    "NL_nbr_0_x": tf.constant([[10.0], [20.0]]),
    "NL_nbr_1_x": tf.constant([[11.0], [21.0]]),
    "NL_nbr_0_weight": tf.constant([[0.9], [0.8]]),
    "NL_nbr_1_weight": tf.constant([[0.5], [0.0]]),
}


def test_neighbors_come_example_by_example():
    own, neighbors, weights = lib.unpack_neighbor_features(FEATURES, CONFIG)
    np.testing.assert_array_equal(own["x"], [[1], [2]])
    np.testing.assert_array_equal(neighbors["x"], [[10], [11], [20], [21]])
    np.testing.assert_array_equal(weights, np.float32([[0.9], [0.5], [0.8], [0.0]]))


def test_fewer_neighbors_than_there_are():
    config = GraphNeighborConfig(max_neighbors=1)
    _, neighbors, _ = lib.unpack_neighbor_features(FEATURES, config)
    np.testing.assert_array_equal(neighbors["x"], [[10], [20]])


def test_no_neighbors():
    own, neighbors, weights = lib.unpack_neighbor_features(FEATURES, GraphNeighborConfig())
    assert list(own) == ["x"]
    assert neighbors == {}
    assert weights.shape == (0, 1)


@pytest.mark.parametrize("absent", ["NL_nbr_1_x", "NL_nbr_1_weight"])
def test_an_absent_neighbor_is_named(absent):
    features = {name: value for name, value in FEATURES.items() if name != absent}
    with pytest.raises(KeyError, match=f"Missing: {absent}"):
        lib.unpack_neighbor_features(features, CONFIG)


def test_strip_leaves_the_examples_own():
    assert list(lib.strip_neighbor_features(FEATURES, CONFIG)) == ["x"]
