"""The trainer among TFX's own nodes, on reviews: Transform, a graph, Tuner, Resolver, Evaluator,
BulkInferrer, Pusher; and the pushed model where there is nothing but TensorFlow.

The pipeline runs twice; the second time from the model that the first one pushed.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nsl_tfx import configs
from tests.pipelines.test_graph_pipelines import DATA, write

pytestmark = [pytest.mark.tfx, pytest.mark.slow]

HERE = Path(__file__).parent / "reviews"
NAME = "reviews"


def reviews(count=800):
    """Sentences, of which one in three to train on has a label."""
    rows = []
    for label, end in ((1, "pos"), (0, "neg")):
        lines = (DATA / f"movie_reviews/rt-polarity.{end}").read_text("latin-1").split("\n")
        rows += [
            {"id": [f"{end}-{i}".encode()], "text": [line.encode()], "label": [label]}
            for i, line in enumerate(lines[:count])
        ]
    rng = np.random.default_rng(0)
    rows = [rows[i] for i in rng.permutation(len(rows))]
    train, evaluation = rows[: len(rows) * 3 // 4], rows[len(rows) * 3 // 4 :]
    unlabelled = [
        row if i % 3 == 0 else {k: v for k, v in row.items() if k != "label"}
        for i, row in enumerate(train)
    ]
    return {"train": unlabelled, "eval": evaluation}


def eval_config():
    from tensorflow_model_analysis.proto import config_pb2

    bound = config_pb2.GenericValueThreshold(lower_bound={"value": 0.5})
    accuracy = config_pb2.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        per_slice_thresholds=[
            config_pb2.PerSliceMetricThreshold(
                slicing_specs=[config_pb2.SlicingSpec()],
                threshold=config_pb2.MetricThreshold(value_threshold=bound),
            )
        ],
    )
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name="serving_default", label_key="label")],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[accuracy])],
    )


def create_pipeline(folder, epochs):
    from tfx import v1 as tfx

    from nsl_tfx import trainer
    from nsl_tfx.components import GraphBuilder, NeighborAugmenter
    from nsl_tfx.pipelines.parts import LOCAL_BEAM_ARGS

    splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "eval")]
    gen = tfx.components.ImportExampleGen(
        input_base=str(folder / "data"), input_config=tfx.proto.Input(splits=splits)
    )
    examples = gen.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema_gen.outputs["schema"],
        preprocessing_fn="tests.pipelines.reviews.transforming.preprocessing_fn",
    )
    transformed = transform.outputs["transformed_examples"]
    schema = transform.outputs["post_transform_schema"]
    graph = GraphBuilder(
        examples=transformed,
        schema=schema,
        config=configs.SimilarityGraphConfig(
            embedding_feature="bag", num_neighbors=3, invalid_examples="drop"
        ),
    )
    augmenter = NeighborAugmenter(
        examples=transformed,
        graph=graph.outputs["graph"],
        schema=schema,
        config=configs.AugmentConfig(
            features=("bag",), neighbors=configs.GraphNeighborConfig(max_neighbors=2)
        ),
    )
    config = configs.TrainerConfig(
        model_fn="models.make_model",
        features=("bag",),
        epochs=epochs,
        batch_size=32,
        learning_rate=0.01,
        embedding="hidden",
        graph=configs.make_graph_reg_config(max_neighbors=2, multiplier=0.1),
        adversarial=configs.make_adv_reg_config(adv_step_size=0.1),
        metrics=("accuracy",),
    )
    tuning = configs.TunerConfig(
        search={"graph.multiplier": configs.SearchRange(values=[0.01, 0.1])},
        objective="val_accuracy",
        algorithm="grid",
    )
    trained = dict(
        module_file=str(HERE / "trainer" / "training.py"),
        transform_graph=transform.outputs["transform_graph"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        **augmenter.outputs,
    )
    tuner = tfx.components.Tuner(
        **trained, custom_config=trainer.custom_config(config.replace(epochs=2), tuning)
    )
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model")
    the_trainer = tfx.components.Trainer(
        **trained,
        hyperparameters=tuner.outputs["best_hyperparameters"],
        base_model=resolver.outputs["model"],
        custom_config=trainer.custom_config(config),
    )
    model = the_trainer.outputs["model"]
    evaluator = tfx.components.Evaluator(examples=examples, model=model, eval_config=eval_config())
    bulk_inferrer = tfx.components.BulkInferrer(
        examples=examples,
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        data_spec=tfx.proto.DataSpec(example_splits=["eval"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_default"]),
        output_example_spec=tfx.proto.OutputExampleSpec(
            output_columns_spec=[
                tfx.proto.OutputColumnsSpec(
                    predict_output=tfx.proto.PredictOutput(
                        output_columns=[
                            tfx.proto.PredictOutputCol(
                                output_key="probabilities", output_column="probabilities"
                            )
                        ]
                    )
                )
            ]
        ),
    )
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "serving"))
        ),
    )
    nodes = [gen, statistics, schema_gen, transform, graph, augmenter, tuner, resolver]
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=str(folder / "artifacts"),
        components=[*nodes, the_trainer, evaluator, bulk_inferrer, pusher],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )


def run(folder, epochs):
    from rich.console import Console

    from nsl_tfx import metadata
    from nsl_tfx.pipelines.runners.local import run_locally

    with open(folder / "nodes.txt", "w") as file:
        states = run_locally(create_pipeline(folder, epochs), Console(file=file))
    store = metadata.open_store(str(folder / "metadata.sqlite"))
    return states, metadata.last_outputs(store, NAME)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What two runs did and left."""
    if not (DATA / "movie_reviews").exists():
        pytest.skip(f"Real data are missing: {DATA}")
    folder = tmp_path_factory.mktemp("reviews")
    write(folder / "data", reviews())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "trainer"))
        return folder, [run(folder, epochs=6), run(folder, epochs=1)]


def history(run):
    _, outputs = run
    lines = (Path(outputs["Trainer"]["model_run"].uri) / "history.csv").read_text().splitlines()
    names = lines[0].split(",")
    return [dict(zip(names, map(float, line.split(",")), strict=True)) for line in lines[1:]]


def test_the_model_learns_from_words_and_neighbors(runs):
    _, (first, _) = runs
    rows = history(first)
    assert len(rows) == 6
    assert rows[-1]["label_loss"] < rows[0]["label_loss"]
    assert rows[-1]["scaled_graph_loss"] > 0
    assert max(row["val_accuracy"] for row in rows) > 0.55


def test_the_tuners_choice_reaches_the_trainer(runs):
    _, (first, _) = runs
    _, outputs = first
    (file,) = Path(outputs["Tuner"]["best_hyperparameters"].uri).iterdir()
    assert json.loads(file.read_text())["values"]["graph.multiplier"] in (0.01, 0.1)


def test_the_second_run_begins_where_the_first_ended(runs):
    _, (first, second) = runs
    states, _ = second
    assert states["Tuner"] == "cached"
    assert states["Trainer"] == "done"
    assert history(second)[0]["label_loss"] < history(first)[0]["label_loss"]


def test_both_models_were_blessed_and_pushed(runs):
    folder, both = runs
    for _, outputs in both:
        assert outputs["Evaluator"]["blessing"].properties["blessed"] == 1
        assert outputs["Pusher"]["pushed_model"].properties["pushed"] == 1
    assert len(list((folder / "serving").iterdir())) == 2


def test_metrics_are_sliced(runs):
    import tensorflow_model_analysis as tfma

    _, (first, _) = runs
    _, outputs = first
    result = tfma.load_eval_result(outputs["Evaluator"]["evaluation"].uri)
    slices = {key for key, _ in result.slicing_metrics}
    assert slices == {(), (("label", 0),), (("label", 1),)}


def test_bulk_inference_gives_probabilities(runs):
    import tensorflow as tf

    _, (first, _) = runs
    _, outputs = first
    files = list(Path(outputs["BulkInferrer"]["output_examples"].uri).rglob("*.gz"))
    rows = [
        tf.train.Example.FromString(record).features.feature["probabilities"].float_list.value
        for record in tf.data.TFRecordDataset(list(map(str, files)), "GZIP").as_numpy_iterator()
    ]
    assert np.shape(rows) == (400, 2)
    np.testing.assert_allclose(np.sum(rows, axis=1), 1, rtol=1e-5)


def test_infra_validators_requests_fit_the_model(runs):
    """InfraValidator itself needs a model server, and so Docker."""
    import tensorflow as tf
    from tfx.components.infra_validator import request_builder
    from tfx.proto import infra_validator_pb2
    from tfx.types import standard_artifacts

    _, (_, second) = runs
    _, outputs = second
    examples = standard_artifacts.Examples()
    record = outputs["ImportExampleGen"]["examples"]
    examples.uri = record.uri
    examples.split_names = record.properties.get("split_names") or '["train", "eval"]'
    model = Path(outputs["Trainer"]["model"].uri) / "Format-Serving"
    requests = request_builder.build_requests(
        model_name="reviews",
        model=_model_artifact(outputs["Trainer"]["model"].uri),
        examples=examples,
        request_spec=infra_validator_pb2.RequestSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(
                signature_names=["serving_default"]
            ),
            split_name="eval",
            num_examples=3,
        ),
    )
    loaded = tf.saved_model.load(str(model))
    assert len(requests) == 3
    for request in requests:
        (name,) = request.inputs
        tensor = tf.constant(tf.make_ndarray(request.inputs[name]))
        found = loaded.signatures[request.model_spec.signature_name](**{name: tensor})
        assert found["probabilities"].shape == (1, 2)


def _model_artifact(uri):
    from tfx.types import standard_artifacts

    model = standard_artifacts.Model()
    model.uri = uri
    return model


QUERY = """
import sys
sys.path[:0] = [sys.argv[1]]
import tensorflow as tf
for name in ("nsl_tfx", "tfx", "tensorflow_transform", "tf_keras", "apache_beam"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} is there")
model = tf.saved_model.load(sys.argv[2])
example = tf.train.Example()
example.features.feature["text"].bytes_list.value.append(b"a beautiful , moving film")
found = model.signatures["serving_default"](examples=tf.constant([example.SerializeToString()]))
print("served", float(tf.reduce_sum(found["probabilities"])))
raw = model.signatures["raw_features"]
(name,) = raw.structured_input_signature[1]
found = raw(**{name: tf.zeros([2, 300])})
print("raw", sorted(found), found["embeddings"].shape)
"""


def make_tensorflow_only(folder):
    """Links TensorFlow and what it requires, and nothing else, into a folder."""
    waiting, seen = ["tensorflow"], set()
    while waiting:
        name = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if distribution.metadata["Name"] in seen:
            continue
        seen.add(distribution.metadata["Name"])
        for file in distribution.files or ():
            top = file.parts[0]
            link = folder / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(distribution.locate_file(top))
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.match(r"[\w.-]+", requirement)[0])


def test_the_pushed_model_needs_tensorflow_alone(runs, tmp_path):
    folder, _ = runs
    model = max((folder / "serving").iterdir())
    make_tensorflow_only(tmp_path)
    done = subprocess.run(
        # Neither the environment's packages nor its settings.
        [sys.executable, "-I", "-S", "-c", QUERY, str(tmp_path), str(model)],
        cwd=tmp_path,
        env={},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "served 1.0",
        "raw ['embeddings', 'logits'] (2, 16)",
    ]


def test_nothing_of_training_is_in_the_pushed_model(runs):
    folder, _ = runs
    model = max((folder / "serving").iterdir())
    content = (model / "saved_model.pb").read_bytes()
    for word in (b"nsl_tfx", b"NL_nbr", b"NL_num", b"adversarial", b"RegularizedModel"):
        assert word not in content
