import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial import distance
from scipy.special import rel_entr

from nsl_tfx import lib

P = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
Q = np.array([[0.5, 0.25, 0.25], [0.6, 0.3, 0.1]])
DIVERGENCES = {
    "kl": (lib.kl_divergence, lambda p, q: rel_entr(p, q).sum()),
    "jensen_shannon": (
        lib.jensen_shannon_divergence,
        lambda p, q: distance.jensenshannon(p, q) ** 2,
    ),
}


@pytest.mark.parametrize(("function", "reference"), DIVERGENCES.values(), ids=DIVERGENCES)
class TestEveryDivergence:
    @pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
    @pytest.mark.parametrize("axis", [0, -1])
    def test_agrees_with_scipy(self, function, reference, dtype, axis):
        p, q = (np.moveaxis(side, -1, axis) for side in (P, Q))
        found = function(tf.constant(p, dtype), tf.constant(q, dtype), axis=axis)
        expected = np.mean([reference(*rows) for rows in zip(P, Q, strict=True)])
        tolerance = {tf.float16: 5e-3, tf.bfloat16: 5e-2}.get(dtype, 1e-5)
        np.testing.assert_allclose(found, expected, rtol=tolerance)

    def test_weights_count(self, function, reference):
        found = function(P, Q, axis=-1, weights=[[1.0], [0.0]])
        np.testing.assert_allclose(found, reference(P[0], Q[0]), rtol=1e-5)

    def test_no_reduction_keeps_the_rows(self, function, reference):
        assert function(P, Q, axis=-1, reduction="none").shape == (2, 1)

    def test_zero_where_both_sides_are_equal(self, function, reference):
        np.testing.assert_allclose(function(P, P, axis=-1), 0, atol=1e-9)

    def test_many_classes_are_probabilities_still(self, function, reference):
        """The sum of 30,000 float32 numbers is not 1 to the last digit."""
        logits = tf.random.normal([2, 30_000], seed=1)
        assert float(function(tf.nn.softmax(logits), tf.nn.softmax(-logits), axis=-1)) > 0

    @pytest.mark.parametrize("wrong", [[[0.5, 0.6, 0.2]], [[1.2, -0.1, -0.1]]])
    def test_what_is_no_probability_is_refused(self, function, reference, wrong):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Expected labels"):
            function(tf.constant(wrong), tf.constant(Q[:1], tf.float32), axis=-1)

    def test_the_axis_is_required(self, function, reference):
        with pytest.raises(ValueError, match="Expected axis"):
            function(P, Q)

    def test_in_a_function(self, function, reference):
        traced = tf.function(lambda p, q: function(p, q, axis=-1))
        np.testing.assert_allclose(traced(P, Q), function(P, Q, axis=-1))


@pytest.mark.parametrize("shape", [[2], [3, 1], [2, 2], [1, 2, 1]])
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"Expected weights as a scalar, or of the shape \[2, 3\]"):
        lib.pairwise_distance_wrapper(tf.constant(P), tf.constant(Q), tf.ones(shape))
