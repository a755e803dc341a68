import csv
import types

import pytest

from nsl_tfx import configs, trainer
from nsl_tfx.configs import SearchRange, TunerConfig, ValidationAttackConfig
from nsl_tfx.configs.tuning import with_values
from nsl_tfx.trainer.preparing import prepare

ADVERSARIAL = configs.make_adv_reg_config(adv_step_size=0.3, adv_grad_norm="infinity")
STRENGTHS = SearchRange(values=[0.0, 4.0])


@pytest.fixture
def plain(config):
    return config.replace(graph=None, adversarial=ADVERSARIAL, batch_size=20)


@pytest.fixture
def search(fn_args, tmp_path):
    """Runs a search as TFX's Tuner does, and returns what it found best."""

    def run(config, tuning, steps=30):
        fn_args.custom_config = trainer.custom_config(config, tuning)
        fn_args.train_steps = steps
        fn_args.working_dir = str(tmp_path / "trials")
        result = trainer.tuner_fn(fn_args)
        result.tuner.search(**result.fit_kwargs)
        return result.tuner

    return run


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_searches_strengths_and_more(search, plain, algorithm):
    tuning = TunerConfig(
        search={
            "adversarial.multiplier": SearchRange(low=0.01, high=1.0, sampling="log"),
            "learning_rate": SearchRange(values=[1e-6, 0.05]),
            "batch_size": SearchRange(low=10, high=20),
        },
        objective="val_accuracy",
        algorithm=algorithm,
        max_trials=4,
    )
    tuner = search(plain, tuning)
    trials = tuner.oracle.get_best_trials(9)
    assert len(trials) == 4
    assert tuner.get_best_hyperparameters()[0].values["learning_rate"] == 0.05
    for trial in trials:
        assert 0.01 <= trial.hyperparameters.values["adversarial.multiplier"] <= 1
        assert isinstance(trial.hyperparameters.values["batch_size"], int)


@pytest.mark.slow
def test_a_search_by_attacked_accuracy_finds_adversarial_training_worth_it(search, plain):
    plain = plain.replace(validation_attack=ValidationAttackConfig(epsilon=0.3, steps=5))
    tuning = TunerConfig(
        search={"adversarial.multiplier": STRENGTHS},
        objective="val_attacked_loss",
        algorithm="grid",
    )
    best = search(plain, tuning, steps=200).get_best_hyperparameters()[0]
    assert best.values == {"adversarial.multiplier": 4.0}


@pytest.mark.slow
def test_trials_whose_loss_is_no_number_do_not_end_the_search(search, plain):
    tuning = TunerConfig(
        search={"adversarial.multiplier": SearchRange(values=[1e39, 0.1])}, algorithm="grid"
    )
    best = search(plain, tuning, steps=8).get_best_hyperparameters()[0]
    assert best.values == {"adversarial.multiplier": 0.1}


@pytest.mark.slow
def test_a_search_in_which_nothing_ends_well_fails(search, plain):
    tuning = TunerConfig(
        search={"adversarial.multiplier": SearchRange(values=[1e39, 1e38])}, algorithm="grid"
    )
    with pytest.raises(trainer.NonFiniteLossError, match=r"2 that failed.*clipnorm"):
        search(plain, tuning, steps=8)


def test_a_trials_length_follows_its_settings(plain, data):
    ready = prepare(plain.replace(epochs=2), data)
    assert ready.source.rows == 40
    assert ready.with_config(plain.replace(epochs=2, seed=1)).source is ready.source
    more = ready.with_config(plain.replace(epochs=2, features=("x", "size")))
    assert set(more.source.table) == {"x", "size", "label"}
    changed = ready.with_config(plain.replace(epochs=3, batch_size=10))
    assert (ready.epochs.steps, ready.epochs.count) == (2, 2)
    assert (changed.epochs.steps, changed.epochs.count) == (4, 3)


def test_the_trainer_takes_what_was_best(fn_args, config):
    fn_args.hyperparameters = {
        "space": [],
        "values": {"adversarial.multiplier": 0.7, "learning_rate": 0.3, "width": 9},
    }
    found = trainer.read_config(fn_args)
    assert (found.adversarial.multiplier, found.learning_rate) == (0.7, 0.3)
    assert found.model_options == {"width": 9}
    assert found.graph == config.graph


@pytest.mark.parametrize(
    ("path", "value", "error", "message"),
    [
        ("trades.multiplier", 1.0, ValueError, "Expected TrainerConfig.trades to be set"),
        ("adversarial.strength", 1.0, TypeError, "Received: strength"),
        ("adversarial.multiplier", -1.0, ValueError, "multiplier >= 0"),
        ("batch_size", 1.5, TypeError, "batch_size to be int"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(config, path, value, error, message):
    with pytest.raises(error, match=message):
        with_values(config, {path: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "val_auc"}, "val_loss, val_accuracy. Received: 'val_auc'"),
        ({"objective": "val_attacked_loss"}, "Received: 'val_attacked_loss'"),
        ({"search": {"graph.multiplier": STRENGTHS}}, "TrainerConfig.graph to be set"),
        ({"search": {"batch_size": SearchRange(values=[4, 0])}}, "batch_size >= 1"),
    ],
)
def test_a_search_that_cannot_be_is_an_error_before_it(fn_args, tmp_path, plain, changes, message):
    tuning = TunerConfig(search={"learning_rate": SearchRange(values=[0.1])}).replace(**changes)
    fn_args.custom_config = trainer.custom_config(plain, tuning)
    fn_args.working_dir = str(tmp_path)
    with pytest.raises(ValueError, match=message):
        trainer.tuner_fn(fn_args)


def test_a_path_that_is_no_setting_is_named():
    with pytest.raises(ValueError, match=r"'model_options\.NAME'.*Received: learning_rat"):
        TunerConfig(search={"learning_rat": STRENGTHS})


def test_no_search_is_named(fn_args):
    with pytest.raises(ValueError, match="TunerConfig"):
        trainer.tuner_fn(types.SimpleNamespace(**vars(fn_args), working_dir="x"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "values=.* or SearchRange.low="),
        ({"values": []}, "values="),
        ({"values": [1], "low": 1}, "values="),
        ({"low": 1}, "low < high"),
        ({"low": 2, "high": 1}, "low < high"),
        ({"low": 0.0, "high": 1.0, "sampling": "log"}, "low > 0"),
        ({"low": 0.0, "high": float("inf")}, "low < high"),
    ],
)
def test_a_range_of_nothing_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchRange(**arguments)


@pytest.mark.slow
def test_validation_under_attack_is_logged_and_stops(plain, data, tmp_path):
    config = plain.replace(
        epochs=3,
        validation_attack=ValidationAttackConfig(epsilon=0.5, steps=5),
        early_stopping={"monitor": "val_attacked_accuracy", "patience": 9},
    )
    trainer.train(config, data, str(tmp_path / "run"))
    with open(tmp_path / "run" / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        assert float(row["val_attacked_loss"]) > float(row["val_loss"])
        assert float(row["val_attacked_accuracy"]) <= float(row["val_accuracy"])
