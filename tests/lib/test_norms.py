import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from nsl_tfx import lib

NORMS = ["l1", "l2", "infinity"]
ROWS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    elements=st.floats(-10, 10, width=16),
)
EXAMPLES = hypothesis.settings(max_examples=40, deadline=None)


def norm_of(rows, norm):
    order = {"l1": 1, "l2": 2, "infinity": np.inf}[norm]
    return np.array([np.linalg.norm(row.ravel(), order) for row in rows])


def split(rows):
    """The same examples as two features of different rank."""
    cut = rows.shape[1] // 2
    return {"a": tf.constant(rows[:, :cut]), "b": tf.constant(rows[:, cut:, None])}


def join(features):
    return np.concatenate([v.numpy().reshape(len(v), -1) for v in features.values()], axis=1)


@pytest.mark.parametrize("norm", NORMS)
class TestProjection:
    @EXAMPLES
    @hypothesis.given(ROWS, st.floats(0.1, 5))
    def test_is_the_nearest_point_of_the_ball(self, norm, rows, radius):
        projected = lib.project_to_ball(tf.constant(rows), radius, norm).numpy()
        assert np.all(norm_of(projected, norm) <= radius + 1e-9)
        inside = norm_of(rows, norm) <= radius
        np.testing.assert_allclose(projected[inside], rows[inside], atol=1e-9)
        # A point p of a convex set is nearest to x iff (x - p).(z - p) <= 0 for all z of the set.
        rng = np.random.default_rng(0)
        others = rng.normal(size=(50, *rows.shape))
        others *= (radius / np.stack([norm_of(other, norm) for other in others]))[..., None]
        products = ((rows - projected) * (others - projected)).sum(-1)
        assert np.all(products <= 1e-6)

    @EXAMPLES
    @hypothesis.given(ROWS, st.floats(0.1, 5))
    def test_features_count_together(self, norm, rows, radius):
        parts = lib.project_to_ball(split(rows), radius, norm)
        whole = lib.project_to_ball(tf.constant(rows), radius, norm)
        np.testing.assert_allclose(join(parts), whole, atol=1e-9)

    def test_an_infinite_radius_changes_nothing(self, norm):
        rows = tf.constant([[1e6, -3.0, 0.0]])
        np.testing.assert_array_equal(lib.project_to_ball(rows, np.inf, norm), rows)

    def test_radius_zero_gives_zero(self, norm):
        rows = tf.constant([[1.0, -3.0, 0.0]])
        np.testing.assert_allclose(lib.project_to_ball(rows, 0.0, norm), tf.zeros_like(rows))

    def test_unknown_shapes(self, norm):
        project = tf.function(
            lambda rows: lib.project_to_ball(rows, 1.0, norm),
            input_signature=[tf.TensorSpec(None, tf.float32)],
        )
        assert norm_of(project(tf.constant([[3.0, 4.0]])).numpy(), norm)[0] <= 1 + 1e-6


@pytest.mark.parametrize("norm", NORMS)
class TestSteepestDirection:
    @EXAMPLES
    @hypothesis.given(ROWS)
    def test_reaches_the_dual_norm(self, norm, rows):
        rows = rows + np.sign(rows) * 0.01  # Away from the floor under tiny L2 norms.
        found = lib.maximize_within_unit_norm(tf.constant(rows), norm).numpy()
        dual = {"l1": "infinity", "l2": "l2", "infinity": "l1"}[norm]
        np.testing.assert_allclose((rows * found).sum(-1), norm_of(rows, dual), atol=1e-6)
        assert np.all(norm_of(found, norm) <= 1 + 1e-9)

    @EXAMPLES
    @hypothesis.given(ROWS)
    def test_features_count_together(self, norm, rows):
        parts = lib.maximize_within_unit_norm(split(rows), norm)
        whole = lib.maximize_within_unit_norm(tf.constant(rows), norm)
        np.testing.assert_allclose(join(parts), whole, atol=1e-9)

    def test_zero_stays_zero(self, norm):
        zeros = tf.zeros([2, 3])
        np.testing.assert_array_equal(lib.maximize_within_unit_norm(zeros, norm), zeros)


def test_l1_direction_shares_ties():
    found = lib.maximize_within_unit_norm(tf.constant([[2.0, -2.0, 1.0]]), "l1")
    np.testing.assert_allclose(found, [[0.5, -0.5, 0.0]])


@pytest.mark.parametrize("norm", NORMS)
def test_normalize_gives_norm_one_or_zero(norm):
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    found = lib.normalize(tf.constant(rows), norm).numpy()
    np.testing.assert_allclose(norm_of(found, norm), [1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
class TestRandomPoint:
    @staticmethod
    def draw(norm, seed, rows=20_000):
        shape = {"a": tf.zeros([rows, 2], tf.float64), "b": tf.zeros([rows, 1], tf.float64)}
        return join(lib.random_in_norm_ball(shape, 2.0, norm, seed))

    def test_is_uniform_in_the_ball(self, norm):
        points = self.draw(norm, (1, 2))
        # Of a uniform point of a 3-ball of radius 2, (norm / 2) ** 3 is uniform in 0 to 1.
        shares = np.sort((norm_of(points, norm) / 2) ** 3)
        expected = (np.arange(len(shares)) + 0.5) / len(shares)
        # Kolmogorov-Smirnov at a level of 1e-4: 2.23 / sqrt(n).
        assert np.abs(shares - expected).max() < 2.23 / np.sqrt(len(shares))
        assert np.abs(points.mean(axis=0)).max() < 0.05

    def test_depends_on_the_seed_alone(self, norm):
        np.testing.assert_array_equal(self.draw(norm, (1, 2), 5), self.draw(norm, (1, 2), 5))
        assert np.any(self.draw(norm, (1, 2), 5) != self.draw(norm, (1, 3), 5))
