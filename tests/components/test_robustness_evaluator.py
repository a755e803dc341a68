"""RobustnessEvaluator's artifacts, blessing and errors; what it measures is tested without TFX."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

pytestmark = pytest.mark.tfx

SCHEMA = """
feature {{ name: "x" type: FLOAT shape {{ dim {{ size: 2 }} }} presence {{ min_fraction: 1 }} }}
feature {{ name: "label" type: INT {label} presence {{ min_fraction: {labelled} }} }}
feature {{ name: "id" type: BYTES shape {{}} presence {{ min_fraction: 1 }} }}
feature {{ name: "unused" type: BYTES }}
feature {{ name: "city" type: BYTES }}
feature {{ name: "zone" type: INT shape {{}} presence {{ min_fraction: 0.5 }} }}
feature {{ name: "height" type: FLOAT value_count {{ min: 1 max: 1 }} }}
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Linear models of two classes: a steep one is right, a flipped one wrong."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "good": export(folder / "good", 4.0),
        "bad": export(folder / "bad", -4.0),
        "unsigned": export(folder / "unsigned", 4.0, endpoint="other"),
        "of_records": export_of_records(folder / "of_records", 4.0),
    }


def export(folder: Path, slope: float, endpoint: str = "raw_features") -> str:
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(2)])
    model.layers[0].set_weights([np.array([[-slope, slope], [0, 0]]), np.zeros(2)])
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        endpoint,
        lambda features: {"logits": model(features["x"], training=False)},
        input_signature=[{"x": tf.TensorSpec([None, 2], tf.float32, name="x")}],
    )
    archive.write_out(str(folder / "Format-Serving"), verbose=False)
    return str(folder)


def export_of_records(folder: Path, slope: float) -> str:
    """A model that takes serialized tf.Examples only, as most of TFX's do."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        spec = {"x": tf.io.FixedLenFeature([2], tf.float32)}
        x = tf.io.parse_example(examples, spec)["x"]
        return {"logits": slope * x @ tf.constant([[-1.0, 1.0], [0.0, 0.0]])}

    tf.saved_model.save(tf.Module(), str(folder / "Format-Serving"), signatures=serve)
    return str(folder)


def write_split(folder: Path, count: int, unlabelled: int = 0, start: int = 0) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(start)
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), "GZIP") as writer:
        for i in range(count):
            x = rng.uniform(-1, 1, 2)
            example = tf.train.Example()
            feature = example.features.feature
            feature["x"].float_list.value.extend(x)
            feature["id"].bytes_list.value.append(f"row-{start + i}".encode())
            if i >= unlabelled:
                feature["label"].int64_list.value.append(int(x[0] > 0))
            if i % 4:
                feature["city"].bytes_list.value.append(b"ab"[i % 2 : i % 2 + 1])
                feature["zone"].int64_list.value.append(i % 4)
                feature["height"].float_list.value.append(i % 4 / 2)
            writer.write(example.SerializeToString())


class Run:
    """Hand-made artifacts around one call of the executor."""

    def __init__(self, folder: Path, models: dict[str, str]) -> None:
        from tfx.types import artifact_utils, standard_artifacts

        self.folder, self.models = folder, models
        self.standard = standard_artifacts
        self.examples = standard_artifacts.Examples()
        self.examples.uri = str(folder / "examples")
        self.examples.split_names = artifact_utils.encode_split_names(["eval", "test"])
        write_split(folder / "examples" / "Split-eval", 40)
        write_split(folder / "examples" / "Split-test", 30, start=100)
        self.schema = standard_artifacts.Schema()
        self.schema.uri = str(folder / "schema")
        self.write_schema()

    def write_schema(self, label: str = "shape {}", labelled: int = 1) -> None:
        os.makedirs(self.schema.uri, exist_ok=True)
        Path(self.schema.uri, "schema.pbtxt").write_text(
            SCHEMA.format(label=label, labelled=labelled)
        )

    def model(self, name: str, number: int):
        artifact = self.standard.Model()
        artifact.uri, artifact.id = self.models[name], number
        return artifact

    def blessing(self, blessed: int):
        artifact = self.standard.ModelBlessing()
        artifact.set_int_custom_property("blessed", blessed)
        artifact.uri, artifact.producer_component = "/judge/blessing/4", "Judge"
        return artifact

    def __call__(self, model="good", baseline=None, upstream=None, beam_args=(), **settings):
        from nsl_tfx.components.artifacts import RobustnessEvaluation
        from nsl_tfx.components.robustness_evaluator import Executor
        from nsl_tfx.configs import AttackBudget, RobustnessConfig

        config = RobustnessConfig(
            **{"features": ("x",), "label_feature": "label", "id_feature": "id", "epsilon": 0.1}
            | {"attacks": ("noise", "fgsm", "pgd"), "curve": ()}
            | {"budget": AttackBudget(steps=3, restarts=1, noise_draws=4)}
            | settings
        )
        inputs = {
            "examples": [self.examples],
            "schema": [self.schema],
            "model": [self.model(model, 7)],
        }
        if baseline is not None:
            inputs["baseline_model"] = [self.model(baseline, 8)] if baseline else []
        if upstream is not None:
            inputs["model_blessing"] = [self.blessing(value) for value in upstream]
        evaluation, blessing = RobustnessEvaluation(), self.standard.ModelBlessing()
        # Not made beforehand, as on Kubeflow.
        evaluation.uri = str(self.folder / "evaluation")
        blessing.uri = str(self.folder / "blessing")
        outputs = {"evaluation": [evaluation], "blessing": [blessing]}
        context = Executor.Context(
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local", *beam_args],
            unique_id="1",
        )
        Executor(context).Do(inputs, outputs, {"config": config.to_json()})
        return evaluation, blessing


@pytest.fixture
def run(tmp_path, models):
    return Run(tmp_path, models)


def properties(artifact) -> dict[str, object]:
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in artifact.mlmd_artifact.custom_properties.items()
    }


def test_writes_evaluation_and_blessing(run):
    evaluation, blessing = run(splits=("eval", "test"), curve=(0.05,))
    files = sorted(os.listdir(evaluation.uri))
    assert files == ["examples.parquet", "metrics.json", "report.html"]
    metrics = json.loads(Path(evaluation.uri, "metrics.json").read_text())
    assert metrics["verdict"] == "pass"
    assert metrics["examples"] == 70
    table = pq.read_table(Path(evaluation.uri, "examples.parquet")).to_pydict()
    assert table["id"][:1] + table["id"][40:41] == ["row-0", "row-100"]
    assert os.listdir(blessing.uri) == ["BLESSED"]
    found = properties(blessing)
    assert found["blessed"] == 1
    assert (found["current_model"], found["current_model_id"]) == (run.models["good"], 7)
    for artifact in (evaluation, blessing):
        headline = properties(artifact)
        assert headline["robust_accuracy"] == metrics["model"]["robust_accuracy"]["value"]
        assert headline["reason"] == metrics["reasons"][0]


@pytest.mark.parametrize(
    ("arguments", "blessed", "reason"),
    [
        ({}, 1, "No threshold applies"),
        ({"min_robust_accuracy": 0.5}, 1, "every threshold is reached"),
        ({"min_robust_accuracy": 0.99}, 0, "does not reach 99.0 %"),
        ({"model": "bad"}, 1, "No threshold applies"),
        ({"model": "bad", "min_accuracy": 0.5}, 0, "clean accuracy of 0.0 %"),
        ({"model": "unsigned"}, 1, 'no signature "raw_features", so "serving_default" is attacked'),
        ({"model": "of_records"}, 0, "takes serialized tf.Examples, through which no gradient"),
        ({"upstream": [1]}, 1, "no check fails"),
        (
            {"upstream": [0]},
            0,
            "blessing of Judge at /judge/blessing/4 is not BLESSED; look",
        ),
        ({"upstream": []}, 0, "model_blessing holds no upstream blessing; run the component"),
        ({"upstream": [1], "min_robust_accuracy": 0.99}, 0, "does not reach 99.0 %"),
        ({"baseline": "bad", "min_robust_gain": 0.5}, 1, "against the baseline"),
        ({"model": "bad", "baseline": "good", "max_accuracy_drop": 0.1}, 0, "below the baseline's"),
        ({"baseline": "", "min_robust_gain": 0.5}, 1, "do not apply: min_robust_gain=0.5."),
        ({"baseline": "", "upstream": [0], "min_robust_gain": 0.5}, 0, "No baseline model exists"),
    ],
)
def test_blesses_only_what_passes_here_and_upstream(run, arguments, blessed, reason):
    evaluation, blessing = run(**arguments)
    found = properties(blessing)
    assert found["blessed"] == blessed
    assert reason in found["reason"]
    assert os.listdir(blessing.uri) == ["BLESSED" if blessed else "NOT_BLESSED"]
    assert ("baseline_model_id" in found) == bool(arguments.get("baseline"))

    metrics = json.loads(Path(evaluation.uri, "metrics.json").read_text())
    assert metrics["blessed"] is bool(blessed)
    assert " ".join(metrics["reasons"]) == found["reason"] == properties(evaluation)["reason"]
    assert properties(evaluation)["blessed"] == blessed
    page = html.unescape(Path(evaluation.uri, "report.html").read_text())
    assert ("not blessed</strong>" in page) == (not blessed)
    assert all(reason in page for reason in metrics["reasons"])


def told(metrics):
    """All that an evaluation says, less its times."""
    for scores in (metrics["model"], metrics["baseline"]):
        for attack in scores["attacks"] if scores else []:
            del attack["seconds"]
    return metrics


def test_beam_finds_what_one_process_finds(run):
    from nsl_tfx.components.labelled_batches import labelled_batches
    from nsl_tfx.configs import RobustnessConfig
    from nsl_tfx.io import read_schema
    from nsl_tfx.robustness import evaluate

    evaluation, _ = run(
        baseline="bad",
        splits=("eval", "test"),
        batch_size=8,
        slices=("city",),
        corruptions=("swap",),
        min_robust_gain=0.1,
    )
    found = json.loads(Path(evaluation.uri, "metrics.json").read_text())
    config = RobustnessConfig.from_dict(found["config"])
    result = evaluate(
        f"{run.models['good']}/Format-Serving",
        labelled_batches([run.examples], read_schema(run.schema.uri), config),
        config,
        f"{run.models['bad']}/Format-Serving",
    )
    # Whether it is blessed only a component says.
    expected = {**json.loads(result.to_json()), "blessed": True}
    assert told(found) == told(expected)


def test_a_failed_run_leaves_nothing(run, monkeypatch):
    from nsl_tfx.robustness.measuring.measure import Measurement

    seen = []

    def fail(*_):
        seen.extend(path.name for path in Path(run.folder, "evaluation").rglob("examples-*"))
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Measurement, "measure", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        run()
    assert seen[0].startswith("examples-")
    assert not Path(run.folder, "evaluation").exists()
    assert not Path(run.folder, "blessing").exists()


def test_slices_by_features_of_every_kind(run):
    evaluation, _ = run(slices=("label", "city", "zone", "height"))
    slices = json.loads(Path(evaluation.uri, "metrics.json").read_text())["model"]["slices"]
    found: dict[str, dict[str, int]] = {}
    for one in slices:
        found.setdefault(one["feature"], {})[one["value"]] = one["accuracy"]["total"]
    assert found["city"] == {"a": 10, "b": 20, "(missing)": 10}
    assert found["zone"] == {"1": 10, "2": 10, "3": 10, "-1 or missing": 10}
    assert found["height"] == {"0.5": 10, "1.0": 10, "1.5": 10, "(missing)": 10}
    assert sum(found["label"].values()) == 40


@pytest.mark.parametrize(
    ("names", "absent"),
    [(["x", "label", "zone"], -1), (["x", "zone", "label"], 0)],
    ids=["sliced by", "an input, too"],
)
def test_an_absent_value_is_marked_where_no_model_sees_it(run, names, absent):
    from nsl_tfx.components.labelled_batches import labelled_batches
    from nsl_tfx.configs import RobustnessConfig
    from nsl_tfx.io import read_schema

    config = RobustnessConfig(
        features=("x",), label_feature="label", epsilon=0.1, slices=("zone",), batch_size=8
    )
    read = labelled_batches([run.examples], read_schema(run.schema.uri), config)
    zones = np.concatenate([batch["zone"] for batch in read(names)])
    assert zones.tolist() == [i % 4 or absent for i in range(40)]


@pytest.mark.parametrize(
    "schema", [{}, {"labelled": 0}, {"label": "value_count { min: 1 max: 1 }"}, {"label": ""}]
)
def test_reads_labels_of_every_schema(run, schema):
    run.write_schema(**schema)
    evaluation, _ = run()
    assert json.loads(Path(evaluation.uri, "metrics.json").read_text())["examples"] == 40


@pytest.mark.parametrize("label", ["shape {}", ""])
def test_unlabelled_examples_are_named_by_split(run, label):
    run.write_schema(label=label)
    write_split(run.folder / "examples" / "Split-train", 10, unlabelled=3)
    run.examples.split_names = '["eval", "train"]'
    with pytest.raises(ValueError, match=r"split 'train'.*10 with 3 unlabelled"):
        run(splits=("eval", "train"))


def test_an_empty_split_is_named(run):
    write_split(run.folder / "examples" / "Split-none", 0)
    run.examples.split_names = '["eval", "none"]'
    with pytest.raises(ValueError, match="split 'none'"):
        run(splits=("none",))


def test_an_unknown_split_is_named(run):
    with pytest.raises(ValueError, match=r"eval, test\. Received: absent"):
        run(splits=("absent",))


def test_component_has_the_promised_channels(run):
    from tfx import types

    from nsl_tfx.components.robustness_evaluator import RobustnessEvaluator
    from nsl_tfx.configs import RobustnessConfig

    def channel(artifact_type):
        return types.Channel(type=artifact_type)

    config = RobustnessConfig(features=("x",), label_feature="label", epsilon=0.1, min_accuracy=0.5)
    inputs = {
        "examples": channel(run.standard.Examples),
        "model": channel(run.standard.Model),
        "schema": channel(run.standard.Schema),
    }
    component = RobustnessEvaluator(config=config, **inputs)
    assert component.outputs["evaluation"].type_name == "nsl_tfx.RobustnessEvaluation"
    assert component.outputs["blessing"].type_name == "ModelBlessing"
    with pytest.raises(ValueError, match="Expected baseline_model"):
        RobustnessEvaluator(config=config.replace(min_robust_gain=0.0), **inputs)
