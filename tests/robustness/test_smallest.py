"""The smallest epsilon against the distance to a hyperplane, which is known in every norm."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import FGSM, PGD, Noise
from nsl_tfx.robustness.attacking.smallest import smallest_epsilon

ROWS = 12
RNG = np.random.default_rng(0)
X = {
    "a": tf.constant(RNG.normal(size=(ROWS, 3)), tf.float32),
    "b": tf.constant(RNG.normal(size=(ROWS, 2, 1)), tf.float32),
}
A, B = RNG.normal(size=3).astype(np.float32), RNG.normal(size=(2, 1)).astype(np.float32)
BIAS = -1.0
DUAL = {"infinity": 1, "l2": 2, "l1": np.inf}
SCALES = {"even": None, "by feature": {"a": np.float32([2.0, 0.5, 1.0]), "b": 3.0}}


def loss(x):
    value = tf.reduce_sum(A * x["a"], 1) + tf.reduce_sum(B * x["b"], (1, 2)) + BIAS
    return value, value > 0


def exact(norm, scale):
    """How far a row is from the hyperplane, in the norm of units of the scale; 0 beyond it."""
    scale = scale or {"a": 1.0, "b": 1.0}
    slope = np.concatenate([A * scale["a"], (B * scale["b"]).ravel()])
    return np.maximum(-loss(X)[0].numpy(), 0) / np.linalg.norm(slope, DUAL[norm])


def search(attack, high=4.0, steps=10, low=0.0, seed=(0, 0)):
    found = tf.function(lambda x, seed: smallest_epsilon(attack, loss, x, low, high, steps, seed))(
        X, tf.constant(seed)
    )
    return found.epsilon.numpy(), found.missed.numpy(), found.x


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("norm", DUAL)
@pytest.mark.parametrize("attack", [FGSM, PGD])
def test_it_is_the_distance_to_a_hyperplane(attack, norm, scale):
    settings = {"steps": 5} if attack is PGD else {}
    epsilon, missed, x = search(attack(epsilon=1.0, norm=norm, scale=scale, **settings))
    distance = exact(norm, scale)
    assert 0 < np.sum(distance == 0) < ROWS
    assert distance.max() < 4.0
    # A hyperplane is crossed by a rounding error more, never by less.
    assert np.all(epsilon >= distance - 1e-6)
    assert np.all(epsilon - distance <= 4.0 / 2**10 + 1e-6)
    assert np.all(missed <= distance + 1e-6)
    assert np.all(epsilon - missed <= 4.0 / 2**10 + 1e-6)
    np.testing.assert_array_equal(loss(x)[1], True)


@pytest.mark.parametrize("norm", DUAL)
def test_an_epsilon_is_the_distance_of_the_point(norm):
    epsilon, _, x = search(Noise(epsilon=1.0, norm=norm, draws=20), high=30.0, steps=3)
    rows = np.concatenate([(x[k] - X[k]).numpy().reshape(ROWS, -1) for k in X], axis=1)
    order = {"infinity": np.inf, "l2": 2, "l1": 1}[norm]
    np.testing.assert_allclose(epsilon, np.linalg.norm(rows, order, axis=1), rtol=1e-4)
    np.testing.assert_array_equal(loss(x)[1], True)
    assert np.all(epsilon >= exact(norm, None) - 1e-6)


def test_a_near_point_shortens_the_search():
    """Small steps through a large ball stop at the first that fools, far inside of it."""
    attack = PGD(epsilon=1.0, steps=200, step_size=0.005)
    epsilon, _, _ = search(attack, high=4.0, steps=0)
    assert np.all(epsilon <= exact("infinity", None) + 4.0 * 0.005 + 1e-5)


def test_where_nothing_is_found_epsilon_is_infinite():
    distance = exact("infinity", None)
    high = 1.01 * float(np.median(distance[distance > 0]))
    epsilon, missed, x = search(FGSM(epsilon=1.0), high=high, steps=3)
    beyond = distance > high
    assert 0 < beyond.sum() < ROWS
    np.testing.assert_array_equal(np.isinf(epsilon), beyond)
    np.testing.assert_allclose(missed[beyond], high)
    for k in X:
        np.testing.assert_array_equal(x[k].numpy()[beyond], X[k].numpy()[beyond])


def test_a_later_try_may_find_what_the_first_missed():
    attack = Noise(epsilon=1.0, draws=1)
    once, often = (np.isfinite(search(attack, high=3.0, steps=steps)[0]) for steps in (0, 20))
    assert np.all(often >= once)
    assert often.sum() > once.sum()


def test_seeds_of_rows_do_not_depend_on_the_batch():
    seeds = RNG.integers(-(2**31), 2**31, (ROWS, 2), dtype=np.int32)
    some = np.array([7, 2, 11])
    attack = Noise(epsilon=1.0, draws=3)
    whole = smallest_epsilon(attack, loss, X, 0.0, 5.0, 4, seeds)
    few = {k: tf.gather(v, some) for k, v in X.items()}
    part = smallest_epsilon(attack, loss, few, 0.0, 5.0, 4, seeds[some])
    np.testing.assert_allclose(part.epsilon, whole.epsilon.numpy()[some], rtol=1e-5)


@pytest.mark.parametrize(("low", "high", "steps"), [(0.5, 4.0, 10), (0.0, 2.0, 10), (0.0, 4.0, 2)])
def test_each_setting_changes_the_result(low, high, steps):
    plain = search(FGSM(epsilon=1.0, norm="l1"))
    changed = search(FGSM(epsilon=1.0, norm="l1"), low=low, high=high, steps=steps)
    assert np.any(plain[1] != changed[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attack": FGSM(epsilon=0.5)}, r"attack.epsilon to be 1.*epsilon=0.5"),
        ({"low": 2.0}, "low < high.*low=2.0"),
        ({"low": -1.0}, "0 <= low"),
        ({"high": float("inf")}, "finite.*high=inf"),
        ({"steps": -1}, "steps >= 0.*-1"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    given = {"attack": FGSM(epsilon=1.0), "low": 0.0, "high": 1.0, "steps": 3, **settings}
    with pytest.raises(ValueError, match=message):
        smallest_epsilon(loss=loss, x=X, **given)
