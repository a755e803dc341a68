"""Square attack: where its squares lie, and what it finds."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import Square
from nsl_tfx.attacks.square import _square

EPSILON = 0.3
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("shape", [(2000, 5, 5), (2000, 4, 6, 3)])
def test_squares_lie_anywhere(shape, share):
    """The last row and column too, in contrast to the implementations that the field uses."""
    inside = _square(tf.zeros(shape), tf.constant(share), tf.constant([1, 2])).numpy()
    side = int(np.clip(round((share * shape[1] * shape[2]) ** 0.5), 1, min(shape[1:3])))
    cells = inside.reshape(2000, shape[1], shape[2])
    for cell in cells[:50]:
        rows, columns = np.flatnonzero(cell.any(1)), np.flatnonzero(cell.any(0))
        assert len(rows) == len(columns) == side
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == side - 1
        assert cell.sum() == side**2
    first, last = cells[:, 0, 0].mean(), cells[:, -1, -1].mean()
    expected = 1 / ((shape[1] - side + 1) * (shape[2] - side + 1))
    for found in (first, last):
        assert abs(found - expected) < 5 * (expected / 2000) ** 0.5 + 1e-9


def test_squares_become_smaller_at_the_papers_pace():
    shares = Square(epsilon=EPSILON, queries=10_000)._shares()
    changes = [i for i in range(1, 10_000) if shares[i] != shares[i - 1]]
    assert changes == [11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
    assert shares[0] == 0.8
    assert shares[-1] == 0.8 / 2**9
    fewer = Square(epsilon=EPSILON, queries=100)._shares()
    assert fewer[::10] == [shares[i * 100] for i in range(0, 100, 10)]


def brightness(x):
    return tf.reduce_sum(x["image"], axis=list(range(1, x["image"].shape.rank)))


@pytest.mark.parametrize("shape", [(8, 4, 4), (8, 4, 4, 2), (8, 16)])
def test_finds_the_corner_of_a_linear_loss(shape):
    x = {"image": tf.constant(RNG.uniform(0.2, 0.8, shape), tf.float32)}
    found = Square(epsilon=EPSILON, queries=1500, clip_value_max=1.0)(brightness, x)
    best = tf.minimum(x["image"] + EPSILON, 1.0)
    gain = brightness(found) - brightness(x)
    possible = brightness({"image": best}) - brightness(x)
    assert np.all(gain / possible > 0.9)


@pytest.mark.parametrize(
    "changes", [{"queries": 40}, {"share": 0.1}, {"epsilon": 0.1}], ids=lambda c: next(iter(c))
)
def test_each_setting_changes_the_result(changes):
    x = {"image": tf.constant(RNG.uniform(0, 1, (8, 4, 4)), tf.float32)}
    settings = {"epsilon": EPSILON, "queries": 20}
    plain, changed = (Square(**s)(brightness, x)["image"] for s in (settings, settings | changes))
    assert np.any(plain != changed)
