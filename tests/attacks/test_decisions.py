"""Attacks that see decisions alone, against half-spaces, whose distance is known."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import HopSkipJump, RayS
from nsl_tfx.attacks.hop_skip_jump import _Boundary
from nsl_tfx.attacks.rays import _turn
from nsl_tfx.configs import NormType

EPSILON, ROWS, ELEMENTS = 0.2, 8, 6
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(ROWS, ELEMENTS)).astype(np.float32)
X = {"a": tf.constant(RNG.uniform(0.3, 0.7, (ROWS, ELEMENTS)), tf.float32)}
SEEDS = tf.constant(RNG.integers(-(2**31), 2**31, (ROWS, 2), dtype=np.int32))
ATTACKS = {
    "rays": RayS(epsilon=EPSILON, queries=300),
    "hop_skip_jump": HopSkipJump(epsilon=EPSILON, norm="l2", walks=1, steps=8, probes=60),
}


def half_space(share, norm):
    """Gives a loss that fools beyond a hyperplane at this share of epsilon in the norm."""
    dual = {NormType.INFINITY: 1, NormType.L2: 2}[norm]
    reach = share * EPSILON * np.linalg.norm(WEIGHTS, dual, axis=1)

    def loss(x):
        gain = tf.reduce_sum(WEIGHTS * (x["a"] - X["a"]), axis=1)
        return gain, gain > reach

    return loss


def find(attack, loss, x=X):
    return tf.function(lambda x, seed: attack.find(loss, x, seed).fooled)(x, SEEDS).numpy()


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_finds_what_lies_within_epsilon(name, share):
    attack = ATTACKS[name]
    assert find(attack, half_space(share, attack.norm)).all()


@pytest.mark.parametrize("name", ATTACKS)
def test_finds_nothing_where_nothing_is(name):
    attack = ATTACKS[name]
    assert not find(attack, half_space(1.001, attack.norm)).any()


@pytest.mark.parametrize("elements", [1, 5, 8])
def test_blocks_are_halves_of_halves(elements):
    signs = tf.ones([1, elements])
    expected, size = [], 1
    while size < elements:
        expected += np.array_split(np.arange(elements), size)
        size *= 2
    expected += [[i] for i in range(elements)] * 2  # Single ones come again.
    found = [np.flatnonzero(_turn(signs, tf.constant([i], tf.int64))[0] < 0) for i in range(20)]
    for block, (got, wanted) in enumerate(zip(found, expected, strict=False)):
        # Where a half is no whole number, either may be the larger.
        assert abs(len(got) - len(wanted)) <= 1, block
        assert np.all(np.diff(got) == 1)
    sizes = [len(block) for block in found]
    start = 0
    for count in (c for c in (1, 2, 4, 8) if c < 2 * elements):
        count = min(count, elements)
        level = np.concatenate(found[start : start + count])
        np.testing.assert_array_equal(level, np.arange(elements))
        start += count
    assert sizes[start:] == [1] * (20 - start)
    assert np.flatnonzero(_turn(signs, tf.constant([-1], tf.int64))[0] < 0).size == 0


def test_random_probes_find_the_way():
    """At a boundary that is a hyperplane, the normal."""
    loss = half_space(0.5, NormType.L2)
    attack = HopSkipJump(epsilon=EPSILON, norm="l2", probes=600, halvings=8)
    unit = WEIGHTS / np.linalg.norm(WEIGHTS, axis=1, keepdims=True)
    delta = {"a": tf.constant(0.5 * EPSILON * unit)}
    up = _Boundary(attack, loss, X).direction(delta, tf.constant(600), SEEDS)["a"].numpy()
    np.testing.assert_allclose(np.linalg.norm(up, axis=1), 1, rtol=1e-5)
    assert np.all(np.sum(up * unit, axis=1) > 0.95)


@pytest.mark.parametrize("norm", ["infinity", "l2"])
def test_a_size_is_cut_as_the_norm_has_it(norm):
    boundary = _Boundary(HopSkipJump(epsilon=1, norm=norm), half_space(1, NormType.L2), X)
    delta = {"a": tf.constant([[3.0, -4.0]]), "b": tf.constant([[1.0]])}
    found = boundary.shorten(delta, tf.constant([2.0]))
    wanted = {
        "infinity": ([[2, -2]], [[1]]),
        "l2": (np.array([[3, -4]]) * 2 / 26**0.5, [[2 / 26**0.5]]),
    }[norm]
    for key, value in zip("ab", wanted, strict=True):
        np.testing.assert_allclose(found[key], value, rtol=1e-6)


def curved(x):
    gain = tf.reduce_sum(WEIGHTS * (x["a"] - X["a"]), axis=1) + tf.sin(20 * x["a"][:, 0]) / 5
    return gain, gain > 0.25


@pytest.mark.parametrize(
    ("plain", "changes"),
    [
        (RayS(epsilon=EPSILON, queries=12), changes)
        for changes in ({"queries": 40}, {"reach": 3.0}, {"epsilon": 0.1})
    ]
    + [
        (HopSkipJump(epsilon=EPSILON, norm="l2", walks=1, steps=3, probes=10, halvings=4), changes)
        for changes in (
            {"walks": 3},
            {"steps": 1},
            {"probes": 4},
            {"halvings": 7},
            {"epsilon": 0.1},
            {"norm": "infinity"},
        )
    ],
    ids=str,
)
def test_each_setting_changes_the_result(plain, changes):
    first, second = (a(curved, X, SEEDS)["a"].numpy() for a in (plain, plain.replace(**changes)))
    assert np.any(first != second)
