"""RobustnessEvaluator between Evaluator and Pusher: one model passes, one fails, and of one the
figure cannot be trusted. Evaluator blesses all three.
"""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nsl_tfx import configs

pytestmark = [pytest.mark.tfx, pytest.mark.slow]

NAME = "gates"
VERDICTS = {"defended": "pass", "undefended": "fail", "saturated": "inconclusive"}
EPSILON = 0.1
THRESHOLD = 0.58

GATE = configs.RobustnessConfig(
    features=("image",),
    label_feature="label",
    id_feature="id",
    splits=("test",),
    epsilon=EPSILON,
    curve=(0.3,),
    attacks="fast",
    clip_value_min=0.0,
    clip_value_max=1.0,
    slices=("label",),
    corruptions=("gaussian_noise",),
    severities=(1, 3),
    min_accuracy=0.8,
    min_robust_accuracy=THRESHOLD,
    min_corrupted_accuracy=0.5,
    batch_size=100,
)


def eval_config():
    """Accuracy, which has to be above a half."""
    from tensorflow_model_analysis.proto import config_pb2

    bound = config_pb2.GenericValueThreshold(lower_bound={"value": 0.5})
    accuracy = config_pb2.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        threshold=config_pb2.MetricThreshold(value_threshold=bound),
    )
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name="serving_default", label_key="label")],
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[accuracy])],
    )


def trainer_configs():
    plain = configs.TrainerConfig(
        model_fn="nsl_tfx.pipelines.digits.model.make_model", features=("image",)
    )
    defended = plain.replace(
        adversarial=configs.make_adv_reg_config(
            multiplier=1.0,
            adv_step_size=EPSILON,
            adv_grad_norm="infinity",
            clip_value_min=0.0,
            clip_value_max=1.0,
        )
    )
    saturated = defended.replace(model_fn="tests.pipelines.saturated.make_model")
    return {"defended": defended, "undefended": plain, "saturated": saturated}


def create_pipeline(folder):
    from tfx import v1 as tfx
    from tfx.orchestration.data_types import RuntimeParameter

    from nsl_tfx.components import RobustnessEvaluator
    from nsl_tfx.pipelines.parts import LOCAL_BEAM_ARGS
    from nsl_tfx.trainer import custom_config

    splits = [
        tfx.proto.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "eval", "test")
    ]
    gen = tfx.components.ImportExampleGen(
        input_base=str(folder / "data"), input_config=tfx.proto.Input(splits=splits)
    )
    examples = gen.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    nodes = [gen, statistics, schema_gen]
    # The same settings, by either way in which they may come.
    gates = dict.fromkeys(VERDICTS, GATE)
    gates["undefended"] = RuntimeParameter(name="gate", ptype=str, default=GATE.to_json())
    for name, config in trainer_configs().items():
        trainer = tfx.components.Trainer(
            run_fn="nsl_tfx.trainer.run_fn",
            examples=examples,
            schema=schema,
            train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=300),
            eval_args=tfx.proto.EvalArgs(splits=["eval"]),
            custom_config=custom_config(config),
        ).with_id(f"Trainer.{name}")
        model = trainer.outputs["model"]
        evaluator = tfx.components.Evaluator(
            examples=examples, model=model, example_splits=["test"], eval_config=eval_config()
        ).with_id(f"Evaluator.{name}")
        gate = RobustnessEvaluator(
            examples=examples,
            schema=schema,
            model=model,
            model_blessing=evaluator.outputs["blessing"],
            config=gates[name],
        ).with_id(f"RobustnessEvaluator.{name}")
        pusher = tfx.components.Pusher(
            model=model,
            model_blessing=gate.outputs["blessing"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(
                    base_directory=str(folder / "serving" / name)
                )
            ),
        ).with_id(f"Pusher.{name}")
        nodes += [trainer, evaluator, gate, pusher]
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=str(folder / "artifacts"),
        components=nodes,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )


class Gate:
    """What the nodes of one model left."""

    def __init__(self, folder, outputs, name):
        self.serving = folder / "serving" / name
        self.accepted = outputs[f"Evaluator.{name}"]["blessing"]
        self.model = outputs[f"Trainer.{name}"]["model"]
        self.pushed = outputs[f"Pusher.{name}"]["pushed_model"]
        gate = outputs[f"RobustnessEvaluator.{name}"]
        self.evaluation, self.blessing = gate["evaluation"], gate["blessing"]
        self.files = sorted(path.name for path in Path(self.evaluation.uri).iterdir())
        self.metrics = json.loads((Path(self.evaluation.uri) / "metrics.json").read_text())


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    """By model, what one run left."""
    from rich.console import Console

    from nsl_tfx import metadata
    from nsl_tfx.pipelines.digits.data import write_digits
    from nsl_tfx.pipelines.runners.local import run_locally

    folder = tmp_path_factory.mktemp("gates")
    write_digits(str(folder / "data"), labelled_share=1.0)
    with open(folder / "nodes.txt", "w") as file:
        run_locally(create_pipeline(folder), Console(file=file))
    outputs = metadata.last_outputs(metadata.open_store(str(folder / "metadata.sqlite")), NAME)
    return {name: Gate(folder, outputs, name) for name in VERDICTS}


@pytest.fixture(params=VERDICTS)
def gate(request, gates):
    return gates[request.param]


@pytest.mark.parametrize("name", VERDICTS)
def test_pusher_obeys_the_verdict_though_evaluator_blesses_each_model(gates, name):
    gate, passes = gates[name], VERDICTS[name] == "pass"
    assert gate.accepted.properties["blessed"] == 1
    assert gate.metrics["verdict"] == VERDICTS[name], gate.metrics["reasons"]
    mark = "BLESSED" if passes else "NOT_BLESSED"
    assert [path.name for path in Path(gate.blessing.uri).iterdir()] == [mark]
    assert gate.pushed.properties["pushed"] == int(passes)
    assert gate.serving.exists() == passes


def test_the_pushed_model_is_the_one_that_passed(gates):
    (version,) = gates["defended"].serving.iterdir()
    pushed = gates["defended"].pushed.properties["pushed_destination"]
    assert Path(pushed) == version
    own = Path(gates["defended"].model.uri) / "Format-Serving" / "variables"
    for path in own.iterdir():
        assert (version / "variables" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("defended", "every threshold is reached"),
        ("undefended", f"does not reach {100 * THRESHOLD:.1f} %"),
        ("saturated", "saturated"),
    ],
)
def test_the_reason_is_in_the_metadata_and_in_the_report(gates, name, reason):
    gate = gates[name]
    told = " ".join(gate.metrics["reasons"])
    assert reason in told
    assert gate.blessing.properties["reason"] == gate.evaluation.properties["reason"] == told
    page = (Path(gate.evaluation.uri) / "report.html").read_text()
    assert reason in page
    assert page.rstrip().endswith("</html>")


def test_metadata_hold_the_headline(gate):
    for record in (gate.evaluation, gate.blessing):
        found, metrics = record.properties, gate.metrics
        assert found["verdict"] == metrics["verdict"]
        assert found["blessed"] == int(metrics["verdict"] == "pass")
        assert (found["epsilon"], found["norm"], found["examples"]) == (EPSILON, "infinity", 500)
        for name in ("accuracy", "robust_accuracy"):
            share = metrics["model"][name]
            # SQLite's metadata keep six digits.
            assert found[name] == pytest.approx(share["value"], rel=1e-5)
            assert found[f"{name}_low"] == pytest.approx(share["low"], rel=1e-5)
    assert gate.blessing.properties["current_model"] == gate.model.uri


def test_nothing_but_the_evaluation_is_left(gate):
    assert gate.files == ["examples.parquet", "metrics.json", "report.html"]
    table = pq.read_table(Path(gate.evaluation.uri) / "examples.parquet")
    assert table.num_rows == len(set(table["id"].to_pylist())) == 500
    correct = sum(table["correct"].to_pylist())
    assert correct == gate.metrics["model"]["accuracy"]["count"]


def test_the_config_arrives_whole(gate):
    assert gate.metrics["config"] == GATE.to_dict()
    names = [attack["name"] for attack in gate.metrics["model"]["attacks"]]
    assert sorted(names) == sorted(name.value for name in GATE.attack_names)


def test_slices_and_corruptions_are_measured(gate):
    model = gate.metrics["model"]
    assert [one["value"] for one in model["slices"]] == [str(digit) for digit in range(10)]
    for share in ("accuracy", "robust_accuracy"):
        assert sum(one[share]["count"] for one in model["slices"]) == model[share]["count"]
    (noise,) = model["corruptions"]
    assert noise["name"] == "gaussian_noise"
    assert [point["severity"] for point in noise["points"]] == [1, 3]


def test_adversarial_training_is_what_makes_the_difference(gates):
    shares = {name: gate.metrics["model"]["robust_accuracy"] for name, gate in gates.items()}
    assert shares["undefended"]["high"] < THRESHOLD < shares["defended"]["low"]
