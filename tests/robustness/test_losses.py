"""The losses that attacks raise."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.robustness.attacking.losses import (
    cross_entropy,
    difference_of_logits_ratio,
    targeted_difference_of_logits_ratio,
)

RNG = np.random.default_rng(0)


def ratio(z, y):
    """Croce and Hein 2020, eq. 6."""
    others = np.delete(z, y)
    ordered = np.sort(z)[::-1]
    spread = ordered[0] - ordered[2] if len(z) > 2 else 1
    return -(z[y] - others.max()) / spread


def targeted_ratio(z, y, t):
    """Eq. 7."""
    ordered = np.sort(z)[::-1]
    spread = ordered[0] - (ordered[2] + ordered[3]) / 2 if len(z) > 3 else 1
    return -(z[y] - z[t]) / spread


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("traced", [False, True])
def test_follow_the_papers(classes, traced):
    logits = RNG.normal(size=(40, classes))
    labels = RNG.integers(0, classes, 40)
    targets = (labels + 1) % classes
    losses = difference_of_logits_ratio, targeted_difference_of_logits_ratio
    if traced:  # where the number of classes is not known beforehand
        spec = tf.TensorSpec([None, None], tf.float64), tf.TensorSpec([None], tf.int64)
        losses = (
            tf.function(losses[0], input_signature=spec),
            tf.function(losses[1], input_signature=(*spec, spec[1])),
        )
    plain, targeted = losses
    labels, targets = tf.constant(labels), tf.constant(targets)
    found = plain(tf.constant(logits), labels)
    np.testing.assert_allclose(found, [ratio(*row) for row in zip(logits, labels, strict=True)])
    found = targeted(tf.constant(logits), labels, targets)
    expected = [targeted_ratio(*row) for row in zip(logits, labels, targets, strict=True)]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_are_positive_exactly_where_the_model_is_wrong(classes):
    logits = tf.constant(RNG.normal(size=(60, classes)))
    labels = tf.constant(RNG.integers(0, classes, 60))
    wrong = tf.argmax(logits, axis=1) != labels
    np.testing.assert_array_equal(difference_of_logits_ratio(logits, labels) > 0, wrong)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_sure_model_has_a_slope(scale):
    """Where cross-entropy has none."""
    logits = tf.constant([[30.0, 1.0, 2.0, 0.5]]) * scale
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        values = {
            "ratio": difference_of_logits_ratio(logits, [0]),
            "targeted": targeted_difference_of_logits_ratio(logits, [0], [2]),
            "entropy": cross_entropy(logits, [0]),
        }
    slopes = {name: tf.norm(tape.gradient(v, logits)).numpy() for name, v in values.items()}
    assert slopes["ratio"] * scale > 1e-3
    assert slopes["targeted"] * scale > 1e-3
    assert (slopes["entropy"] > 1e-3) == (scale < 1)


def test_equal_logits_are_no_division_by_zero():
    zeros = tf.zeros([2, 4])
    assert np.isfinite(difference_of_logits_ratio(zeros, [0, 1])).all()
    assert np.isfinite(targeted_difference_of_logits_ratio(zeros, [0, 1], [1, 2])).all()
