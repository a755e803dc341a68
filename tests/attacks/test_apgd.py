"""APGD against the paper's algorithm, written down for one example in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import APGD
from nsl_tfx.attacks.apgd import intervals_between_checkpoints

EPSILON = 0.3
LOW, HIGH = -0.5, 0.6
FREQUENCIES = np.array([7.0, 23.0, 3.0, 11.0])
TOP = np.array([0.1, -0.2, 0.3, 0.05])


def wavy(x):
    """Rises and falls inside the ball, so that steps have to become shorter."""
    return tf.reduce_sum(tf.sin(FREQUENCIES * x["a"]) + 0.3 * x["a"], axis=1)


def hill(x):
    """Has one top, within the ball of some examples. (Of several tops, rounding would choose.)"""
    return -tf.reduce_sum(FREQUENCIES * (x["a"] - TOP) ** 2, axis=1)


def value_of(x):
    return -np.sum(FREQUENCIES * (x - TOP) ** 2)


def slope_of(x):
    return -2 * FREQUENCIES * (x - TOP)


def project(x, center, norm):
    delta = x - center
    if norm == "infinity":
        delta = np.clip(delta, -EPSILON, EPSILON)
    else:
        delta *= min(1, EPSILON / max(np.linalg.norm(delta), 1e-12))
    return np.clip(center + delta, LOW, HIGH)


def unit(slope, norm):
    return np.sign(slope) if norm == "infinity" else slope / np.linalg.norm(slope)


def reference(center, steps, norm, rise=0.75):
    """Algorithm 1, with the checkpoints of section 3.2."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    checkpoints = [round(share * steps) for share in shares]
    size, points, values = 2 * EPSILON, [center], [value_of(center)]
    slope, best = slope_of(center), 0
    last_best, last_halved = values[0], True
    x, previous = center, center
    for k in range(steps):
        momentum = 1.0 if k == 0 else 0.75
        z = project(x + size * unit(slope, norm), center, norm)
        after = x + momentum * (z - x) + (1 - momentum) * (x - previous)
        x, previous = project(after, center, norm), x
        points.append(x)
        values.append(value_of(x))
        slope = slope_of(x)
        best = int(np.argmax(values))
        if k + 1 in checkpoints[1:]:
            before = checkpoints[checkpoints.index(k + 1) - 1]
            rises = sum(values[i + 1] > values[i] for i in range(before, k + 1))
            halve = rises <= rise * (k + 1 - before) or (
                not last_halved and values[best] <= last_best
            )
            if halve:
                size /= 2
                x, slope = points[best], slope_of(points[best])
            last_best, last_halved = values[best], halve
    return points[best]


@pytest.mark.parametrize("norm", ["infinity", "l2"])
@pytest.mark.parametrize("rise", [0.75, 0.9])
@pytest.mark.parametrize("steps", [100, 200])
def test_follows_the_paper(norm, steps, rise):
    rows = np.random.default_rng(0).uniform(LOW, HIGH, (12, 4))
    attack = APGD(
        epsilon=EPSILON, norm=norm, steps=steps, rise=rise, clip_value_min=LOW, clip_value_max=HIGH
    )
    found = attack(hill, {"a": tf.constant(rows)})["a"]
    expected = [reference(row, steps, norm, rise) for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 33, 100, 1000])
def test_checkpoints_lie_within_the_steps(steps):
    found = intervals_between_checkpoints(steps)
    ends = [i + 1 for i, length in enumerate(found) if length]
    assert len(found) == steps
    assert np.diff([0, *ends]).tolist() == [length for length in found if length]
    assert ends[0] == max(int(0.22 * steps), 1)


@pytest.mark.parametrize(
    "changes",
    [{"steps": 30}, {"rise": 0.0}, {"restarts": 2}, {"epsilon": 0.1}, {"norm": "l2"}],
    ids=lambda changes: next(iter(changes)),
)
def test_each_setting_changes_the_result(changes):
    rows = {"a": tf.constant(np.random.default_rng(0).uniform(LOW, HIGH, (12, 4)))}
    settings = {"epsilon": EPSILON, "steps": 60}
    plain, changed = (APGD(**s)(wavy, rows)["a"].numpy() for s in (settings, settings | changes))
    assert np.any(plain != changed)
