"""Loading a SavedModel for attack."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.robustness import ModelUnderTest, UnusableModelError, load_model
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.runner import Runner


def test_a_saved_model_keeps_its_gradients(export):
    weights = tf.Variable([[1.0, 2], [3, 4], [5, 6]])
    model = load_model(export(lambda features: {"logits": features["x"] @ weights}))
    gc.collect()
    x = tf.constant([[1.0, 1, 1]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = model.function({"x": x})
        second = logits[:, 1]
    assert logits.numpy().tolist() == [[9, 12]]
    assert tape.gradient(second, x).numpy().tolist() == [[2, 4, 6]]
    assert model.inputs == {"x": tf.TensorSpec([None, 3], tf.float32, name="x")}
    assert model.batch_size is None


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (lambda f: {"scores": f["x"]}, 'no output "logits" \\(found: scores\\)'),
        (lambda f: {"logits": f["x"][:, :1]}, r"shape \[None, 1\].*second, constant 0"),
        (lambda f: {"logits": f["x"][:, 0]}, r"shape \[None\]"),
        (lambda f: {"logits": tf.argmax(f["x"], 1)}, "dtype int64"),
    ],
    ids=["other output", "one logit", "no classes", "classes"],
)
def test_an_unusable_signature_is_explained(export, output, words):
    with pytest.raises(UnusableModelError, match=words):
        load_model(export(output))


def test_a_missing_signature_is_explained(export):
    with pytest.raises(UnusableModelError, match=r'"raw_features" \(found: .*serve'):
        load_model(export(endpoint="serve"))


def test_no_model_at_all_is_an_error_of_its_own(tmp_path):
    with pytest.raises(OSError, match="does not exist"):
        load_model(str(tmp_path))


def test_a_fixed_batch_size_is_seen(export):
    model = load_model(export(spec=tf.TensorSpec([8, 3], tf.float32, name="x")))
    assert model.batch_size == 8


@pytest.mark.parametrize("count", [1, 4, 5, 8, 11])
def test_padding_is_never_seen(count):
    """Every graph is made once, for one shape, and every row comes back once and in order."""
    shapes = []

    def logits(features):
        shapes.append(features["x"].shape)
        return features["x"]

    model = ModelUnderTest(logits, {"x": tf.TensorSpec([None, 3], tf.float32)})
    x = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    runner = Runner(model, Examples({"x": x}, np.zeros(11, np.int64), [], 11), ("x",), 4)
    rows = np.arange(11)[::-1][:count]
    assert (runner.logits(rows) == x[rows]).all()
    assert runner.gradient_health(rows)["x"].zero.shape == (count,)
    assert (runner.logits(rows[:1]) == x[rows[:1]]).all()
    assert shapes == [(4, 3)] * 2
