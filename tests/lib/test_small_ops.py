import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import lib
from nsl_tfx.configs import AdvTargetConfig, DecayConfig

LOGITS = tf.constant([[0.1, 0.7, 0.2], [3.0, 1.0, 2.0]])


class TestDecay:
    @pytest.mark.parametrize("step", [0, 1, 25, tf.constant(50), tf.Variable(100, dtype=tf.int64)])
    @pytest.mark.parametrize(
        ("kind", "formula"),
        [
            ("exponential_decay", lambda rate, t: rate**t),
            ("inverse_time_decay", lambda rate, t: 1 / (1 + rate * t)),
            ("natural_exp_decay", lambda rate, t: np.exp(-rate * t)),
        ],
    )
    def test_formulas(self, step, kind, formula):
        config = DecayConfig(10, 0.5, 0.01, kind)
        expected = max(3 * formula(0.5, int(step) / 10), 0.01)
        for function in (lib.decay_over_time, tf.function(lib.decay_over_time)):
            found = function(step, config, init_value=3.0)
            assert found.dtype == tf.float32
            np.testing.assert_allclose(found, expected, rtol=1e-6)


class TestTargets:
    @pytest.mark.parametrize(("method", "expected"), [("second", [2, 2]), ("least", [0, 1])])
    def test_by_rank(self, method, expected):
        found = lib.get_target_indices(LOGITS, None, AdvTargetConfig(method))
        assert found.dtype == tf.int32
        assert found.numpy().tolist() == expected

    def test_ground_truth(self):
        labels = tf.constant([1, 0], tf.int64)
        assert lib.get_target_indices(LOGITS, labels, AdvTargetConfig()) is labels

    def test_random_reaches_every_class(self):
        many = tf.zeros([300, 4])
        found = lib.get_target_indices(many, None, AdvTargetConfig("random", 3.0)).numpy()
        assert set(found) == {0, 1, 2, 3}


class TestReplication:
    @pytest.mark.parametrize("times", [0, 2, [1, 0, 3]])
    def test_rows_are_repeated_in_place(self, times):
        rows = np.arange(6.0).reshape(3, 2)
        found = lib.replicate_embeddings(tf.constant(rows), times)
        np.testing.assert_array_equal(found, np.repeat(rows, times, axis=0))

    def test_a_negative_number_is_refused(self):
        with pytest.raises(tf.errors.InvalidArgumentError, match="replicate_times >= 0"):
            lib.replicate_embeddings(tf.ones([2, 1]), [1, -1])


def test_the_public_names_are_nsls():
    assert set(lib.__all__) == {
        "GenNeighbor",
        "adv_regularizer",
        "apply_feature_mask",
        "decay_over_time",
        "gen_adv_neighbor",
        "get_target_indices",
        "jensen_shannon_divergence",
        "kl_divergence",
        "maximize_within_unit_norm",
        "normalize",
        "pairwise_distance_wrapper",
        "project_to_ball",
        "random_in_norm_ball",
        "replicate_embeddings",
        "strip_neighbor_features",
        "unpack_neighbor_features",
        "virtual_adv_regularizer",
    }
