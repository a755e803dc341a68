import keras
import numpy as np
import pytest

from nsl_tfx.trainer.keras_parts import import_path, keras_part

SCHEDULE = {
    "class_name": "cosine_decay",
    "config": {"initial_learning_rate": 1.0, "decay_steps": 10},
}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("optimizer", "adam", keras.optimizers.Adam),
        ("optimizer", "AdamW", keras.optimizers.AdamW),
        ("optimizer", "keras.optimizers.SGD", keras.optimizers.SGD),
        ("schedule", SCHEDULE, keras.optimizers.schedules.CosineDecay),
        ("loss", "huber", keras.losses.Huber),
        ("loss", "sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy),
        ("metric", "auc", keras.metrics.AUC),
        ("callback", "terminate_on_nan", keras.callbacks.TerminateOnNaN),
        ("callback", {"class_name": "tests.trainer.models.CountBatches"}, keras.callbacks.Callback),
    ],
)
def test_names_paths_and_dicts_are_found(kind, spec, expected):
    assert isinstance(keras_part(kind, "field", spec), expected)


def test_arguments_reach_the_part():
    spec = {"class_name": "SGD", "config": {"momentum": 0.5}}
    optimizer = keras_part("optimizer", "optimizer", spec, learning_rate=0.25)
    assert (optimizer.momentum, float(optimizer.learning_rate)) == (0.5, 0.25)


def test_defaults_are_for_those_that_take_them():
    defaults = {"from_logits": True, "reduction": "sum"}
    crossentropy = keras_part("loss", "loss", "BinaryCrossentropy", defaults)
    assert (crossentropy.from_logits, crossentropy.reduction) == (True, "sum")
    assert keras_part("loss", "loss", "huber", defaults).reduction == "sum"
    own = {"class_name": "BinaryCrossentropy", "config": {"from_logits": False}}
    assert keras_part("loss", "loss", own, defaults).from_logits is False


def test_a_function_is_a_loss_or_a_metric():
    path = "tests.trainer.models.absolute_difference"
    loss = keras_part("loss", "loss", path, {"from_logits": True})
    found = loss.call(np.float32([[1], [2]]), np.float32([[3], [9]]))
    assert found.numpy().tolist() == [2, 7]
    metric = keras_part("metric", "metrics", path)
    metric.update_state(np.float32([[1], [2]]), np.float32([[3], [6]]))
    assert (metric.name, float(metric.result())) == ("absolute_difference", 3)


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("optimizer", "adamm", "Received: 'adamm' .Keras has Adadelta"),
        ("optimizer", "no_such.Module", "No module named 'no_such'"),
        ("optimizer", "keras.optimizers.Nothing", "has no 'Nothing'"),
        ("optimizer", "keras.losses.Huber", "unexpected keyword argument 'learning_rate'"),
        ("callback", "keras.losses.Huber", "it makes a Huber"),
        ("callback", {"class_name": "CSVLogger"}, "missing a required|required positional"),
        ("loss", {"class_name": "Huber", "config": {"delt": 1}}, "unexpected keyword.*'delt'"),
        ("metric", {"name": "auc"}, "neither a name nor"),
        ("metric", 3, "neither a name nor"),
        ("optimizer", {"class_name": "SGD", "config": {"learning_rate": 1}}, "has a field for"),
    ],
)
def test_what_is_no_such_part_is_named(kind, spec, message):
    fixed = {"learning_rate": 0.1} if kind == "optimizer" else {}
    with pytest.raises(ValueError, match=message) as error:
        keras_part(kind, "the_field", spec, **fixed)
    assert "TrainerConfig.the_field" in str(error.value)


@pytest.mark.parametrize("path", ["", "os", ".x", "os.", "os.nothing", "nothing.x"])
def test_what_cannot_be_imported_is_an_import_error(path):
    with pytest.raises(ImportError):
        import_path(path)
