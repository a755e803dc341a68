"""Attacks whose ball reaches farther along some elements than along others."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import APGD, FGSM, MIM, NES, PGD, SPSA, HopSkipJump, Noise, RayS, Square

SCALE = {"a": np.array([2.0, 0.5, 0.0], np.float32), "b": 0.25}
ATTACKS = {
    "fgsm": lambda **kw: FGSM(epsilon=0.2, **kw),
    "pgd": lambda **kw: PGD(epsilon=0.2, steps=5, restarts=1, **kw),
    "mim": lambda **kw: MIM(epsilon=0.2, steps=5, **kw),
    "apgd": lambda **kw: APGD(epsilon=0.2, steps=8, **kw),
    "noise": lambda **kw: Noise(epsilon=0.2, draws=6, **kw),
    "square": lambda **kw: Square(epsilon=0.2, queries=12, **kw),
    "spsa": lambda **kw: SPSA(epsilon=0.2, steps=4, directions=3, **kw),
    "nes": lambda **kw: NES(epsilon=0.2, steps=4, directions=3, **kw),
    "rays": lambda **kw: RayS(epsilon=0.2, queries=40, **kw),
    "hop_skip_jump": lambda **kw: HopSkipJump(epsilon=0.2, walks=1, steps=2, probes=8, **kw),
}


def make_input(rows=5):
    rng = np.random.default_rng(0)
    return {
        "a": tf.constant(rng.uniform(0, 1, [rows, 3]), tf.float32),
        "b": tf.constant(rng.uniform(0, 1, [rows, 2]), tf.float32),
    }


def bent(x):
    return tf.reduce_sum(x["a"] * [1.0, -2.0, 0.5], 1) + tf.reduce_sum(tf.sin(3 * x["b"]), 1)


def loss_for(name, loss, x):
    """Tells an attack by decisions which rows lost 0.1, since it sees nothing else."""
    if name not in ("rays", "hop_skip_jump"):
        return loss
    before = loss(x)
    return lambda moved: (loss(moved), loss(moved) > before + 0.1)


def in_units(x, around):
    """The perturbation as a share of the scale, `[rows, elements]`."""
    a = (x["a"] - around["a"]).numpy()[:, :2] / SCALE["a"][:2]
    return np.concatenate([a, (x["b"] - around["b"]).numpy() / SCALE["b"]], axis=1)


ONLY = {"square": ["infinity"], "rays": ["infinity"], "hop_skip_jump": ["infinity", "l2"]}
CASES = [(n, norm) for n in ATTACKS for norm in ONLY.get(n, ["infinity", "l2", "l1"])]


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_it_is_the_attack_on_the_stretched_input(name, norm):
    """Stretching the input, as one vector, and attacking that evenly is the same, done by hand."""
    x = make_input()
    found = ATTACKS[name](norm=norm, scale=SCALE)(loss_for(name, bent, x), x)

    def stretch(u):
        return {"a": x["a"] + u[:, :3] * SCALE["a"], "b": x["b"] + u[:, 3:] * SCALE["b"]}

    def stretched(u):
        return bent(stretch(u["all"]))

    zero = {"all": tf.zeros([5, 5])}
    mask = {"all": np.array([1, 1, 0, 1, 1], np.float32)}
    even = ATTACKS[name](norm=norm, feature_mask=mask)(loss_for(name, stretched, zero), zero)
    for k, value in stretch(even["all"]).items():
        np.testing.assert_allclose(found[k], value, atol=1e-6)
    assert any(np.any(found[k] != x[k]) for k in x)


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_it_stays_in_the_stretched_ball_and_in_the_box(name, norm):
    x = make_input()
    box = {"clip_value_min": {"a": 0.0, "b": 0.1}, "clip_value_max": {"a": [1.0, 0.9, 1.0]}}
    x = {
        "a": tf.minimum(x["a"], box["clip_value_max"]["a"]),
        "b": tf.maximum(x["b"], box["clip_value_min"]["b"]),
    }
    found = ATTACKS[name](norm=norm, scale=SCALE, **box)(loss_for(name, bent, x), x)
    sizes = np.linalg.norm(in_units(found, x), {"infinity": np.inf, "l2": 2, "l1": 1}[norm], axis=1)
    assert np.all(sizes <= 0.2 * (1 + 1e-5))
    assert np.all((found["a"] >= 0) & (found["a"] <= np.float32([1.0, 0.9, 1.0])))
    assert np.all(found["b"] >= np.float32(0.1))
    np.testing.assert_array_equal(found["a"][:, 2], x["a"][:, 2])
    assert np.all(bent(found) >= bent(x))


def test_a_bound_that_is_reached_is_met_to_the_bit():
    """`(1 - x) / scale * scale` is not always `1 - x` in floats."""
    x = {"a": tf.constant(np.random.default_rng(1).uniform(0.9, 1, [1000, 1]), tf.float32)}
    attack = FGSM(epsilon=1.0, scale=0.3, clip_value_max=1.0)
    assert np.all(attack(lambda x: x["a"][:, 0], x)["a"].numpy() == 1)


def test_a_step_is_the_same_to_the_bit_as_without_units():
    x = make_input(200)
    even = FGSM(epsilon=0.1)(bent, x)
    in_units = FGSM(epsilon=1.0, scale=0.1)(bent, x)
    for k in x:
        np.testing.assert_array_equal(even[k], in_units[k])


def test_each_row_may_have_a_radius_of_its_own():
    x = make_input()
    radii = np.array([[0.0], [0.1], [0.2], [0.3], [0.4]], np.float32)
    found = FGSM(epsilon=1.0, scale=radii)(bent, x)
    for k in x:
        reach = np.abs(found[k] - x[k])
        np.testing.assert_allclose(reach, np.broadcast_to(radii, reach.shape), atol=1e-6)


def test_what_was_found_is_told():
    x = make_input()
    best = PGD(epsilon=0.2, steps=3, scale=SCALE).find(lambda x: (bent(x), bent(x) > 2.0), x)
    np.testing.assert_allclose(best.loss, bent(best.x), rtol=1e-6)
    np.testing.assert_array_equal(best.fooled, bent(best.x) > 2.0)
    assert 0 < np.sum(best.fooled) < 5


@pytest.mark.parametrize("scale", [-1.0, {"a": [1.0, float("nan"), 1.0]}, float("inf")])
@pytest.mark.parametrize("attack", [FGSM, Square])
def test_a_scale_has_to_be_a_length(attack, scale):
    with pytest.raises(ValueError, match=r"scale.*to hold numbers from 0"):
        attack(epsilon=1.0, scale=scale)
