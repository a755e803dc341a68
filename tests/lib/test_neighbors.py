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


def augmented(make):
    """Two examples with two neighbors each; `make` turns rows into a feature's tensor."""
    rows = {"x": [[1, 2], [3]], "NL_nbr_0_x": [[10], [20, 21]], "NL_nbr_1_x": [[11], []]}
    weights = {f"NL_nbr_{i}_weight": tf.ones([2, 1]) for i in range(2)}
    return {**{name: make(value) for name, value in rows.items()}, **weights}


@pytest.mark.parametrize("keep_rank", [True, False])
@pytest.mark.parametrize(
    "make",
    [tf.ragged.constant, lambda rows: tf.ragged.constant(rows).to_sparse()],
    ids=["ragged", "sparse"],
)
def test_features_of_varying_length(make, keep_rank):
    _, neighbors, _ = lib.unpack_neighbor_features(augmented(make), CONFIG, keep_rank)
    found = neighbors["x"]
    if isinstance(found, tf.SparseTensor):
        found = tf.sparse.to_dense(found).numpy()
        found = [[value for value in row if value] for row in found.reshape(4, -1).tolist()]
    else:
        found = found.to_list() if keep_rank else [row for rows in found.to_list() for row in rows]
    assert found == [[10], [11], [20, 21], []]


def test_neighbors_on_an_axis_of_their_own():
    own, neighbors, weights = lib.unpack_neighbor_features(FEATURES, CONFIG, keep_rank=False)
    assert own["x"].shape == (2, 1)
    np.testing.assert_array_equal(neighbors["x"], [[[10], [11]], [[20], [21]]])
    assert weights.shape == (2, 2, 1)


def test_features_and_weights_without_an_axis():
    features = {name: value[:, 0] for name, value in FEATURES.items()}
    _, neighbors, weights = lib.unpack_neighbor_features(features, CONFIG)
    np.testing.assert_array_equal(neighbors["x"], [10, 11, 20, 21])
    assert weights.shape == (4, 1)


def test_a_neighbor_of_another_shape_is_named():
    features = {**FEATURES, "NL_nbr_1_x": tf.ones([2, 3])}
    with pytest.raises(ValueError, match="'x' of neighbor 1 like the example's"):
        lib.unpack_neighbor_features(features, CONFIG)
