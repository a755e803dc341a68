"""The whole demo through the launcher, beside a local run of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nsl_tfx import metadata
from tests.components.conftest import files_below
from tests.components.test_robustness_evaluator import told
from tests.kubeflow.launcher import launch

pytestmark = [
    pytest.mark.tfx,
    pytest.mark.slow,
    pytest.mark.usefixtures("kfp"),
    # Thirteen processes, each of which loads TFX, and a local run.
    pytest.mark.timeout(5400),
]


@pytest.fixture(scope="module")
def folder(kfp, tmp_path_factory):
    from nsl_tfx.pipelines.digits.data import write_digits

    folder = tmp_path_factory.mktemp("digits")
    write_digits(str(folder / "data"), 0.1, 0)
    return folder


@pytest.fixture(scope="module")
def launched(folder):
    from nsl_tfx.pipelines.digits.pipeline import create_pipeline
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    path = folder / "digits.yaml"
    compile_pipeline(create_pipeline(str(folder / "launched"), str(folder / "data")), str(path))
    run = launch(
        path, folder / "launched.sqlite", variables={"TF_CPP_MIN_LOG_LEVEL": "3"}, run="launched"
    )
    assert set(run.states.values()) == {"done"}
    return metadata.last_outputs(metadata.open_store(str(folder / "launched.sqlite")), "digits")


@pytest.fixture(scope="module")
def local(folder):
    from tfx import v1 as tfx

    from nsl_tfx.pipelines.digits.pipeline import create_pipeline

    pipeline = create_pipeline(str(folder / "local"), str(folder / "data"))
    tfx.orchestration.LocalDagRunner().run(pipeline)
    store = metadata.open_store(str(folder / "local" / "metadata.sqlite"))
    return metadata.last_outputs(store, "digits")


def test_the_same_nodes_put_out_the_same_kinds(launched, local):
    def kinds(outputs):
        return {node: {key: a.type for key, a in made.items()} for node, made in outputs.items()}

    assert kinds(launched) == kinds(local)


def test_the_blessings_agree(launched, local):
    for node in ("Evaluator", "RobustnessEvaluator"):
        found = [run[node]["blessing"].properties["blessed"] for run in (launched, local)]
        assert found[0] == found[1]
    assert launched["RobustnessEvaluator"]["blessing"].properties["blessed"] == 1


def test_the_blessings_name_the_model_as_resolvers_look_for_it(launched, folder):
    store = metadata.open_store(str(folder / "launched.sqlite"))
    (model,) = store.get_artifacts_by_id([launched["Trainer.regularized"]["model"].id])
    assert model.name.startswith("projects/")
    for node in ("Evaluator", "RobustnessEvaluator"):
        assert launched[node]["blessing"].properties["current_model_id"] == model.name


def evaluation_of(run):
    """Returns `metrics.json` without its times, and the examples."""
    files = files_below(run["RobustnessEvaluator"]["evaluation"].uri)
    return told(json.loads(files["metrics.json"])), files["examples.parquet"]


def test_the_evaluations_agree(launched, local):
    assert evaluation_of(launched) == evaluation_of(local)


def pushed(run):
    return Path(run["Pusher"]["pushed_model"].properties["pushed_destination"])


def weights_of(folder):
    """Returns each weight's shape, type and bytes; Keras numbers them by no order of its own."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    values = [reader.get_tensor(name) for name in names]
    return sorted((value.shape, str(value.dtype), value.tobytes()) for value in values)


def test_the_pushed_weights_are_the_same_to_the_bit(launched, local):
    found, expected = (weights_of(pushed(run)) for run in (launched, local))
    assert found == expected
    assert sum(len(content) for _, _, content in found) > 4 * 10_000


def test_the_pushed_models_serve_the_same(launched, local, folder):
    import tensorflow as tf

    (file,) = (folder / "data" / "test").iterdir()
    records = list(tf.data.TFRecordDataset(str(file), "GZIP"))
    answers = [
        tf.saved_model.load(str(pushed(run))).signatures["serving_default"](tf.stack(records))
        for run in (launched, local)
    ]
    assert answers[0].keys() == answers[1].keys()
    for name, values in answers[0].items():
        assert len(values) == len(records) > 100
        np.testing.assert_array_equal(values, answers[1][name], err_msg=name)
