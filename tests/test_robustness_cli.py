"""The command `nsl-tfx robustness evaluate`: verdicts as exit codes, mistakes as lines."""

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from nsl_tfx.cli import main
from nsl_tfx.cli.robustness import evaluate
from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.io.tfrecords import frame_record

COUNT = 60
X = np.random.default_rng(0).uniform(-1, 1, (COUNT, 2)).astype(np.float32)
LABEL = (X[:, 0] > 0).astype(np.int64)
GROUP = np.where(X[:, 1] > 0, "up", "down")
# A corner of the ball, or the boundary itself, is one step away.
QUICK = ("--epsilon=0.25", "--attacks=fgsm,pgd", "--curve=0.1")
# Of an example whose class is told by `x[0] > 0`.
ROBUST = int((np.abs(X[:, 0]) > 0.25).sum())


def run(*arguments, **settings):
    arguments = ["robustness", "evaluate", *map(str, arguments)]
    return CliRunner().invoke(main, arguments, **settings)


def measure(*arguments, code=0):
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.output)


def write_examples(path, rows=range(COUNT), skip=(), label=LABEL):
    from nsl_tfx.robustness.models.records import serialize_rows

    columns = {"x": X, "label": label, "group": GROUP}
    chosen = {name: value[list(rows)] for name, value in columns.items() if name not in skip}
    content = b"".join(map(frame_record, serialize_rows(chosen)))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def save_model(path, function, *inputs):
    import tensorflow as tf

    specs = [tf.TensorSpec(*spec[:2], name=spec[2]) for spec in inputs]
    traced = tf.function(function).get_concrete_function(*specs)
    tf.saved_model.save(tf.Module(), str(path), signatures=traced)


def to_logits(x):
    import tensorflow as tf

    return {"logits": 4 * x @ tf.constant([[-1.0, 1.0], [0.0, 0.0]])}


def of_records(examples):
    import tensorflow as tf

    spec = {"x": tf.io.FixedLenFeature([2], tf.float32)}
    return to_logits(tf.io.parse_example(examples, spec)["x"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("robustness")
    dense = ([None, 2], "float32", "x")
    save_model(path / "model", to_logits, dense)
    save_model(path / "worse", lambda x: to_logits(-x), dense)
    save_model(path / "records", of_records, ([None], "string", "examples"))
    save_model(path / "two", lambda x: {"a": x, "b": x}, dense)
    more = ([None, 2], "float32", "more")
    save_model(path / "wide", lambda u, more: to_logits(u + more), (*dense[:2], "u"), more)
    write_examples(path / "a.tfr", range(20))
    write_examples(path / "b.tfr.gz", range(20, COUNT))
    write_examples(path / "unlabelled.tfr", skip=["label"])
    write_examples(path / "some_unlabelled.tfr", range(30))
    with open(path / "some_unlabelled.tfr", "ab") as file:
        file.write((path / "unlabelled.tfr").read_bytes())
    write_examples(path / "float_label.tfr", label=X[:, 0])
    write_examples(path / "large_label.tfr", label=LABEL + 7)
    np.savez(path / "arrays.npz", x=X, label=LABEL, group=GROUP)
    np.savez(path / "other.npz", image=X, y=LABEL)
    np.savez(path / "several.npz", a=X, b=X, label=LABEL)
    np.savez(path / "objects.npz", x=np.array([{}], object), label=LABEL)
    np.save(path / "single.npy", X)
    (path / "single.npy").rename(path / "single.npz")
    (path / "damaged.npz").write_bytes(b"PK\x03\x04 and no more")
    (path / "empty.tfr").write_bytes(b"")
    (path / "text.tfr").write_bytes(b"no records")
    (path / "no_examples.tfr").write_bytes(frame_record(b"\xff\xff"))
    (path / "no.json").write_text("{")
    (path / "list.json").write_text("[]")
    (path / "unknown.json").write_text('{"espilon": 1}')
    return path


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    "examples", [["a.tfr", "b.tfr.gz"], ["[ab].tfr*"], ["arrays.npz"]], ids=str
)
def test_files_of_each_kind_give_the_exact_accuracies(examples):
    found = measure("model", *examples, *QUICK)
    assert found["model"]["accuracy"]["count"] == COUNT
    assert found["model"]["robust_accuracy"]["count"] == ROBUST
    assert found["config"]["features"] == ["x"]


def test_slices_are_read_and_a_sample_is_taken():
    for examples in ("*.tfr.gz", "arrays.npz"):
        found = measure("model", examples, *QUICK, "--slices=group", "--max-examples=30")
        assert found["examples"] == 30
        slices = [(one["feature"], one["value"]) for one in found["model"]["slices"]]
        assert slices == [("group", "down"), ("group", "up")]


@pytest.mark.parametrize(
    ("arguments", "code", "verdict", "words"),
    [
        (["model"], 0, "pass", "No threshold applies"),
        (["model", "--min-robust-accuracy=0.99"], 1, "fail", "does not reach 99.0 %"),
        (["worse", "--min-accuracy=0.5"], 1, "fail", "clean accuracy of 0.0 %"),
        (["model", "--baseline=worse", "--min-robust-gain=0.3"], 0, "pass", "against the baseline"),
        (["worse", "--baseline=model", "--max-accuracy-drop=0.1"], 1, "fail", "baseline"),
        (["records", "--features=x", "--attacks=noise"], 3, "inconclusive", "no gradient flows"),
        (["two", "--features=x"], 3, "inconclusive", 'no signature "raw_features", nor another'),
    ],
)
def test_the_verdict_is_the_exit_code(arguments, code, verdict, words):
    result = run(arguments[0], "arrays.npz", *QUICK, *arguments[1:])
    assert result.exit_code == code, result.output
    assert result.output.startswith(f"Verdict: {verdict}\n")
    assert words in result.output


def test_records_keep_what_the_model_was_not_told():
    found = measure("records", "*.tfr.gz", *QUICK, "--features=x", "--attacks=noise", code=3)
    same = measure("records", "arrays.npz", *QUICK, "--features=x", "--attacks=noise", code=3)
    assert found["model"]["accuracy"]["value"] == same["model"]["accuracy"]["value"] == 1
    assert found["model"]["robust_accuracy"]["value"] < 1


def test_a_single_input_is_told_by_the_users_name():
    found = measure("model", "other.npz", *QUICK, "--features=image", "--label=y")
    assert found["model"]["robust_accuracy"]["count"] == ROBUST


def test_the_only_floats_are_what_the_only_input_takes():
    found = measure("model", "other.npz", *QUICK, "--label=y")
    assert found["config"]["features"] == ["image"]
    assert found["model"]["robust_accuracy"]["count"] == ROBUST


def test_options_override_the_file_of_the_config(tmp_path):
    config = RobustnessConfig(
        features=("x",), label_feature="label", epsilon=0.9, attacks=("fgsm",), seed=3, curve=()
    )
    path = tmp_path / "config.json"
    # With the mark of its encoding that some editors begin a file with.
    path.write_text(config.to_json(), encoding="utf-8-sig")
    found = measure("model", "arrays.npz", f"--config={path}", "--epsilon=0.25", "--confidence=0.9")
    assert RobustnessConfig.from_dict(found["config"]) == config.replace(
        epsilon=0.25, confidence=0.9
    )


def test_a_keras_file_is_attacked_through_its_logits(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    model.set_weights([np.array([[4.0], [0.0]]), np.zeros(1)])
    model.save(tmp_path / "best.keras")
    found = measure(tmp_path / "best.keras", "arrays.npz", *QUICK)
    assert found["config"]["features"] == ["x"]
    assert found["model"]["robust_accuracy"]["count"] == ROBUST


def test_the_smallest_epsilon_and_certified_radii_are_measured():
    found = measure("model", "arrays.npz", *QUICK, "--bisections=6", "--smoothing=0.1")
    config = found["config"]
    assert (config["bisections"], config["smoothing"]["sigma"]) == (6, 0.1)
    assert found["model"]["certified"]
    # The boundary is `x[0] = 0`, and the curve ends at 0.25.
    expected = np.quantile(np.abs(X[:, 0]), 0.1, method="lower")
    assert found["model"]["smallest_epsilon_quantiles"]["0.1"] == pytest.approx(
        expected, abs=0.25 / 2**6
    )


def test_every_setting_has_its_option():
    names = {parameter.name for parameter in evaluate.params}
    fields = {field.name for field in dataclasses.fields(RobustnessConfig)}
    # What only a file can hold, or belongs to a pipeline.
    assert fields - names == {"splits", "feature_scale", "budget", "severities"}


def test_output_holds_what_was_printed(tmp_path):
    output = tmp_path / "new" / "report"
    result = run("model", "arrays.npz", *QUICK, f"--output={output}")
    assert result.exit_code == 0
    assert f"The report is {output / 'report.html'}." in result.output
    found = json.loads((output / "metrics.json").read_text())
    assert found["model"]["robust_accuracy"]["count"] == ROBUST
    assert sorted(os.listdir(output)) == ["examples.parquet", "metrics.json", "report.html"]


def test_the_report_is_written_though_nobody_reads_what_is_printed(tmp_path, monkeypatch):
    def gone(*_):
        raise BrokenPipeError(32, "Broken pipe")

    # The package's attribute of that name is the group of commands.
    monkeypatch.setattr(sys.modules["nsl_tfx.cli.robustness"], "_print", gone)
    result = run("model", "arrays.npz", *QUICK, f"--output={tmp_path}")
    # Neither the model's failure nor a wrong input, but what shells make of SIGPIPE.
    assert (result.exit_code, result.output) == (141, "")
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model"], "Missing argument 'EXAMPLES...'"),
        (["model", "arrays.npz"], "Missing option '--epsilon'"),
        (["model", "arrays.npz", "--epsilon=-1"], "Expected --epsilon > 0"),
        (["model", "arrays.npz", "--epsilon=x"], "'x' is not a valid float"),
        (["model", "arrays.npz", *QUICK, "--smoothing=0"], "sigma > 0 (input units)"),
        (["model", "arrays.npz", *QUICK, "--norm=l3"], "'l3' is not one of"),
        (["model", "arrays.npz", *QUICK, "--curve=a"], "Expected numbers with commas"),
        (["model", "arrays.npz", "--epsilon=1", "--attacks=strong"], "strong"),
        (["model", "arrays.npz", *QUICK, "--clip-min=1", "--clip-max=0"], "--clip-min"),
        (["model", "arrays.npz", *QUICK, "--min-robust-gain=0.1"], "Expected a baseline model"),
        (["model", "arrays.npz", *QUICK, "--min-slice-robust-accuracy=.1"], "Expected --slices"),
        (["nowhere", "arrays.npz", *QUICK], "Expected MODEL to be the folder of a SavedModel"),
        (["a.tfr", "arrays.npz", *QUICK], "Received: 'a.tfr'"),
        (["no.keras", "arrays.npz", *QUICK], "Expected 'no.keras' to be a Keras model"),
        (["model", "arrays.npz", *QUICK, "--baseline=nowhere"], "Expected --baseline to be"),
        (["model", "nothing*", *QUICK], "'nothing*', which matches none"),
        (["model", "nothing.tfr", *QUICK], "there is no such file"),
        (["model", "empty.tfr", *QUICK], "at least one example"),
        (["model", "text.tfr", *QUICK], "to hold whole TFRecords"),
        (["model", "no_examples.tfr", *QUICK], "to hold serialized tf.Examples"),
        (["model", "damaged.npz", *QUICK], "to hold arrays"),
        (["model", "single.npz", *QUICK], "a single array without a name"),
        (["model", "objects.npz", *QUICK], "to hold arrays"),
        (["model", "other.npz", *QUICK], "without label; they have image, y"),
        (
            ["model", "several.npz", *QUICK],
            "what the model's only input 'x' takes, since the examples have no feature of that "
            "name. Received: none. several.npz has floats in: a, b.",
        ),
        (["model", "a.tfr", *QUICK, "--features=x", "--baseline=wide"], "--baseline 'wide': Exp"),
        (["model", "a.tfr", *QUICK, "--label=y"], "without y; they have group, label, x"),
        (["model", "a.tfr", *QUICK, "--label=group"], "Expected an integer label"),
        (["model", "float_label.tfr", *QUICK], "Expected an integer label"),
        (["model", "large_label.tfr", *QUICK], "labels from 0 to 1"),
        (["model", "some_unlabelled.tfr", *QUICK], "60 of 90 without one"),
        (
            ["model", "a.tfr", *QUICK, "--features=x,z"],
            'inputs: x (signature "serving_default"). Received: z.',
        ),
        (["two", "a.tfr", *QUICK], "no signature"),
        (["records", "a.tfr", *QUICK], "The examples have floats in: x."),
        (["model", "a.tfr", *QUICK, "--config=none.json"], "The system says: No such file"),
        (["model", "a.tfr", *QUICK, "--config=no.json"], "Expected JSON of a RobustnessConfig"),
        (["model", "a.tfr", *QUICK, "--config=list.json"], "Expected a JSON object"),
        (["model", "a.tfr", *QUICK, "--config=unknown.json"], "espilon"),
        (["model", "a.tfr", *QUICK, "--schema=none.pbtxt"], "Expected a Schema"),
        (["model", "a.tfr", *QUICK, "--schema=a.tfr"], "Expected a Schema in text form"),
        (["model", "a.tfr", *QUICK, "--output=a.tfr"], "Choose another --output"),
        (["model", "a.tfr", *QUICK, "--output="], "Expected a folder. Received: ''."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_a_line_and_exits_with_2(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in re.sub(r"\s+", " ", result.output)
    assert "Traceback" not in result.output


def test_an_interrupt_exits_with_130(monkeypatch):
    from nsl_tfx import robustness

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(robustness, "evaluate", stop)
    result = run("model", "arrays.npz", *QUICK)
    assert result.exit_code == 130
    assert "Stopped." in result.output


def test_a_schema_says_what_may_be_absent(tmp_path):
    (tmp_path / "schema.pbtxt").write_text(
        'feature { name: "x" type: FLOAT shape { dim { size: 2 } } }\n'
        'feature { name: "label" type: INT shape { dim { size: 1 } } }\n'
    )
    write_examples(tmp_path / "without.tfr", range(2), skip=["x"])
    files = ["*.tfr.gz", f"{tmp_path}/without.tfr"]
    assert "without x" in run("model", *files, *QUICK).output
    found = measure("model", *files, *QUICK, f"--schema={tmp_path}/schema.pbtxt")
    assert found["examples"] == COUNT - 20 + 2


@pytest.mark.slow
def test_nothing_but_the_summary_is_printed():
    """Libraries write to the process's own descriptors when they are loaded."""
    command = [sys.executable, "-m", "nsl_tfx.cli", "robustness", "evaluate"]
    done = subprocess.run(
        [*command, "model", "arrays.npz", *QUICK], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Verdict: pass\n")
