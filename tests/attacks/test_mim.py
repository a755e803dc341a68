"""MIM against the paper's algorithm in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import MIM

EPSILON = 0.3
ROWS = np.random.default_rng(0).uniform(0, 1, (9, 4))


def bumpy(x):
    return tf.reduce_sum(tf.sin(9 * x["a"]), axis=1)


def reference(x, steps, step_size, decay):
    """Dong et al. 2018, algorithm 1, with the best point of the way."""
    start, average = x, np.zeros_like(x)
    seen = [x]
    for _ in range(steps):
        slope = 9 * np.cos(9 * x)
        average = decay * average + slope / np.abs(slope).sum(axis=1, keepdims=True)
        x = np.clip(x + step_size * np.sign(average), start - EPSILON, start + EPSILON)
        seen.append(x)
    values = [np.sin(9 * point).sum(axis=1) for point in seen]
    best = np.argmax(values, axis=0)
    return np.stack([seen[i][row] for row, i in enumerate(best)])


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("steps", "step_size"), [(10, None), (3, 0.2), (7, 0.04)])
def test_follows_the_paper(steps, step_size, decay):
    attack = MIM(epsilon=EPSILON, steps=steps, step_size=step_size, decay=decay)
    found = attack(bumpy, {"a": tf.constant(ROWS)})["a"]
    expected = reference(ROWS, steps, step_size or EPSILON / steps, decay)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [{"steps": 4}, {"step_size": 0.02}, {"decay": 0.0}, {"epsilon": 0.1}, {"norm": "l2"}],
    ids=lambda changes: next(iter(changes)),
)
def test_each_setting_changes_the_result(changes):
    settings = {"epsilon": EPSILON, "steps": 8}
    x = {"a": tf.constant(ROWS)}
    plain, changed = (MIM(**s)(bumpy, x)["a"].numpy() for s in (settings, settings | changes))
    assert np.any(plain != changed)
