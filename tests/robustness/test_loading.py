"""Keras models in memory, and what else may be called a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness import ModelUnderTest, UnusableModelError, Verdict, evaluate, from_keras
from nsl_tfx.robustness.models.loading import as_model

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
Z = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)


class Subclassed(keras.Model):
    """`x @ kernel` of a tensor or a dict, and a softmax."""

    def __init__(self, key=None):
        super().__init__()
        self.key = key
        self.dense = keras.layers.Dense(4, "softmax")
        self.dropout = keras.layers.Dropout(0.5)

    def call(self, inputs, training=None):
        x = inputs if self.key is None else inputs[self.key]
        return self.dense(self.dropout(x, training=training))


class Wrapper(keras.Model):
    """Adds a loss in training to the model that it holds."""

    def __init__(self, base_model):
        super().__init__()
        self.base_model = base_model

    def call(self, inputs, training=None):
        raise AssertionError("the base model is what is served")


def sequential(*layers, name=None):
    return keras.Sequential([keras.Input((3,), name=name), *layers])


def functional(*layers, name="x"):
    tensor = inputs = keras.Input((3,), name=name)
    for layer in layers:
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


def subclassed(key=None):
    model = Subclassed(key)
    model({key: X} if key else X)
    return model


def dense(activation=None, units=4, **settings):
    return keras.layers.Dense(units, activation, **settings)


def logits_of(model, x=X):
    kernel, bias = model.get_weights()[-2:]
    return x @ kernel + bias


MODELS = {
    "sequential": lambda: sequential(dense()),
    "functional": lambda: functional(dense()),
    "named otherwise": lambda: functional(dense(), name="image"),
    "softmax": lambda: sequential(dense("softmax")),
    "functional softmax": lambda: functional(keras.layers.Dropout(0.5), dense("softmax")),
    "softmax layer": lambda: functional(dense(), keras.layers.Softmax()),
    "activation layer": lambda: functional(dense(), keras.layers.Activation("softmax")),
    "nested": lambda: functional(sequential(dense("softmax"))),
    "subclassed": subclassed,
    "subclassed of a dict": lambda: subclassed("x"),
    "of a list": lambda: keras.Model([i := keras.Input((3,), name="x")], dense("softmax")(i)),
    "of a dict": lambda: keras.Model({"x": (i := keras.Input((3,)))}, dense()(i)),
    "logits by name": lambda: keras.Model(
        i := keras.Input((3,)), {"other": keras.layers.Rescaling(2.0)(i), "logits": dense()(i)}
    ),
    "wrapped": lambda: Wrapper(functional(dense("softmax"))),
}


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_their_gradients_are_the_models_own(name):
    model = MODELS[name]()
    before = [weight.copy() for weight in model.get_weights()]
    under_test = as_model(model, ("x",))
    assert list(under_test.inputs) == ["x"]
    under_test.check_attackable(("x",))
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = under_test.function({"x": x})
        total = tf.reduce_sum(logits**2)
    expected = logits_of(model)
    assert logits.numpy() == pytest.approx(expected, abs=1e-5)
    kernel = model.get_weights()[-2]
    assert tape.gradient(total, x).numpy() == pytest.approx(2 * expected @ kernel.T, abs=1e-4)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    if "softmax" in name:
        # The user's model still ends in probabilities.
        assert np.asarray(model(X)).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_single_logit_becomes_two(activation):
    model = sequential(dense(activation, units=1))
    found = as_model(model, ("x",)).function({"x": tf.constant(X)}).numpy()
    expected = logits_of(model)
    assert found == pytest.approx(np.concatenate([0 * expected, expected], axis=1), abs=1e-5)


def test_half_precision_is_read_in_single():
    model = sequential(dense("softmax", dtype="mixed_float16"))
    found = as_model(model, ("x",)).function({"x": tf.constant(X)})
    assert found.dtype == tf.float32
    assert found.numpy() == pytest.approx(logits_of(model), abs=1e-2)


def test_weights_that_change_later_count():
    model = sequential(dense())
    under_test = as_model(model, ("x",))
    under_test.function({"x": tf.constant(X)})
    model.set_weights([2 * weight for weight in model.get_weights()])
    found = under_test.function({"x": tf.constant(X)})
    assert found.numpy() == pytest.approx(logits_of(model), abs=1e-5)


def test_several_inputs_keep_their_names_and_dtypes():
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b", dtype="int32")
    joined = keras.layers.Concatenate()(
        [a, keras.layers.Flatten()(keras.layers.Embedding(9, 2)(b))]
    )
    for inputs in ({"a": a, "b": b}, [a, b]):
        under_test = as_model(keras.Model(inputs, dense()(joined)), ("a",))
        dtypes = {name: spec.dtype for name, spec in under_test.inputs.items()}
        assert dtypes == {"a": tf.float32, "b": tf.int32}
        features = {"a": tf.constant(X), "b": tf.zeros([5, 1], tf.int32)}
        assert under_test.function(features).shape == [5, 4]


def test_the_inputs_of_a_subclassed_model_may_be_told():
    spec = {"x": tf.TensorSpec([None, 3]), "z": tf.TensorSpec([None, 2])}
    model = Subclassed("x")
    under_test = from_keras(model, ("x",), spec)
    assert under_test.inputs == spec
    found = under_test.function({"x": tf.constant(X), "z": tf.constant(Z)})
    assert found.numpy() == pytest.approx(logits_of(model), abs=1e-5)


@pytest.mark.parametrize(
    ("make", "features", "words"),
    [
        (Subclassed, ("x",), "never called"),
        (subclassed, ("x", "z"), "a single tensor, so it has one feature"),
        (lambda: called({"x": X, "z": Z}), ("x",), r"also takes z.*inputs="),
    ],
)
def test_a_model_of_unknown_inputs_is_explained(make, features, words):
    with pytest.raises(UnusableModelError, match=words):
        as_model(make(), features)


def called(batch):
    model = Subclassed("x")
    model(batch)
    return model


def test_a_feature_that_a_model_does_not_take_is_named_by_those_it_takes():
    for model in (functional(dense(), name="image"), subclassed("image")):
        under_test = as_model(model, ("a", "b"))
        with pytest.raises(ValueError, match=r"inputs: image\. Received: a, b"):
            under_test.check_attackable(("a", "b"))


@pytest.mark.parametrize(
    "model",
    [
        lambda: keras.Model(i := keras.Input((3,)), [dense()(i), dense()(i)]),
        lambda: functional(keras.layers.Reshape((3, 1)), dense()),
        lambda: functional(keras.layers.Lambda(lambda x: keras.ops.argmax(x, axis=1))),
    ],
    ids=["two outputs", "other rank", "classes"],
)
def test_an_output_that_is_no_logits_is_explained(model):
    under_test = as_model(model(), ("x",))
    with pytest.raises(UnusableModelError, match=r"one output of logits \[batch, classes\]"):
        under_test.function({"x": tf.constant(X)})


def test_what_is_under_test_already_stays():
    own = ModelUnderTest(lambda features: features["x"], {"x": tf.TensorSpec([None, 3])})
    assert as_model(own, ("x",)) is own


def test_a_folder_and_what_is_no_model_at_all(export):
    assert list(as_model(export(), ("x",)).inputs) == ["x"]
    with pytest.raises(TypeError, match=r"a keras\.Model.*Received: function"):
        as_model(lambda x: x, ("x",))


def test_a_keras_file_is_the_model_that_was_saved(tmp_path):
    model = sequential(dense("softmax"))
    model.compile(loss=lambda labels, scores: 0.0)
    path = tmp_path / "best.keras"
    model.save(path)
    loaded = as_model(path, ("x",))
    expected = as_model(model, ("x",)).function({"x": tf.constant(X)})
    assert loaded.function({"x": tf.constant(X)}).numpy() == pytest.approx(expected.numpy())


def test_a_keras_file_that_cannot_be_read_is_explained(tmp_path):
    class OfMyOwn(keras.layers.Dense):
        pass

    sequential(OfMyOwn(2)).save(tmp_path / "own.keras")
    (tmp_path / "damaged.keras").write_bytes(b"PK\x03\x04")
    for name in ("own.keras", "damaged.keras", "none.keras"):
        with pytest.raises(ValueError, match=rf"{name}' to be a Keras model.*\. Load it yourself"):
            as_model(str(tmp_path / name), ("x",))


CONFIG = RobustnessConfig(
    features=("x",), label_feature="y", epsilon=0.2, attacks=("noise", "fgsm", "pgd"), curve=()
)
LABELS = (X[:, :1] > 0).astype(int)


def lines(kernel=((-2.0, 2.0), (0, 0), (0, 0))):
    """`x[0] > 0`, with and without a softmax."""
    model = sequential(dense("softmax", units=2))
    model.set_weights([np.array(kernel), np.zeros(2)])
    return model


@pytest.fixture
def of_records(tmp_path):
    def write(output):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(examples):
            parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([3], tf.float32)})
            return {"output": output(parsed["x"])}

        tf.saved_model.save(tf.Module(), str(tmp_path), signatures=serve)
        return str(tmp_path)

    return write


def test_a_keras_model_in_memory_is_evaluated():
    result = evaluate(lines(), {"x": X, "y": LABELS}, CONFIG, baseline=lines(np.ones((3, 2))))
    assert result.verdict is Verdict.PASS
    assert result.model.robust_accuracy.count == (np.abs(X[:, 0]) > 0.2).sum()
    assert result.baseline.accuracy.count == (LABELS == 0).sum()


@pytest.mark.parametrize(
    ("output", "classes"),
    [
        (lambda x: 4 * x @ tf.constant([[-1.0, 1], [0, 0], [0, 0]]), 2),
        # One more stands for classes that no label names.
        (lambda x: tf.cast(x[:, 0] > 0, tf.int64), 3),
    ],
    ids=["scores", "classes"],
)
def test_a_model_of_serialized_examples_is_inconclusive_and_tells_what_is_left(
    of_records, output, classes
):
    result = evaluate(of_records(output), {"x": X, "y": LABELS}, CONFIG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert [attack.name for attack in result.model.attacks] == ["noise"]
    assert "(made: noise)" in result.reason
    assert "no gradient flows" in result.reason
    assert (result.model.accuracy.value, result.model.classes) == (1.0, classes)
    robust = (np.abs(X[:, 0]) > 0.2).sum()
    assert robust <= result.model.robust_accuracy.count < len(X)
