"""Each field of a `TrainerConfig` has an effect, and a new one cannot be forgotten here."""

import dataclasses

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import configs, trainer
from tests.trainer.conftest import ROWS, SCHEMA, make_row, write_rows
from tests.trainer.trainings import TERMS, history, weights_of

BY_CONTEXT = {
    "model_fn": "tests.trainer.models.make_by_context",
    "model_options": {"width": 3},
}
BINARY = {**BY_CONTEXT, "model_options": {"width": 1}, "label_feature": "yes", "task": "binary"}
GRAPH = {"graph": TERMS["graph"]}
ADVERSARIAL = {"adversarial": TERMS["adversarial"]}
DECAY = {
    "class_name": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.05, "decay_steps": 1, "decay_rate": 0.5},
}
ANY_LOSS = {"monitor": "loss", "min_delta": 1e9, "patience": 0}

# The field, what is set beside it, and to what it is changed.
OF_WEIGHTS = [
    ("model_fn", {}, "tests.trainer.models.make_sum"),
    ("model_options", BY_CONTEXT, {"width": 4}),
    ("features", BY_CONTEXT, ("x", "size")),
    ("label_feature", {}, "yes"),
    ("weight_feature", {}, "importance"),
    ("task", BINARY, "regression"),
    *((name, {}, term) for name, term in TERMS.items()),
    ("embedding", GRAPH, "hidden"),
    ("neighbor_features", {**BY_CONTEXT, **GRAPH, "features": ("x", "size")}, ("x",)),
    ("neighbor_perturbation", GRAPH, configs.AdvNeighborConfig(adv_step_size=0.1)),
    ("regularization_start_epoch", ADVERSARIAL, 1),
    ("regularization_ramp_epochs", ADVERSARIAL, 2),
    ("batch_size", {}, 20),
    ("epochs", {}, 1),
    ("steps_per_epoch", {}, 3),
    ("optimizer", {}, "sgd"),
    ("learning_rate", {}, 0.01),
    ("learning_rate", {}, DECAY),
    (
        "loss",
        {},
        {"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 1}},
    ),
    ("class_weights", {}, {"0": 9.0}),
    ("class_weights", {}, "balanced"),
    ("callbacks", {"epochs": 3}, ({"class_name": "ReduceLROnPlateau", "config": ANY_LOSS},)),
    ("early_stopping", {}, configs.EarlyStoppingConfig(**ANY_LOSS)),
    ("precision", {}, "mixed_bfloat16"),
    ("seed", {}, 1),
    ("memory_mb", {}, 0),
    ("shuffle_buffer", {}, 1),
    ("shuffle_buffer", {"memory_mb": 0}, 5),
]
OF_LOGS = [
    (
        "metrics",
        {},
        ({"class_name": "SparseTopKCategoricalAccuracy", "config": {"k": 2, "name": "top_2"}},),
        {"top_2", "val_top_2"},
    ),
    (
        "validation_attack",
        {},
        configs.ValidationAttackConfig(epsilon=0.1),
        {"val_attacked_loss", "val_attacked_accuracy"},
    ),
]
OF_NEITHER = {
    "strategy": "the training is the same, as test_distribution.py sees",
    "backup_dir": "where something lies for a while, as a test below sees",
}


@pytest.fixture(scope="module")
def train(tmp_path_factory, config, eval_files):
    """Trains with some settings, once however often it is asked; gives weights and logs."""
    folder = tmp_path_factory.mktemp("settings")
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    schema.feature.add().CopyFrom(schema.feature[-3])
    schema.feature[-1].name = "NL_nbr_0_size"
    files = write_rows(str(folder / "train.tfrecord"), seed=0, make=with_neighbors_size)
    data = trainer.TrainingData([files], [eval_files], schema)
    plain = config.replace(graph=None, adversarial=None, epochs=2)
    known = {}

    def train(settings):
        asked = plain.replace(**settings)
        key = asked.to_json()
        if key not in known:
            log_dir = folder / str(len(known)) / "1"
            known[key] = weights_of(asked, data, log_dir), history(log_dir)
        return known[key]

    return train


def with_neighbors_size(number, x):
    row = make_row(number, x)
    return row | ({"NL_nbr_0_size": x[1:2]} if "NL_nbr_0_x" in row else {})


def same(one, two):
    shapes = [[weight.shape for weight in weights] for weights in (one, two)]
    return shapes[0] == shapes[1] and all(map(np.array_equal, one, two))


def test_every_field_is_here():
    fields = {field.name for field in dataclasses.fields(configs.TrainerConfig)}
    shown = {row[0] for row in OF_WEIGHTS + OF_LOGS}
    assert shown | OF_NEITHER.keys() == fields
    assert not shown & OF_NEITHER.keys()


@pytest.mark.slow
@pytest.mark.parametrize(("field", "given", "value"), OF_WEIGHTS)
def test_each_setting_changes_the_model(train, field, given, value):
    before, _ = train(given)
    after, _ = train({**given, field: value})
    assert not same(before, after)


@pytest.mark.slow
@pytest.mark.parametrize(("field", "given", "value", "names"), OF_LOGS)
def test_each_setting_of_what_is_looked_at_changes_the_logs_alone(
    train, field, given, value, names
):
    before, before_logs = train(given)
    after, after_logs = train({**given, field: value})
    assert same(before, after)
    for one, two in zip(before_logs, after_logs, strict=True):
        assert names <= two.keys() - one.keys()
        assert one["loss"] == two["loss"]


@pytest.mark.slow
def test_the_same_settings_make_the_same_model(train):
    first, _ = train({})
    # That nothing reads, so that it is trained once more.
    again, _ = train({"model_options": {"unused": 1}})
    assert same(first, again)


def test_memory_decides_about_the_order_of_rows_alone(config, data):
    rng = np.random.default_rng(0)
    rows = {rng.normal(size=3).astype("float32").tobytes() for _ in range(ROWS)}
    config = config.replace(batch_size=8, graph=None)
    spec = trainer.make_example_spec(config, data.schema)
    orders = []
    for memory_mb in (1, 0):
        batches = trainer.training_dataset(
            data.train_files, spec, config.replace(memory_mb=memory_mb)
        )
        seen = [
            x.tobytes() for batch, *_ in batches.take(2 * ROWS // 8) for x in batch["x"].numpy()
        ]
        for one_pass in (seen[:ROWS], seen[ROWS:]):
            assert len(one_pass) == len(rows)
            assert set(one_pass) == rows
            orders.append(tuple(one_pass))
    assert len(set(orders)) == 4


@pytest.mark.slow
def test_a_backup_lies_where_it_is_asked_for(config, data, tmp_path):
    def fail(*args):
        raise OSError("disk full")

    for name in (None, "elsewhere"):
        backup_dir = None if name is None else str(tmp_path / name)
        asked = config.replace(graph=None, adversarial=None, epochs=1, backup_dir=backup_dir)
        with pytest.raises(OSError, match="disk full"):
            trainer.train(asked, data, str(tmp_path / "runs" / "1"), finish=fail)
        assert len(list((tmp_path / (name or "runs")).glob(".backup-*"))) == 1
    assert len(list(tmp_path.glob("*/.backup-*"))) == 2
