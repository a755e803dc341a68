"""The L1 ball cut by a box, against SciPy's solvers and what nearest means."""

import hypothesis
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from hypothesis import strategies as st

from nsl_tfx.attacks.reach import Reach, fill_greedily, project_into_both
from nsl_tfx.configs import NormType

EXAMPLES = hypothesis.settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 2**31)
RADII = st.sampled_from([0.0, 0.1, 1.0, 2.5, 1e3])


def draw(seed, elements=6):
    """Rows with elements at bounds, without bounds, and of value 0."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3, elements)) * rng.integers(0, 2, (3, elements))
    down, up = rng.choice([0.0, 0.2, 1.0, np.inf], (2, 3, elements))
    return rows, down, up


@EXAMPLES
@hypothesis.given(SEEDS, RADII)
def test_the_fill_is_the_optimum_of_the_linear_program(seed, radius):
    weights, down, up = draw(seed)
    found = fill_greedily(*map(tf.constant, (weights, down, up)), radius).numpy()
    assert np.all(np.abs(found).sum(1) <= radius * (1 + 1e-9))
    assert np.all((found >= -down) & (found <= up))
    assert np.all(found[weights == 0] == 0)
    for row, w, d, u in zip(found, weights, down, up, strict=True):
        # The change is what goes up less what goes down.
        solved = scipy.optimize.linprog(
            np.concatenate([-w, w]),
            A_ub=np.ones((1, 2 * len(w))),
            b_ub=[radius],
            bounds=list(zip(np.zeros(2 * len(w)), np.concatenate([u, d]), strict=True)),
        )
        assert w @ row == pytest.approx(-solved.fun, abs=1e-8)


@EXAMPLES
@hypothesis.given(SEEDS, RADII)
def test_the_projection_is_the_nearest_point_of_both(seed, radius):
    rows, down, up = draw(seed)
    rows = 3 * rows
    found = project_into_both(*map(tf.constant, (rows, down, up)), radius).numpy()
    assert np.all(np.abs(found).sum(1) <= radius * (1 + 1e-9) + 1e-12)
    assert np.all((found >= -down) & (found <= up))
    # A point p of a convex set is nearest to x iff (x - p).(z - p) <= 0 for all z of the set: of
    # them, the one highest along x - p, which is checked above.
    away = rows - found
    highest = fill_greedily(*map(tf.constant, (away, down, up)), radius).numpy()
    assert np.all((away * (highest - found)).sum(1) <= 1e-6 * max(radius, 1))


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_a_step_moves_several_elements_and_has_the_length_asked_for(start):
    x = {"a": tf.constant([[0.0, 0.0, 0.0, 1.0]])}
    region = Reach(radius=1.5, norm=NormType.L1, low=0.0, high=1.0)
    current = {"a": x["a"] + [[0.0, start, 0.0, 0.0]]}
    gradient = {"a": tf.constant([[4.0, -1.0, 2.0, 9.0]])}
    for size in (0.3, 1.0):
        moved = region.step(x, current, gradient, size)["a"] - current["a"]
        assert np.count_nonzero(moved) == 2 + (start > 0)
        np.testing.assert_allclose(np.abs(moved).sum(), size, rtol=1e-5)
    arrived = region.step(x, current, gradient, 100.0)["a"]
    np.testing.assert_allclose(arrived, [[1.0, 0.0, 0.5, 1.0]])


def test_without_a_gradient_a_point_stays():
    x = {"a": tf.zeros([2, 3])}
    region = Reach(radius=1.0, norm=NormType.L1, mask=[0.0, 1.0, 1.0])
    current = {"a": tf.constant([[0.0, 0.3, 0.0], [0.0, 0.2, 0.1]])}
    gradient = {"a": tf.constant([[5.0, np.nan, 0.0], [0.0, 0.0, 0.0]])}
    moved = region.step(x, current, gradient, 0.5)["a"]
    np.testing.assert_array_equal(moved, current["a"])
