"""Loading a SavedModel for attack."""

from __future__ import annotations

import gc
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness import ModelUnderTest, UnusableModelError, load_model
from nsl_tfx.robustness.attacking.runner import Runner
from nsl_tfx.robustness.attacking.threat import Threat
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.models.records import RECORD, serialize_rows


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
    config = RobustnessConfig(features=("x",), label_feature="y", epsilon=0.1)
    runner = Runner(model, Threat.of(config), 4)
    all_rows = Examples({"x": x}, np.zeros(11, np.int64), [""] * 11, 11)
    rows = all_rows.take(np.arange(11)[::-1][:count])
    assert (runner.logits(rows) == x[::-1][:count]).all()
    assert runner.gradient_health(rows)["x"].zero.shape == (count,)
    assert (runner.logits(rows.take([0])) == x[-1]).all()
    assert shapes == [(4, 3)] * 2


# Functions of dense `x` [batch, 3], and of serialized examples with such a feature.
X = tf.TensorSpec([None, 3], tf.float32, name="x")
MORE = tf.TensorSpec([None, 1], tf.int64, name="more")
RECORDS = tf.TensorSpec([None], tf.string, name="examples")
VALUES = np.array([[3.0, 1, 2], [0, 5, 4]], np.float32)


def parse(records):
    return tf.io.parse_example(records, {"x": tf.io.FixedLenFeature([3], tf.float32)})["x"]


def of_records(function):
    return lambda examples: function(parse(examples))


def scores(x):
    return {"output_0": 2 * x}


def logits(x):
    return {"probabilities": tf.nn.softmax(x), "logits": 3 * x}


def classes(x):
    return {"classes": tf.argmax(x, axis=1)}


@pytest.fixture
def save(tmp_path):
    """Saves functions by signature, each with its inputs, and gives the path."""

    def write(**endpoints):
        module = tf.Module()
        signatures = {
            name: tf.function(function).get_concrete_function(*inputs)
            for name, (function, *inputs) in endpoints.items()
        }
        path = str(tmp_path / "saved")
        tf.saved_model.save(module, path, signatures=signatures)
        return path

    return write


def ask(model, values=VALUES):
    """The model's logits, and the gradient of their sum of squares."""
    records = tf.constant(serialize_rows({"other": np.zeros(len(values), int)}))
    x = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = model.function({RECORD: records, "x": x})
        total = tf.reduce_sum(tf.cast(found, tf.float32) ** 2)
    return found.numpy(), tape.gradient(total, x)


@pytest.mark.parametrize(
    ("endpoints", "factor", "words"),
    [
        (
            {"serving_default": (scores, X)},
            2,
            '"serving_default" is attacked: its output "output_0"',
        ),
        # Keras calls an input as it likes.
        (
            {"serve": (scores, tf.TensorSpec([None, 3], name="keras_tensor"))},
            2,
            "its only input \"keras_tensor\" takes 'x'",
        ),
        # Of several outputs and signatures the logits, wherever they are.
        ({"serving_default": (scores, X), "other": (logits, X)}, 3, '"other".*"logits"'),
        ({"a": (scores, X), "serve": (lambda x: {"b": 5 * x}, X)}, 5, '"serve"'),
        # Gradients before logits.
        ({"a": (scores, X), "b": (of_records(logits), RECORDS)}, 2, '"a" is attacked: its'),
        (
            {
                "a": (classes, X),
                "b": (lambda x: {"m": x, "n": x}, X),
                "c": (scores, X),
            },
            2,
            '"c"',
        ),
    ],
)
def test_another_signature_is_attacked_through_its_gradients(save, endpoints, factor, words):
    model = load_model(save(**endpoints), ("x",))
    gc.collect()
    found, gradient = ask(model)
    assert found == pytest.approx(factor * VALUES)
    assert gradient.numpy() == pytest.approx(2 * factor**2 * VALUES)
    assert list(model.inputs) == ["x"]
    assert re.search(words, model.note)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (scores, 2 * VALUES),
        (logits, 3 * VALUES),
        (lambda x: {"scores": x, "probabilities": tf.nn.softmax(x), "y": x}, VALUES),
        (classes, [[1, 0, 0, 0], [0, 1, 0, 0]]),
    ],
)
@pytest.mark.parametrize("present", [False, True])
def test_a_model_of_serialized_examples_gets_the_changed_features(
    save, function, expected, present
):
    model = load_model(save(serving_default=(of_records(function), RECORDS)), ("x",))
    model = model.with_classes(3)
    found, gradient = ask(model)
    assert found == pytest.approx(np.array(expected))
    assert gradient is None
    assert list(model.inputs) == ["x", RECORD]
    assert model.batch_size is None
    assert "no gradient flows" in model.note
    model.check_attackable(("x",))


def test_classes_alone_are_the_last_resort(save):
    path = save(a=(classes, X), b=(of_records(classes), RECORDS))
    model = load_model(path, ("x",))
    assert (model.labels_only, list(model.inputs)) == (True, ["x"])
    found, gradient = ask(model.with_classes(3))
    assert found.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert gradient is None
    # A class that no label may name is right for none of them.
    assert model.with_classes(1).function({"x": VALUES}).numpy().tolist() == [[1, 0], [0, 1]]
    path = save(a=(classes, X), b=(of_records(scores), RECORDS))
    assert not load_model(path, ("x",)).labels_only


def test_further_inputs_are_taken_as_they_are(save):
    model = load_model(save(a=(lambda x, more: {"o": x}, X, MORE)), ("x",))
    assert {n: s.dtype for n, s in model.inputs.items()} == {"x": tf.float32, "more": tf.int64}


@pytest.mark.parametrize(
    ("function", "inputs", "features"),
    [
        (lambda x: {"a": x, "b": x}, X, ("x",)),
        (lambda x: {"a": x[:, :1], "b": x[:, 1:2]}, X, ("x",)),
        (lambda x: {"a": tf.as_string(x)}, X, ("x",)),
        (lambda more: {"a": tf.cast(more, tf.float32)}, MORE, ("x",)),
    ],
    ids=["two outputs", "two single scores", "text", "integers"],
)
def test_where_nothing_fits_all_signatures_are_told(save, function, inputs, features):
    words = rf'nor another one that takes {", ".join(features)}.*found: "serve" from {inputs.name} '
    with pytest.raises(UnusableModelError, match=words):
        load_model(save(serve=(function, inputs)), features)


@pytest.mark.parametrize("function", [lambda x: x, tf.nn.sigmoid], ids=["logit", "probability"])
def test_a_model_of_one_number_is_told_how_to_give_two(save, function):
    path = save(serve=(lambda x: {"output_0": function(x[:, :1])}, X))
    words = r'"serve" gives one number an example, "output_0".*tf\.zeros_like\(z\)'
    for features in [("x",), ()]:
        with pytest.raises(UnusableModelError, match=words):
            load_model(path, features)


WIDE = [tf.TensorSpec([None, 2], tf.float32, name=name) for name in "hbfdgace"]


def test_inputs_come_in_the_same_order_each_time(save):
    """What is drawn for a row depends on the order of its features."""
    path = save(serve=(lambda h, b, f, d, g, a, c, e: {"o": h + b + f + d + g + a + c + e}, *WIDE))
    assert list(load_model(path).inputs) == list("abcdefgh")


def test_of_many_inputs_a_few_are_told(save):
    path = save(serve=(lambda h, b, f, d, g, a, c, e: {"o": tf.as_string(h)}, *WIDE))
    with pytest.raises(UnusableModelError, match=r"f \(float32 \[batch, 2\]\) and 2 more to o "):
        load_model(path)


def test_features_that_are_no_inputs_are_named(save):
    with pytest.raises(
        ValueError, match=r"inputs: more, x \(signature \"serve\"\)\. Received: u\."
    ):
        load_model(save(serve=(lambda x, more: {"o": x}, X, MORE)), ("x", "u"))


def test_what_keras_exports_is_attacked(tmp_path):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    network.export(str(tmp_path / "model"), verbose=False)
    model = load_model(tmp_path / "model", ("x",))
    found, gradient = ask(model)
    weights = network.get_weights()[0]
    assert found == pytest.approx(VALUES @ weights, abs=1e-5)
    assert gradient.numpy() == pytest.approx(2 * VALUES @ weights @ weights.T, abs=1e-4)
