"""However many devices or machines a training is spread over, it is the same training."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs, trainer
from tests.trainer.conftest import SCHEMA
from tests.trainer.trainings import TERMS, history, run, run_workers

# Devices are set up once a process, and before anything else.
MIRRORED = """
import json, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from nsl_tfx import configs, trainer
from tests.trainer import trainings

settings = json.loads(sys.argv[1])
schema = text_format.Parse(settings["schema"], schema_pb2.Schema())
data = trainer.TrainingData(settings["train"], settings["eval"], schema)
config = configs.TrainerConfig.from_dict(settings["config"])
tf.random.stateless_normal = trainings.undrawn
results = {}
for number, names in enumerate(settings["terms"]):
    terms = {name: trainings.TERMS[name] for name in names}
    for kind in ("none", "mirrored"):
        folder = f"{settings['folder']}/{number}-{kind}/1"
        weights = trainings.weights_of(config.replace(strategy=kind, **terms), data, folder)
        logs = trainings.history(folder)
        results[f"{number}-{kind}"] = [logs, [weight.tolist() for weight in weights]]
try:
    trainer.train(config.replace(strategy="mirrored", batch_size=9), data, settings["folder"])
except ValueError as error:
    results["odd"] = str(error)
from nsl_tfx.trainer.distribution import make_strategy
assert make_strategy(config.replace(strategy="mirrored")).num_replicas_in_sync == 2
print(json.dumps(results))
"""
COMBINATIONS = [(), *((name,) for name in TERMS), tuple(TERMS)]

RUN_FN = """
import json, sys, types
from nsl_tfx import configs, trainer
trainer.run_fn(types.SimpleNamespace(**json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory, config, files, eval_files):
    folder = tmp_path_factory.mktemp("mirrored")
    settings = {
        # By Adam, a rounding of a gradient near 0 would become a whole step.
        "config": config.replace(
            graph=None, adversarial=None, epochs=2, optimizer="sgd", learning_rate=0.3
        ).to_dict(),
        "schema": SCHEMA,
        "train": [files],
        "eval": [eval_files],
        "folder": str(folder),
        "terms": COMBINATIONS,
    }
    return json.loads(run(MIRRORED, settings))


@pytest.mark.slow
@pytest.mark.parametrize("terms", COMBINATIONS)
def test_two_devices_train_as_one_does(mirrored, terms):
    number = COMBINATIONS.index(terms)
    (one_logs, one), (two_logs, two) = (mirrored[f"{number}-{k}"] for k in ("none", "mirrored"))
    for a, b in zip(two, one, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(two_logs, one_logs, strict=True):
        assert {f"scaled_{name}_loss" for name in terms} <= b.keys()
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.slow
def test_a_batch_that_devices_cannot_share_is_named(mirrored):
    assert "multiple of the 2 replicas. Received: batch_size=9" in mirrored["odd"]


@pytest.mark.slow
def test_two_workers_export_what_one_does(fn_args, config, tmp_path):
    config = config.replace(
        batch_size=20,
        early_stopping=configs.EarlyStoppingConfig(patience=9),
        callbacks=("tests.trainer.models.WriteWeights",),
    )
    fn_args.train_steps = 6
    fn_args.custom_config = trainer.custom_config(config)
    trainer.run_fn(fn_args)
    settings, environments = [], []
    for index in range(2):
        names = ("serving", "tmp", "weights.npz")
        own = {name: str(tmp_path / f"worker-{index}" / name) for name in names}
        Path(own["tmp"]).mkdir(parents=True)
        settings.append(
            {
                **vars(fn_args),
                "custom_config": trainer.custom_config(config.replace(strategy="multi_worker")),
                "serving_model_dir": own["serving"],
                "model_run_dir": str(tmp_path / "runs" / "1"),
            }
        )
        environments.append({"TMPDIR": own["tmp"], "WEIGHTS": own["weights.npz"]})
    run_workers(RUN_FN, settings, environments)
    chief, other = (Path(own["serving_model_dir"]) for own in settings)
    assert (chief / "saved_model.pb").exists()
    assert not list(other.iterdir())
    # What either of them had only for a while: backups, probes, and the export that none asked for.
    left = {path.name for folder in environments for path in Path(folder["TMPDIR"]).iterdir()}
    # TensorFlow's, of functions that it translates.
    assert left <= {"__pycache__"}
    assert not [name for name in os.listdir(chief) if name.startswith(".")]
    assert os.listdir(tmp_path / "runs") == ["1"]
    assert sorted(os.listdir(tmp_path / "runs" / "1")) == ["history.csv", "logs"]
    expected, exported = (
        [variable.numpy() for variable in tf.saved_model.load(str(folder)).variables]
        for folder in (fn_args.serving_model_dir, chief)
    )
    assert len(expected) == 4
    held = [list(np.load(environment["WEIGHTS"]).values()) for environment in environments]
    for found in (exported, *held):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    ours, theirs = (history(tmp_path / name / "1") for name in ("run", "runs"))
    for a, b in zip(theirs, ours, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
