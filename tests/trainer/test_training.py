import dataclasses
import json
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import configs, trainer
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.trainer.backup import Backup
from nsl_tfx.trainer.distribution import make_strategy
from nsl_tfx.trainer.preparing import prepare
from tests.trainer.conftest import SCHEMA, make_row, write_rows
from tests.trainer.trainings import TERMS, history, start, weights_of

# Trains in a process of its own, to be killed.
SCRIPT = """
import json, sys
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from nsl_tfx import configs, trainer
settings = json.loads(sys.argv[1])
schema = text_format.Parse(settings["schema"], schema_pb2.Schema())
data = trainer.TrainingData(settings["train"], settings["eval"], schema)
config = configs.TrainerConfig.from_dict(settings["config"])
trainer.train(config, data, settings["log_dir"])
"""


@pytest.fixture
def plain(config):
    return config.replace(graph=None, adversarial=None, epochs=3)


@pytest.mark.slow
@pytest.mark.parametrize("terms", [(), *((name,) for name in TERMS), tuple(TERMS)])
def test_every_combination_of_terms_is_logged(plain, data, tmp_path, terms):
    config = plain.replace(**{name: TERMS[name] for name in terms}, epochs=2)
    trainer.train(config, data, str(tmp_path / "run"))
    rows = history(tmp_path / "run")
    expected = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    expected |= {f"scaled_{name}_loss" for name in terms} | ({"label_loss"} if terms else set())
    assert [set(row) for row in rows] == [expected] * 2
    for row in rows:
        parts = [row[name] for name in expected if name.endswith("loss")]
        assert np.isfinite(parts).all()
        if terms:
            own = sum(row[n] for n in expected if n.startswith("scaled_") or n == "label_loss")
            assert row["loss"] == pytest.approx(own, rel=1e-4)
    tags = {
        value.tag
        for file in (tmp_path / "run/logs/train").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert {f"epoch_{name}" for name in expected if not name.startswith("val_")} - tags == {
        "epoch_epoch"
    }


@pytest.mark.slow
def test_steps_are_made_to_the_letter(plain, data, tmp_path):
    from tests.trainer.models import CountBatches

    config = plain.replace(
        epochs=None,
        callbacks=({"class_name": "tests.trainer.models.CountBatches", "config": {"by": 1}},),
    )
    CountBatches.batches = 0
    trainer.train(config, data, str(tmp_path / "run"), train_steps=11)
    assert CountBatches.batches == 11
    assert len(history(tmp_path / "run")) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_fn": "tests.trainer.models.make_softmax"}, "puts out probabilities"),
        ({"model_fn": "tests.trainer.models.make_nested_softmax"}, "puts out probabilities"),
        ({"model_fn": "tests.trainer.models.make_softmax_by_ops"}, "puts out probabilities"),
        (
            {
                "model_fn": "tests.trainer.models.make_sigmoid",
                "task": "binary",
                "label_feature": "yes",
            },
            "puts out probabilities",
        ),
        ({"embedding": "nothing"}, "x, hidden, dense.* Received: 'nothing'"),
        ({"class_weights": {"9": 2.0}}, "labels name: 0, 1, 2. Received: 9"),
        (
            {"class_weights": "balanced", "task": "binary", "label_feature": "both"},
            "with one label an example",
        ),
        ({"model_fn": "tests.trainer.models.make_two_outputs"}, "with one output.*: a list of 2"),
        ({"model_fn": "tests.trainer.models.make_by_context"}, r"1 logits, for labels up to 2"),
        ({"task": "binary", "label_feature": "yes"}, r"\[batch, 1\], a logit.*shape \(16, 3\)"),
        ({"task": "regression", "label_feature": "both"}, r"\[batch, 2\], a number"),
        ({"optimizer": "adamm"}, r"TrainerConfig\.optimizer"),
        ({"learning_rate": {"class_name": "Cosine"}}, r"TrainerConfig\.learning_rate"),
        ({"loss": "crossentropy"}, r"TrainerConfig\.loss"),
        ({"metrics": ("precisionn",)}, r"TrainerConfig\.metrics"),
        ({"metrics": ("accuracy", "auc")}, r"TrainerConfig\.metrics for labels .*: 'auc'"),
        ({"loss": "huber"}, r"TrainerConfig\.loss for labels .*: 'huber'"),
        ({"backup_dir": "/proc/nothing"}, "a folder that can be written to"),
        ({"callbacks": ("no.Such",)}, r"TrainerConfig\.callbacks"),
        ({"early_stopping": {"monitor": "val_auc"}}, "val_loss, val_accuracy.*: 'val_auc'"),
        (
            {"callbacks": ({"class_name": "ReduceLROnPlateau", "config": {"monitor": "val_auc"}},)},
            r"TrainerConfig\.callbacks to watch one of val_loss, val_accuracy.*: 'val_auc'",
        ),
        (
            {
                "adversarial": TERMS["adversarial"],
                "callbacks": (
                    {
                        "class_name": "EarlyStopping",
                        "config": {"monitor": "val_label_loss", "mode": "min"},
                    },
                ),
            },
            r"scaled_adversarial_loss, label_loss\. Received: 'val_label_loss'",
        ),
        (
            {"model_fn": "tests.trainer.models.make_of_pair"},
            r"make_of_pair' to return a model that takes a dict.*x \[16, 3\].*fails on it",
        ),
        ({"batch_size": 50, "strategy": "mirrored"}, "batch_size of at most the 40 examples"),
        (
            {
                "model_fn": "tests.trainer.models.make_saturated_sigmoid",
                "task": "binary",
                "label_feature": "yes",
            },
            "puts out probabilities",
        ),
        ({"strategy": "multi_worker"}, "TF_CONFIG to name the workers"),
        ({"graph": TERMS["graph"], "embedding": "nothing"}, "nothing"),
        ({"epochs": None}, "either TrainerConfig"),
    ],
)
def test_what_cannot_be_trained_is_an_error_before_the_first_step(
    plain, data, tmp_path, changes, message
):
    with pytest.raises((ValueError, OSError), match=message):
        trainer.train(plain.replace(**changes), data, str(tmp_path / "run"))
    assert not (tmp_path / "run" / "history.csv").exists()


@pytest.mark.parametrize(
    ("rows", "make", "message"),
    [
        (0, make_row, "examples to validate on"),
        (9, lambda number, x: {"x": x}, "labelled examples to validate on. Received 9 examples"),
        (9, lambda number, x: {"x": x, "label": [7]}, "3 logits, for labels up to 7"),
        # All that is validated on.
        (
            40,
            lambda number, x: {"x": x, "label": [1 if number > 30 else -1]},
            "labelled examples to validate on. Received 20 examples",
        ),
    ],
)
def test_nothing_to_validate_on_is_an_error_before_the_first_step(
    config, data, tmp_path, rows, make, message
):
    path = write_rows(str(tmp_path / "eval"), seed=0, rows=rows, make=make)
    data = dataclasses.replace(data, eval_files=[path])
    with pytest.raises(ValueError, match=message):
        trainer.train(config.replace(epochs=1), data, str(tmp_path / "run"), eval_steps=2)


def test_a_batch_holds_each_example_once(plain, data):
    """So that an epoch is a pass."""
    ready = prepare(plain.replace(batch_size=50, epochs=2), data)
    assert (ready.epochs.count, ready.epochs.steps) == (2, 1)
    for x, _, _ in ready.training_batches().take(3).as_numpy_iterator():
        assert len({row.tobytes() for row in x["x"]}) == len(x["x"]) == 40


@pytest.mark.parametrize("name", ["make_gated", "make_sum"])
def test_a_model_is_not_judged_by_the_order_of_its_layers(plain, data, name):
    config = plain.replace(model_fn=f"tests.trainer.models.{name}")
    assert prepare(config, data).make_model().built


def cluster(workers, **task):
    return json.dumps({"cluster": {"worker": workers}, "task": task})


@pytest.mark.parametrize(
    ("text", "strategy", "message"),
    [
        (cluster(["a:1", "b:1"], type="worker"), "none", "names 2 workers"),
        (cluster(["a:1", "b:1"], type="worker", index=1), "mirrored", "names 2 workers"),
        ("{}", "multi_worker", "TF_CONFIG to name the workers"),
        *(
            (text, "none", "to name chief and workers, and to say which of them")
            for text in (
                "[1]",
                "{",
                '{"cluster": "x"}',
                '{"cluster": {"worker": "abc"}, "task": {"type": "worker"}}',
                '{"cluster": {"worker": ["a:1"]}}',
                '{"cluster": {"worker": ["a:1"]}, "task": []}',
                cluster(["a:1"], type="evaluator"),
                cluster(["a:1"], type="worker", index=1),
                cluster(["a:1"], type="worker", index=-1),
                cluster(["a:1"], type="worker", index="x"),
            )
        ),
    ],
)
def test_workers_that_do_not_fit_are_named(plain, monkeypatch, text, strategy, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=message):
        make_strategy(plain.replace(strategy=strategy))


@pytest.mark.slow
def test_a_failed_export_keeps_what_was_trained(plain, data, tmp_path):
    def fail(model, spec):
        raise OSError("disk full")

    config = plain.replace(model_fn="tests.trainer.models.make_dropout")
    with pytest.raises(OSError, match="disk full"):
        trainer.train(config, data, str(tmp_path / "1"), finish=fail)
    (backup,) = tmp_path.glob(".backup-*")
    exported = []
    found = weights_of(config, data, tmp_path / "2", finish=lambda *given: exported.append(given))
    ((model, spec),) = exported
    assert list(spec.features) == ["x"]
    np.testing.assert_array_equal(model.get_weights()[0], found[0])
    # Nothing was left to train.
    assert not (tmp_path / "2" / "history.csv").read_text()
    assert len(history(tmp_path / "1")) == 3
    expected = weights_of(config, data, tmp_path / "other" / "1")
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    assert not backup.exists()


@pytest.mark.slow
def test_keras_callbacks_know_what_is_better(plain, data, tmp_path):
    stop = {"class_name": "EarlyStopping", "config": {"monitor": "val_accuracy", "patience": 1}}
    config = plain.replace(callbacks=(stop,), epochs=40)
    trainer.train(config, data, str(tmp_path / "run"))
    found = [row["val_accuracy"] for row in history(tmp_path / "run")]
    assert 2 < len(found) < 40
    assert max(found) > found[0]


def test_two_processes_do_not_write_one_backup(tmp_path):
    """Of which the first to end would remove the other's."""
    with pytest.raises(KeyboardInterrupt):
        cut_after(1, tmp_path / "b", compiled())
    with Backup(str(tmp_path / "b"), compiled()):
        with pytest.raises(RuntimeError, match="one process at a time at the same training"):
            Backup(str(tmp_path / "b"), compiled()).__enter__()
        assert tf.train.latest_checkpoint(str(tmp_path / "b"))


def test_a_failure_before_the_first_backup_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        cut_after(0, tmp_path / "b", compiled())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["code", "eval", "schema"])
def test_another_training_has_another_backup(plain, data, tmp_path, monkeypatch, change):
    """One that fails at its end leaves its own."""

    def fail(model, spec):
        raise OSError("disk full")

    (tmp_path / "a_model.py").write_text("from tests.trainer.models import make_model")
    config = plain.replace(epochs=1, model_fn=f"{tmp_path / 'a_model.py'}:make_model")
    kept = []
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            trainer.train(config, data, str(tmp_path / "runs" / "1"), finish=fail)
        kept.append(len(list((tmp_path / "runs").glob(".backup-*"))))
        if change == "code":
            (tmp_path / "a_model.py").write_text("from tests.trainer.models import make_model #")
            code_fingerprint.cache_clear()
        elif change == "eval":
            files = [write_rows(str(tmp_path / "other"), seed=9)]
            data = dataclasses.replace(data, eval_files=files)
        else:
            schema = schema_pb2.Schema()
            schema.CopyFrom(data.schema)
            schema.feature.add(name="more", type=schema_pb2.INT)
            data = dataclasses.replace(data, schema=schema)
    assert kept == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(2)}, "schema describes.*Key: x"),
        ({"x": np.array([0, np.nan, 0])}, "finite numbers in feature 'x'.*in 1 of"),
        ({"label": [7]}, "labels below 3.*Received: 7|for labels up to 7"),
        ({"label": [-5]}, "labels from 0 on.*Received: -5"),
    ],
    ids=["shape", "NaN", "beyond", "negative"],
)
@pytest.mark.parametrize(
    ("where", "settings"),
    [
        ("eval", {}),
        ("train", {"steps_per_epoch": 12}),
        ("train", {"memory_mb": 0, "steps_per_epoch": 12}),
    ],
    ids=["validation", "kept", "read"],
)
def test_a_fault_far_down_is_named(plain, data, tmp_path, where, settings, change, message):
    """Of examples that are neither kept nor counted, once training comes upon it."""
    if settings.get("memory_mb") == 0 and "x" in change and np.isnan(change["x"]).any():
        message = "holds a number that is not|is not finite"

    def make(number, x):
        row = make_row(number, x)
        return row | change if number == 5000 else row

    path = write_rows(str(tmp_path / "many"), seed=3, rows=6000, make=make)
    data = dataclasses.replace(data, **{f"{where}_files": [path]})
    config = plain.replace(**settings, batch_size=500 if where == "train" else 10, epochs=1)
    with pytest.raises((ValueError, trainer.NonFiniteLossError), match=message):
        trainer.train(config, data, str(tmp_path / "runs" / "1"))
    early = where == "eval" or "memory_mb" not in settings
    assert (tmp_path / "runs" / "1" / "history.csv").exists() != early


@pytest.mark.slow
def test_regularizers_may_begin_later(plain, data, tmp_path):
    config = plain.replace(adversarial=TERMS["adversarial"], regularization_start_epoch=2)
    trainer.train(config, data, str(tmp_path / "run"))
    strength = [row["scaled_adversarial_loss"] for row in history(tmp_path / "run")]
    assert strength[:2] == [0, 0]
    assert strength[2] > 0


@pytest.mark.slow
def test_stops_early_with_the_best_weights(plain, data, tmp_path):
    config = plain.replace(
        epochs=40, learning_rate=0.5, early_stopping={"patience": 2}, batch_size=4
    )
    model = trainer.train(config, data, str(tmp_path / "run"))
    losses = [row["val_loss"] for row in history(tmp_path / "run")]
    assert len(losses) < 40
    assert np.argmin(losses) == len(losses) - 3
    spec = trainer.make_example_spec(config, data.schema)
    wrapper = trainer.make_regularized_model(model, config)
    batches = trainer.validation_dataset(data.eval_files, spec, config)
    assert wrapper.evaluate(batches, verbose=0, return_dict=True)["loss"] == pytest.approx(
        min(losses), rel=1e-5
    )


@pytest.mark.slow
def test_validation_rows_are_never_trained_on(plain, data, tmp_path):
    seen = {"train": set(), "eval": set()}
    ready = prepare(plain, data)
    both = {"train": ready.training_batches().take(8), "eval": ready.validation_batches()}
    for name, batches in both.items():
        for x, _, _ in batches.as_numpy_iterator():
            seen[name] |= {row.tobytes() for row in x["x"]}
    assert (len(seen["train"]), len(seen["eval"])) == (40, 40)
    assert not seen["train"] & seen["eval"]
    overlapping = trainer.TrainingData(data.train_files, data.train_files, data.schema)
    with pytest.raises(ValueError, match="other examples to validate on"):
        trainer.train(plain, overlapping, str(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 1e38, "optimizer": "sgd"}, "loss.*is not finite.*clipnorm"),
        ({"callbacks": ("tests.trainer.models.Explode",)}, "step 4 of epoch 1"),
        (
            {"callbacks": ("tests.trainer.models.ExplodeAtTheEnd",)},
            "after epoch 1: hidden/bias holds a number that is not, though the loss is finite",
        ),
    ],
)
def test_a_loss_that_is_no_number_stops_in_its_step(plain, data, tmp_path, changes, message):
    with pytest.raises(trainer.NonFiniteLossError, match=message):
        trainer.train(plain.replace(**changes, epochs=30), data, str(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terms", "next_try"),
    [
        ({name: TERMS[name] for name in ("graph", "adversarial")}, "1"),
        # These draw at random.
        (
            {
                "adversarial": configs.make_adv_reg_config(
                    adv_step_size=0.05, pgd_iterations=2, pgd_epsilon=0.1, random_init=True
                ),
                **{name: TERMS[name] for name in ("virtual_adversarial", "trades")},
            },
            "2",
        ),
    ],
    ids=lambda value: "+".join(value),
)
def test_a_killed_training_ends_as_if_it_had_not_been(plain, data, tmp_path, terms, next_try):
    config = plain.replace(
        **terms,
        model_fn="tests.trainer.models.make_dropout",
        epochs=4,
        early_stopping={"patience": 9},
        callbacks=("tests.trainer.models.KillProcess",),
    )
    expected = weights_of(config, data, tmp_path / "whole" / "1")
    runs = tmp_path / "runs"
    settings = {
        "config": config.to_dict(),
        "schema": SCHEMA,
        "train": data.train_files,
        "eval": data.eval_files,
        "log_dir": str(runs / "1"),
    }
    process = start(SCRIPT, settings, KILL_IN_EPOCH="2")
    _, error = process.communicate()
    assert process.returncode == -signal.SIGKILL, error
    assert len(list(runs.glob(".backup-*"))) == 1
    # The next try has other folders, and one that trains something else begins anew.
    other = weights_of(config.replace(seed=5), data, runs / "other")
    assert np.any(other[0] != expected[0])
    # In another folder, as TFX's next try; or in the same.
    found = weights_of(config, data, runs / next_try)
    epochs = [2, 3] if next_try == "2" else [0, 1, 2, 3]
    assert [row["epoch"] for row in history(runs / next_try)] == epochs
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    assert not list(runs.glob(".backup-*"))


X = np.ones([4, 1], np.float32)


def compiled():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("adam", "mse")
    return model


def cut_after(epochs, folder, model, callbacks=()):
    """Trains, and then fails, so that the backup stays."""
    with Backup(str(folder), model, callbacks) as backup:
        callbacks = [*callbacks, backup]
        model.fit(X, X, validation_data=(X, X), epochs=epochs, callbacks=callbacks, verbose=0)
        raise KeyboardInterrupt


def early_stopping():
    return keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)


def test_a_backup_keeps_what_early_stopping_knew(tmp_path):
    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        cut_after(2, tmp_path / "b", model, [early_stopping()])
    other, stopping = compiled(), early_stopping()
    with Backup(str(tmp_path / "b"), other, [stopping]) as backup:
        assert (backup.epochs, backup.stopped) == (2, False)
        np.testing.assert_array_equal(other.get_weights(), model.get_weights())
        assert int(other.optimizer.iterations) == 2
        # Nothing gets better without a step: the next epoch is the last one.
        other.optimizer.learning_rate = 0.0
        callbacks = [stopping, backup]
        found = other.fit(
            X, X, validation_data=(X, X), initial_epoch=2, epochs=9, callbacks=callbacks, verbose=0
        )
        assert found.epoch == [2]
        assert stopping.best_epoch == 1
    assert not (tmp_path / "b").exists()


def test_a_backup_of_another_model_is_named(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        cut_after(1, tmp_path, compiled())
    other = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), keras.layers.Dense(3)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"to be of this model\. Delete the folder"):
        Backup(str(tmp_path), other).__enter__()
