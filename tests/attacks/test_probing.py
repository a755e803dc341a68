"""SPSA and NES against their papers' algorithms in NumPy, and against gradients."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import NES, PGD, SPSA

EPSILON = 0.3
RNG = np.random.default_rng(0)
X = {"a": tf.constant(RNG.uniform(0, 1, (6, 4)), tf.float64)}
WEIGHTS = RNG.normal(size=4)


def bumpy(x):
    return tf.reduce_sum(WEIGHTS * tf.sin(4 * x["a"]), axis=1)


def linear(x):
    return tf.linalg.matvec(x["a"], WEIGHTS)


def recorded(attack):
    """Gives every point that the attack asks about, `[queries, rows, elements]`."""
    asked = []

    def loss(x):
        asked.append(x["a"].numpy())
        return bumpy(x)

    attack(loss, X, seed=(1, 2))
    return np.stack(asked)


def value(x):
    return np.sum(WEIGHTS * np.sin(4 * x), axis=-1)


def adam(estimates):
    mean = square = 0
    for t, estimate in enumerate(estimates, 1):
        mean = 0.9 * mean + 0.1 * estimate
        square = 0.999 * square + 0.001 * estimate**2
        yield (mean / (1 - 0.9**t)) / np.sqrt(square / (1 - 0.999**t))


def signs_of_average(estimates):
    mean = 0
    for estimate in estimates:
        mean = 0.9 * mean + 0.1 * estimate
        yield np.sign(mean)


@pytest.mark.parametrize(
    ("attack", "follow"),
    [
        (SPSA(epsilon=EPSILON, steps=5, directions=3), adam),
        (NES(epsilon=EPSILON, steps=5, directions=3), signs_of_average),
    ],
    ids=["spsa", "nes"],
)
def test_follows_the_paper(attack, follow):
    """From the probes that it drew, the steps follow."""
    first, *rest = recorded(attack)
    rounds = np.reshape(rest, (5, 7, *first.shape))
    current, estimates, points = first, [], []
    for probes in rounds[:, :-1]:
        ahead, behind = probes[::2], probes[1::2]
        np.testing.assert_allclose((ahead + behind) / 2, np.stack([current] * 3), atol=1e-12)
        drawn = (ahead - behind) / 2 / (EPSILON * attack.probe)
        estimate = np.sum((value(ahead) - value(behind))[..., np.newaxis] * drawn, axis=0)
        estimates.append(estimate / np.abs(estimate).max(axis=1, keepdims=True))
        *_, way = follow(estimates)
        moved = current + EPSILON * attack.step_size * way
        current = np.clip(moved, first - EPSILON, first + EPSILON)
        points.append(current)
    np.testing.assert_allclose(rounds[:, -1], points, atol=1e-7)


def test_spsa_draws_signs_and_nes_a_normal_distribution():
    like = {"a": tf.zeros([100, 200])}
    signs = SPSA(epsilon=1).draw(like, tf.constant([1, 2]))["a"].numpy()
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 0.04
    normal = NES(epsilon=1).draw(like, tf.constant([1, 2]))["a"].numpy()
    assert abs(normal.mean()) < 0.04
    assert abs(normal.std() - 1) < 0.03


@pytest.mark.parametrize("norm", ["infinity", "l2", "l1"])
@pytest.mark.parametrize("attack", [SPSA, NES])
def test_comes_close_to_the_optimum_of_a_linear_loss(attack, norm):
    best = linear(PGD(epsilon=EPSILON, norm=norm)(linear, X)) - linear(X)
    attack = attack(epsilon=EPSILON, norm=norm, directions=20, steps=60)
    gain = tf.function(attack)(linear, X, tf.constant([1, 2]))
    assert np.all((linear(gain) - linear(X)) / best > 0.9)


@pytest.mark.parametrize("norm", ["infinity", "l2", "l1"])
@pytest.mark.parametrize("attack", [SPSA, NES])
def test_probes_lie_at_a_share_of_epsilon_in_the_norm(attack, norm):
    points = recorded(attack(epsilon=EPSILON, norm=norm, steps=1, directions=50, probe=0.5))
    order = {"infinity": np.inf, "l2": 2, "l1": 1}[norm]
    sizes = np.linalg.norm(points[1:-1] - points[0], order, axis=2)
    if attack is SPSA:
        np.testing.assert_allclose(sizes, 0.5 * EPSILON)
    elif norm == "l2":
        np.testing.assert_allclose(np.sqrt(np.mean(sizes**2)), 0.5 * EPSILON, rtol=0.1)


CHANGES = [
    {"steps": 3},
    {"directions": 4},
    {"probe": 1.5},
    {"step_size": 0.01},
    {"epsilon": 0.1},
    {"norm": "l2"},
]


@pytest.mark.parametrize(
    ("attack", "changes"),
    [(attack, changes) for attack in (SPSA, NES) for changes in CHANGES] + [(NES, {"decay": 0.0})],
    ids=str,
)
def test_each_setting_changes_the_result(attack, changes):
    settings = {"epsilon": EPSILON, "steps": 6, "directions": 2}
    plain, changed = (attack(**s)(bumpy, X)["a"].numpy() for s in (settings, settings | changes))
    assert np.any(plain != changed)


def test_what_is_not_finite_says_nothing():
    def broken(x):
        return tf.where(tf.range(6) == 2, np.nan, bumpy(x))

    found = SPSA(epsilon=EPSILON, steps=3, directions=3)(broken, X)["a"]
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(found[2], X["a"][2])
    assert np.all(np.any(found != X["a"], axis=1) == (np.arange(6) != 2))
