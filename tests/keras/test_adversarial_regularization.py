"""NSL's adversarial wrapper: a table of kinds of models times what has to hold of each."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import AdversarialRegularization

ROWS, RATE, STEP, MULTIPLIER = 6, 0.5, 0.2, 0.4
CONFIG = configs.make_adv_reg_config(
    multiplier=MULTIPLIER, adv_step_size=STEP, adv_grad_norm="infinity"
)
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(ROWS, 4)).astype("float32")
AGE = RNG.normal(size=(ROWS, 1)).astype("float32")
DIGIT = RNG.integers(0, 3, ROWS)
SIZE = RNG.normal(size=(ROWS, 1)).astype("float32")
WEIGHT = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0], "float32")


class Subclassed(keras.Model):
    """Takes a dict; has its weights after its first call."""

    def __init__(self, outputs="one", **kwargs):
        super().__init__(**kwargs)
        self.outputs_kind = outputs
        self.digit = keras.layers.Dense(3)
        self.size = keras.layers.Dense(1)

    def call(self, inputs, training=False):
        x = keras.ops.concatenate([inputs["image"], inputs["age"]], axis=1)
        if self.outputs_kind == "one":
            return self.digit(x)
        if self.outputs_kind == "list":
            return [self.digit(x), self.size(x)]
        return {"digit": self.digit(x), "size": self.size(x)}


def sequential():
    return keras.Sequential([keras.Input((4,), name="image"), keras.layers.Dense(3)])


def sequential_without_input():
    return keras.Sequential([keras.layers.Dense(3)])


def sequential_of_another_name():
    return keras.Sequential([keras.Input((4,), name="pixels"), keras.layers.Dense(3)])


def functional(inputs=list, outputs="one"):
    image, age = keras.Input((4,), name="image"), keras.Input((1,), name="age")
    x = keras.layers.Concatenate()([image, age])
    digit = keras.layers.Dense(3, name="digit")(x)
    size = keras.layers.Dense(1, name="size")(x)
    ins = [age, image] if inputs is list else {"image": image, "age": age}
    outs = {"one": digit, "list": [digit, size], "dict": {"digit": digit, "size": size}}
    return keras.Model(ins, outs[outputs])


@dataclasses.dataclass(frozen=True)
class Case:
    make: Callable[[], keras.Model]
    x: Any
    several: bool = False

    @property
    def y(self):
        return (DIGIT, SIZE) if self.several else DIGIT

    @property
    def label_keys(self):
        return ("label_digit", "label_size") if self.several else ("label_digit",)

    def features(self, base, x):
        """What the base model takes of tensors by name."""
        if isinstance(base, Subclassed) or not isinstance(x, dict):
            return x
        if len(x) == 1:
            return next(iter(x.values()))
        return x if isinstance(base.input, dict) else [x["age"], x["image"]]


BOTH = {"image": IMAGE, "age": AGE}
CASES = {
    "sequential": Case(sequential, {"image": IMAGE}),
    "sequential_without_input": Case(sequential_without_input, {"image": IMAGE}),
    "sequential_of_another_name": Case(sequential_of_another_name, {"image": IMAGE}),
    "functional_list": Case(functional, BOTH),
    "functional_dict": Case(lambda: functional(inputs=dict), BOTH),
    "functional_two_outputs": Case(lambda: functional(outputs="list"), BOTH, several=True),
    "functional_dict_of_outputs": Case(lambda: functional(outputs="dict"), BOTH, several=True),
    "subclassed": Case(Subclassed, BOTH),
    "subclassed_two_outputs": Case(lambda: Subclassed("list"), BOTH, several=True),
    "subclassed_dict_of_outputs": Case(lambda: Subclassed("dict"), BOTH, several=True),
}
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
TWO_LOSSES = [SPARSE, "mse"]


def losses_for(case, base):
    if not case.several:
        return SPARSE
    dict_outputs = base.__class__ is Subclassed and base.outputs_kind == "dict"
    dict_outputs = dict_outputs or isinstance(getattr(base, "output", None), dict)
    return dict(zip(["digit", "size"], TWO_LOSSES, strict=True)) if dict_outputs else TWO_LOSSES


def make_model(name, weights=False, **options):
    case = CASES[name]
    keras.utils.set_random_seed(0)
    base = case.make()
    model = AdversarialRegularization(
        base,
        label_keys=case.label_keys,
        sample_weight_key="weight" if weights else None,
        adv_config=CONFIG,
    )
    options = {"run_eagerly": True, **options}
    model.compile(keras.optimizers.SGD(RATE), losses_for(case, base), **options)
    return case, model


def with_labels(case, weights=False):
    labels = dict(zip(("label_digit", "label_size"), (DIGIT, SIZE), strict=True))
    given = {key: labels[key] for key in case.label_keys}
    return {**case.x, **given, **({"weight": WEIGHT} if weights else {})}


def label_loss(case, base, x, weight=None):
    """The mean over the batch of each output's weighted loss, added up; written out."""
    weight = np.ones(ROWS, "float32") if weight is None else weight
    outputs = tf.nest.flatten(base(case.features(base, x)))
    logits = tf.nn.log_softmax(outputs[0])
    total = tf.reduce_sum(weight * -tf.gather(logits, DIGIT, batch_dims=1)) / ROWS
    if case.several:
        total += tf.reduce_sum(weight * tf.reduce_mean((outputs[1] - SIZE) ** 2, axis=1)) / ROWS
    return total


def reference_step(name, weight=None):
    """One step on the documented loss by nested tapes, from the same initial weights."""
    case = CASES[name]
    keras.utils.set_random_seed(0)
    base = case.make()
    x = {key: tf.constant(value) for key, value in case.x.items()}
    base(case.features(base, x))
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(x)
            clean = label_loss(case, base, x, weight)
        slope = inner.gradient(clean, x)
        moved = {key: tf.stop_gradient(x[key] + STEP * tf.sign(slope[key])) for key in x}
        adversarial = MULTIPLIER * label_loss(case, base, moved, weight)
        clean = label_loss(case, base, x, weight)
        total = clean + adversarial
    variables = base.trainable_variables
    gradients = tape.gradient(total, variables)
    found = {"loss": total, "scaled_adversarial_loss": adversarial, "clean": clean}
    return found, [v - RATE * g for v, g in zip(variables, gradients, strict=True) if g is not None]


def assert_step(model, logs, name, weight=None):
    expected, weights = reference_step(name, weight)
    for key in ("loss", "scaled_adversarial_loss"):
        np.testing.assert_allclose(logs[key], expected[key], rtol=1e-5)
    found = [v for v in model.base_model.trainable_variables if v.name != "unused"]
    for a, b in zip(found[: len(weights)], weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


class TestEveryKindOfModel:
    @pytest.mark.parametrize("name", CASES)
    def test_a_step_with_the_labels_inside(self, name):
        case, model = make_model(name)
        logs = model.train_on_batch(with_labels(case), return_dict=True)
        assert_step(model, logs, name)

    @pytest.mark.parametrize("name", CASES)
    def test_a_step_the_keras_way(self, name):
        case, model = make_model(name)
        y = case.y
        if "dict_of_outputs" in name:
            y = {"digit": DIGIT, "size": SIZE}
        logs = model.train_on_batch(case.x, y, return_dict=True)
        assert_step(model, logs, name)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("where", ["inside", "argument"])
    def test_weights_enter_both_parts(self, name, where):
        inside = where == "inside"
        case, model = make_model(name, weights=inside)
        given = {} if inside else {"sample_weight": WEIGHT}
        logs = model.train_on_batch(with_labels(case, weights=inside), return_dict=True, **given)
        assert_step(model, logs, name, WEIGHT)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", CASES)
    def test_evaluation_includes_the_adversarial_loss(self, name):
        case, model = make_model(name)
        expected, _ = reference_step(name)
        logs = model.evaluate(with_labels(case), verbose=0, return_dict=True, batch_size=ROWS)
        for key in ("loss", "scaled_adversarial_loss"):
            np.testing.assert_allclose(logs[key], expected[key], rtol=1e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", CASES)
    def test_prediction_needs_no_labels(self, name):
        case, model = make_model(name)
        tensors = {key: tf.constant(value) for key, value in case.x.items()}
        expected = tf.nest.flatten(model.base_model(case.features(model.base_model, tensors)))
        for given in (case.x, with_labels(case)):
            found = tf.nest.flatten(model.predict(given, verbose=0))
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)], ids=str)
@pytest.mark.parametrize("inside", [True, False])
def test_weights_of_either_shape(shape, inside):
    case, model = make_model("functional_list", weights=inside)
    weight = WEIGHT.reshape(shape)
    batch = with_labels(case) | ({"weight": weight} if inside else {})
    given = {} if inside else {"sample_weight": weight}
    assert_step(
        model, model.train_on_batch(batch, return_dict=True, **given), "functional_list", WEIGHT
    )


def dense(features=4, classes=3, activation=None):
    return keras.Sequential(
        [keras.Input((features,), name="x"), keras.layers.Dense(classes, activation=activation)]
    )


def batch_for(labels):
    return {"x": IMAGE, "label": labels}


ONE_HOT = np.eye(3, dtype="float32")[DIGIT]


def hinge_like(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


class TestLogNames:
    """As NSL's: full names, each output's by its label, losses without their weights."""

    @pytest.mark.parametrize(
        ("loss", "metrics", "labels", "expected"),
        [
            (
                "sparse_categorical_crossentropy",
                ["accuracy"],
                DIGIT,
                ["sparse_categorical_crossentropy", "sparse_categorical_accuracy"],
            ),
            ("mse", ["acc"], ONE_HOT, ["mean_squared_error", "categorical_accuracy"]),
            (
                keras.losses.MeanSquaredError(),
                ["mae", keras.metrics.MeanSquaredError(name="mse")],
                ONE_HOT,
                ["mse", "mean_squared_error", "mean_absolute_error"],
            ),
            (keras.losses.MeanSquaredError(name="mine"), None, ONE_HOT, ["mine"]),
            (keras.losses.mean_squared_error, None, ONE_HOT, ["mean_squared_error"]),
            (hinge_like, None, ONE_HOT, ["hinge_like"]),
            (["mse"], None, ONE_HOT, ["mean_squared_error"]),
            ("mse", [hinge_like], ONE_HOT, ["mean_squared_error", "hinge_like"]),
            (
                "mse",
                ["mean_squared_error"],
                ONE_HOT,
                ["mean_squared_error", "mean_squared_error_2"],
            ),
        ],
        ids=lambda value: None,
    )
    def test_one_output(self, loss, metrics, labels, expected):
        model = AdversarialRegularization(dense(activation="softmax"), adv_config=CONFIG)
        model.compile("sgd", loss, metrics, run_eagerly=True)
        logs = model.train_on_batch(batch_for(labels), return_dict=True)
        assert set(logs) == {"loss", *expected, "scaled_adversarial_loss"}
        assert model.metrics_names == ["loss", *expected, "scaled_adversarial_loss"]
        values = model.evaluate(batch_for(labels), verbose=0)
        named = model.evaluate(batch_for(labels), verbose=0, return_dict=True)
        assert dict(zip(model.metrics_names, values, strict=True)) == named
        np.testing.assert_allclose(
            named["loss"], named[expected[0]] + named["scaled_adversarial_loss"], rtol=1e-5
        )

    # Keras takes the losses of a dict of outputs as a dict alone.
    @pytest.mark.parametrize(
        ("form", "outputs"), [("list", "list"), ("dict", "list"), ("dict", "dict")]
    )
    def test_two_outputs(self, form, outputs):
        base = functional(outputs=outputs)
        loss, weights, metrics = [SPARSE, "mse"], [1.0, 10.0], [["accuracy"], ["mae"]]
        if form == "dict":
            names = ["digit", "size"]
            loss, weights, metrics = (
                dict(zip(names, value, strict=True)) for value in (loss, weights, metrics)
            )
        keys = ("label_digit", "label_size")
        model = AdversarialRegularization(base, keys, adv_config=CONFIG)
        model.compile("sgd", loss, metrics, weights, run_eagerly=True)
        batch = {**BOTH, "label_digit": DIGIT, "label_size": SIZE}
        logs = model.evaluate(batch, verbose=0, return_dict=True)
        assert set(logs) == {
            "loss",
            "sparse_categorical_crossentropy_label_digit",
            "mean_squared_error_label_size",
            "sparse_categorical_accuracy_label_digit",
            "mean_absolute_error_label_size",
            "scaled_adversarial_loss",
        }
        # The adversarial pass must not count into the outputs' own losses.
        outputs_of = base.predict([AGE, IMAGE], verbose=0)
        size = outputs_of["size"] if outputs == "dict" else outputs_of[1]
        np.testing.assert_allclose(
            logs["mean_squared_error_label_size"], np.mean((size - SIZE) ** 2), rtol=1e-5
        )
        np.testing.assert_allclose(
            logs["loss"],
            logs["sparse_categorical_crossentropy_label_digit"]
            + 10 * logs["mean_squared_error_label_size"]
            + logs["scaled_adversarial_loss"],
            rtol=1e-5,
        )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("loss", "metric", "expected"),
        [
            ("binary_crossentropy", "accuracy", "binary_accuracy"),
            ("hinge", "acc", "binary_accuracy"),
            ("categorical_crossentropy", "ce", "categorical_crossentropy_2"),
            ("binary_crossentropy", "crossentropy", "binary_crossentropy_2"),
            ("mse", "logcosh", "logcosh"),
            ("mse", "top_k_categorical_accuracy", "top_k_categorical_accuracy"),
        ],
    )
    def test_what_a_short_name_means(self, loss, metric, expected):
        model = AdversarialRegularization(dense(activation="softmax"), adv_config=CONFIG)
        model.compile("sgd", loss, [metric], run_eagerly=True)
        assert expected in model.train_on_batch(batch_for(ONE_HOT), return_dict=True)

    def test_of_a_subclassed_model_with_several_outputs(self):
        for outputs, loss in (
            ("list", TWO_LOSSES),
            ("dict", dict(zip(["size", "digit"], ["mse", SPARSE], strict=True))),
        ):
            model = AdversarialRegularization(Subclassed(outputs), ["l1", "l2"], adv_config=CONFIG)
            model.compile("sgd", loss, run_eagerly=True)
            logs = model.train_on_batch({**BOTH, "l1": DIGIT, "l2": SIZE}, return_dict=True)
            assert set(logs) == {
                "loss",
                "sparse_categorical_crossentropy_l1",
                "mean_squared_error_l2",
                "scaled_adversarial_loss",
            }

    def test_of_one_loss_for_two_outputs(self):
        model = AdversarialRegularization(functional(outputs="list"), ["l1", "l2"])
        model.compile("sgd", [None, "mse"], run_eagerly=True)
        logs = model.train_on_batch({**BOTH, "l1": DIGIT, "l2": SIZE}, return_dict=True)
        assert set(logs) == {"loss", "mean_squared_error_l2", "scaled_adversarial_loss"}

    @pytest.mark.slow
    def test_callbacks_know_which_way_is_up(self):
        model = AdversarialRegularization(dense(), adv_config=CONFIG)
        model.compile("sgd", SPARSE, ["accuracy"])
        stop = keras.callbacks.EarlyStopping("val_sparse_categorical_accuracy", patience=5)
        data = batch_for(DIGIT)
        model.fit(data, validation_data=data, epochs=2, callbacks=[stop], verbose=0)
        assert stop.best > 0

    def test_one_loss_for_all_outputs(self):
        base = functional(outputs="list")
        model = AdversarialRegularization(base, ("a", "b"), adv_config=CONFIG)
        model.compile("sgd", "mse", run_eagerly=True)
        logs = model.train_on_batch({**BOTH, "a": ONE_HOT, "b": SIZE}, return_dict=True)
        assert set(logs) == {
            "loss",
            "mean_squared_error_a",
            "mean_squared_error_b",
            "scaled_adversarial_loss",
        }

    def test_the_outputs_names_where_there_are_no_labels_names(self):
        model = AdversarialRegularization(functional(outputs="list"), adv_config=CONFIG)
        model.compile("sgd", TWO_LOSSES, run_eagerly=True)
        logs = model.train_on_batch(BOTH, (DIGIT, SIZE), return_dict=True)
        assert "mean_squared_error_size" in logs

    def test_metrics_are_unweighted_and_weighted_ones_are_weighted(self):
        model = AdversarialRegularization(dense(classes=1), adv_config=CONFIG)
        model.compile("sgd", "mse", ["mae"], weighted_metrics=["mae"], run_eagerly=True)
        error = np.abs(model.base_model.predict(IMAGE, verbose=0) - SIZE)[:, 0]
        logs = model.evaluate(batch_for(SIZE), sample_weight=WEIGHT, verbose=0, return_dict=True)
        np.testing.assert_allclose(logs["mean_absolute_error"], error.mean(), rtol=1e-5)
        np.testing.assert_allclose(
            logs["weighted_mean_absolute_error"], np.average(error, weights=WEIGHT), rtol=1e-5
        )

    def test_metrics_start_anew_each_epoch(self):
        model = AdversarialRegularization(dense(classes=1), adv_config=CONFIG)
        model.compile(keras.optimizers.SGD(0.0), "mse", ["mae"], run_eagerly=True)
        history = model.fit(batch_for(SIZE), epochs=2, batch_size=2, verbose=0).history
        for values in history.values():
            np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


@pytest.mark.slow
class TestOddCases:
    def test_the_base_model_can_be_evaluated_and_trained_on(self):
        model = AdversarialRegularization(dense(), adv_config=CONFIG)
        model.compile("adam", SPARSE, ["accuracy"], run_eagerly=True)
        model.train_on_batch(batch_for(DIGIT))
        plain = model.base_model.evaluate(IMAGE, DIGIT, verbose=0)
        assert plain[0] == pytest.approx(model.evaluate(batch_for(DIGIT), verbose=0)[1])
        assert model.base_model.optimizer is not model.optimizer

    def test_nothing_to_train(self):
        base = dense()
        base.trainable = False
        model = AdversarialRegularization(base, adv_config=CONFIG)
        model.compile("sgd", SPARSE, run_eagerly=True)
        assert model.train_on_batch(batch_for(DIGIT)) == model.test_on_batch(batch_for(DIGIT))

    def test_an_empty_batch(self):
        model = AdversarialRegularization(dense(classes=1), adv_config=CONFIG)
        model.compile("sgd", "mse", run_eagerly=True)
        before = model.get_weights()
        model.train_on_batch({"x": IMAGE[:0], "label": SIZE[:0]})
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_a_large_weight_decay_does_not_swallow_the_loss(self):
        decay = keras.regularizers.L2(1e7)
        base = keras.Sequential(
            [keras.Input((4,), name="x"), keras.layers.Dense(3, kernel_regularizer=decay)]
        )
        model = AdversarialRegularization(base, adv_config=CONFIG)
        model.compile(keras.optimizers.SGD(0.0), SPARSE, run_eagerly=True)
        logs = model.train_on_batch(batch_for(DIGIT), return_dict=True)
        expected = SPARSE(DIGIT, base.predict(IMAGE, verbose=0))
        np.testing.assert_allclose(logs["sparse_categorical_crossentropy"], expected, rtol=1e-5)
        assert logs["scaled_adversarial_loss"] > 0

    def test_class_weights_of_one_batch(self):
        weights = {0: 1.0, 1: 0.0, 2: 3.0}
        per_example = np.array([weights[label] for label in DIGIT], "float32")
        logs = []
        for given in ({"class_weight": weights}, {"sample_weight": per_example}):
            keras.utils.set_random_seed(0)
            model = AdversarialRegularization(dense(), adv_config=CONFIG)
            model.compile("sgd", SPARSE, run_eagerly=True)
            logs.append(model.train_on_batch(batch_for(DIGIT), **given))
        np.testing.assert_allclose(*logs, rtol=1e-6)


class LabelReader(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = None
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        self.seen = set(inputs)
        return self.dense(inputs["x"]) + inputs["label"]


class TestLabelsAsFeatures:
    def test_the_base_sees_them_only_if_asked_to(self):
        for asked, expected in ((True, {"x", "label", "w"}), (False, {"x"})):
            base = LabelReader() if asked else LabelIgnorer()
            model = AdversarialRegularization(
                base, sample_weight_key="w", adv_config=CONFIG, base_with_labels_in_features=asked
            )
            model.compile("sgd", "mse", run_eagerly=True)
            model.train_on_batch({"x": IMAGE, "label": SIZE, "w": WEIGHT})
            assert base.seen == expected

    def test_they_are_not_perturbed(self):
        model = AdversarialRegularization(
            LabelReader(), adv_config=CONFIG, base_with_labels_in_features=True
        )
        model.compile("sgd", "mse", run_eagerly=True)
        moved = model.perturb_on_batch({"x": IMAGE, "label": SIZE})
        np.testing.assert_array_equal(moved["label"], SIZE)
        assert np.all(moved["x"] != IMAGE)


class LabelIgnorer(LabelReader):
    def call(self, inputs):
        self.seen = set(inputs)
        return self.dense(inputs["x"])


class TestPerturbOnBatch:
    def make(self, **config):
        model = AdversarialRegularization(
            dense(classes=1), adv_config=configs.make_adv_reg_config(**config)
        )
        model.compile("sgd", "mse", ["mae"])
        return model

    def test_moves_against_the_loss(self):
        model = self.make(adv_step_size=STEP, adv_grad_norm="infinity")
        kernel = model.base_model.layers[0].kernel.numpy()
        error = model.base_model.predict(IMAGE, verbose=0) - SIZE
        moved = model.perturb_on_batch(batch_for(SIZE))
        np.testing.assert_allclose(
            moved["x"], IMAGE + STEP * np.sign(error) * np.sign(kernel).T, rtol=1e-5
        )

    def test_changes_nothing(self):
        model = self.make(adv_step_size=STEP)
        model.train_on_batch(batch_for(SIZE))
        before = [value.numpy() for value in model.variables]
        logs = {m.name: m.result() for m in model.metrics if m.name != "compile_metrics"}
        model.perturb_on_batch(batch_for(SIZE))
        for a, b in zip(before, model.variables, strict=True):
            np.testing.assert_array_equal(a, b)
        assert logs == {m.name: m.result() for m in model.metrics if m.name != "compile_metrics"}

    def test_gives_back_what_came(self):
        model = self.make(adv_step_size=STEP)
        label = tf.constant(SIZE)
        moved = model.perturb_on_batch({"x": tf.constant(IMAGE), "label": label})
        assert isinstance(moved["x"], np.ndarray)
        assert moved["label"] is label

    def test_takes_what_keras_takes(self):
        model = self.make(adv_step_size=STEP)
        expected = model.perturb_on_batch(batch_for(SIZE))["x"]
        np.testing.assert_array_equal(model.perturb_on_batch(IMAGE, SIZE), expected)
        np.testing.assert_array_equal(model.perturb_on_batch({"x": IMAGE}, SIZE)["x"], expected)

    def test_settings_of_the_call(self):
        model = self.make(adv_step_size=STEP, adv_grad_norm="infinity")
        moved = model.perturb_on_batch(batch_for(SIZE), adv_step_size=0.5, adv_grad_norm=None)
        np.testing.assert_allclose(np.abs(moved["x"] - IMAGE), 0.5, rtol=1e-5)
        with pytest.raises(TypeError, match="fields of AdvNeighborConfig"):
            model.perturb_on_batch(batch_for(SIZE), epsilon=0.1)

    def test_weights_turn_the_steps_after_the_first(self):
        """NSL forgot them there."""
        weight = np.array([1, -1, 1, -1, 1, -1], "float32")
        model = self.make(adv_step_size=STEP, adv_grad_norm="infinity", pgd_iterations=3)
        moved = model.perturb_on_batch(batch_for(SIZE), sample_weight=weight)["x"]
        plain = model.perturb_on_batch(batch_for(SIZE))["x"]
        np.testing.assert_allclose(np.abs(plain - IMAGE), 3 * STEP, rtol=1e-4)
        error = np.abs(model.base_model.predict(IMAGE, verbose=0) - SIZE)
        after = np.abs(model.base_model.predict(moved, verbose=0) - SIZE)
        assert np.all((after < error)[weight < 0] | (error < 1)[weight < 0])
        np.testing.assert_allclose(moved[::2], plain[::2], rtol=1e-6)


@pytest.mark.slow
class TestFit:
    """Every form in which Keras takes data, from one initial state, ends at the same weights."""

    def final_weights(self, *args, **kwargs):
        keras.utils.set_random_seed(0)
        model = AdversarialRegularization(dense(), adv_config=CONFIG)
        model.compile(keras.optimizers.SGD(RATE), SPARSE, metrics=["accuracy"])
        model.fit(*args, epochs=2, verbose=0, shuffle=False, **kwargs)
        return model.get_weights()

    def generator(self, labels_inside):
        while True:
            for i in range(0, ROWS, 2):
                x, y = {"x": IMAGE[i : i + 2]}, DIGIT[i : i + 2]
                yield ({**x, "label": y},) if labels_inside else (x, y)

    def test_all_forms_agree(self):
        inside, pair = batch_for(DIGIT), ({"x": IMAGE}, DIGIT)
        slices = tf.data.Dataset.from_tensor_slices
        forms = [
            ((inside,), {"batch_size": 2}),
            (pair, {"batch_size": 2}),
            ((IMAGE, DIGIT), {"batch_size": 2}),
            ((slices(inside).batch(2),), {}),
            ((slices(pair).batch(2),), {}),
            ((self.generator(labels_inside=True),), {"steps_per_epoch": 3}),
            ((self.generator(labels_inside=False),), {"steps_per_epoch": 3}),
            ((inside,), {"batch_size": 2, "validation_data": inside}),
        ]
        results = [self.final_weights(*args, **kwargs) for args, kwargs in forms]
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6)

    def test_class_weights(self):
        weights = {0: 1.0, 1: 0.0, 2: 3.0}
        per_example = np.array([weights[label] for label in DIGIT], "float32")
        inside = batch_for(DIGIT)
        dataset = tf.data.Dataset.from_tensor_slices(inside).batch(ROWS)
        options = {"batch_size": ROWS}
        expected = self.final_weights({"x": IMAGE}, DIGIT, sample_weight=per_example, **options)
        for args, kwargs in (
            (({"x": IMAGE}, DIGIT), options),
            ((inside,), options),
            ((dataset,), {}),
        ):
            found = self.final_weights(*args, class_weight=weights, **kwargs)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"random_init": True}, {"pgd_iterations": 2}], ids=str)
def test_a_masked_category_stays_a_category(settings):
    """A one-hot feature among numeric ones, in training's own attack as in perturb_on_batch's."""
    config = configs.make_adv_reg_config(
        adv_step_size=STEP, feature_mask={"age": 1.0, "color": 0.0}, **settings
    )
    age, color = keras.Input((1,), name="age"), keras.Input((3,), name="color")
    joined = keras.layers.Concatenate()([age, color])
    model = AdversarialRegularization(
        keras.Model([color, age], keras.layers.Dense(1)(joined)), adv_config=config
    )
    model.compile("sgd", "mse", run_eagerly=True)
    batch = {"age": AGE, "color": ONE_HOT, "label": SIZE}
    moved = model.perturb_on_batch(batch)
    np.testing.assert_array_equal(moved["color"], ONE_HOT)
    assert np.all(moved["age"] != AGE)
    assert model.train_on_batch(batch, return_dict=True)["scaled_adversarial_loss"] > 0
