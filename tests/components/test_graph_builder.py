"""GraphBuilder's contract: what it reads, writes, records and refuses."""

import os
import sys

import numpy as np
import pytest

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import build_similarity_graph, read_edges, read_graph_info
from nsl_tfx.graph.files import edge_table

pytestmark = pytest.mark.tfx

CONFIG = SimilarityGraphConfig(
    embedding_feature="image", label_feature="label", num_neighbors=3, similarity_threshold=0.1
)
SCHEMA = """
feature { name: "id" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "image" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 4 } } }
feature { name: "label" type: INT value_count { min: 1 max: 1 } }
feature { name: "unused" type: BYTES }
"""


def make_rows(count=20, start=0, labeled=3):
    """Every `labeled`-th row has a label."""
    images = np.random.default_rng(start).normal(size=(count, 4)).astype(np.float32).tolist()
    return [
        {"id": [b"row-%02d" % (start + i)], "image": image, "unused": [b"u"]}
        | ({"label": [i % 2]} if i % labeled == 0 else {})
        for i, image in enumerate(images)
    ]


ROWS = make_rows()


@pytest.fixture
def build(artifacts, execute):
    """Builds a graph from the rows of each split's files; returns its artifact."""

    def run(splits, config=CONFIG, schema=SCHEMA, name="graph", change=None, model=None, beam=()):
        from nsl_tfx.components.graph_builder import Executor

        examples = artifacts.examples(f"{name}-examples", splits)
        if change:
            change(examples)
        inputs = {"examples": examples}
        if schema:
            inputs["schema"] = artifacts.schema(schema, f"{name}-schema")
        if model:
            inputs["model"] = artifacts.empty("Model", "model")
            inputs["model"].uri = model
        graph = artifacts.empty("NeighborGraph", name)
        execute(Executor, inputs, {"graph": graph}, config, *beam)
        return graph

    return run


def test_graph_of_the_training_split(build):
    graph = build({"train": [ROWS], "eval": [make_rows(5, start=50)]})
    images = [row["image"] for row in ROWS]
    expected = build_similarity_graph([row["id"][0] for row in ROWS], images, CONFIG)
    assert read_edges(graph.uri).equals(edge_table(expected.ids, expected.edges))
    assert sorted(os.listdir(graph.uri)) == ["edges-00000-of-00001.parquet", "graph.json"]

    info = read_graph_info(graph.uri)
    assert info["nodes"] == 20
    assert info["metrics"]["label_agreement"]["labeled_nodes"] == 7
    assert graph.get_int_custom_property("nodes") == 20
    assert graph.get_int_custom_property("edges") == len(expected.edges)
    assert graph.get_int_custom_property("num_neighbors") == 3
    assert graph.get_float_custom_property("similarity_threshold") == 0.1
    assert graph.get_string_custom_property("method") == "exact"
    agreement = info["metrics"]["label_agreement"]["share"]
    assert graph.get_float_custom_property("label_agreement") == agreement


def test_files_of_the_input_do_not_matter(build, files_of):
    one = build({"train": [ROWS]}, name="one")
    three = build({"train": [ROWS[15:], ROWS[:9][::-1], ROWS[9:15]]}, schema=None, name="three")
    assert files_of(one.uri) == files_of(three.uri)


@pytest.mark.slow
@pytest.mark.skipif(" " in sys.executable, reason="Beam starts workers by an unquoted command")
@pytest.mark.parametrize(
    ("count", "settings"),
    [(20, {}), (900, {"worker_memory_mb": 1})],
    ids=["whole", "cut"],
)
def test_workers_do_not_matter(build, files_of, count, settings):
    config, rows = CONFIG.replace(**settings), make_rows(count)
    splits = {"train": [rows[:7], rows[7:]]}
    alone = build(splits, config, name="alone")
    two = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    together = build(splits, config, name="together", beam=two)
    assert files_of(together.uri) == files_of(alone.uri)
    assert ("buckets" in read_graph_info(alone.uri)) == bool(settings)


def test_several_splits_make_one_graph(build):
    config = CONFIG.replace(splits=("train", "eval"))
    graph = build({"train": [ROWS], "eval": [make_rows(5, start=50)], "test": [ROWS]}, config)
    assert graph.get_int_custom_property("nodes") == 25


@pytest.mark.parametrize("schema", [None, SCHEMA.replace("BYTES", "INT")])
def test_ids_may_be_integers(build, schema):
    rows = [row | {"id": [i]} for i, row in enumerate(ROWS)]
    graph = build({"train": [rows]}, schema=schema)
    assert set(read_edges(graph.uri)["source"].to_pylist()) <= {b"%d" % i for i in range(20)}


def test_replaces_what_an_earlier_try_left(build, artifacts, files_of):
    expected = files_of(build({"train": [ROWS]}, name="clean").uri)
    for path in ("graph.json", "edges-00000-of-00001.parquet", ".staging-1-0/rest"):
        file = artifacts.folder / "graph" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"left over")
    assert files_of(build({"train": [ROWS]}).uri) == expected


def with_row(**features):
    return {"train": [[*ROWS, {"id": [b"odd"], "image": [1.0] * 4} | features]]}


@pytest.mark.parametrize(
    ("splits", "config", "schema", "message"),
    [
        (with_row(id=[b"row-03"]), CONFIG, None, "every id once.*'row-03'"),
        (
            with_row(id=[]),
            CONFIG,
            None,
            "an id in the feature 'id'.*record 20, .*00000-of-00001.gz",
        ),
        (with_row(image=[0.0] * 4), CONFIG, None, "zeros for 'odd'"),
        (with_row(image=[float("nan")] * 4), CONFIG, None, "NaN or infinity in those of 'odd'"),
        (
            with_row(image=[1.0] * 3),
            CONFIG,
            None,
            "Expected the same number of values.*3 for 'odd'; 4 for '",
        ),
        (with_row(image=[]), CONFIG, None, "a vector in the feature 'image'.*none for 'odd'"),
        ({"train": [[]]}, CONFIG, None, "at least one example.*splits: train"),
        ({"eval": [ROWS]}, CONFIG, None, "splits of the examples: eval. Received: train"),
        ({"train": [ROWS]}, CONFIG.replace(id_feature="key"), None, "feature 'key' of every"),
        ({"train": [ROWS]}, CONFIG.replace(label_feature="z"), None, "feature 'z' in .*'label'"),
        (
            {"train": [ROWS]},
            CONFIG.replace(id_feature="key"),
            SCHEMA,
            "features of the schema: id, image, label, unused. Received: key",
        ),
    ],
)
def test_bad_input_publishes_nothing(build, artifacts, splits, config, schema, message):
    with pytest.raises(Exception, match=message):
        build(splits, config, schema)
    folder = artifacts.folder / "graph"
    assert not folder.exists() or not os.listdir(folder)


def cut_file(examples):
    path = f"{examples.uri}/Split-train/data_tfrecord-00000-of-00001.gz"
    os.truncate(path, os.path.getsize(path) - 40)


def name_other_format(examples):
    examples.set_string_custom_property("payload_format", "FORMAT_PARQUET")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_file, "whole TFRecords.*00000-of-00001.gz|00000-of-00001.gz to hold whole TFRecords"),
        (name_other_format, "FORMAT_TF_EXAMPLE.*Received: FORMAT_PARQUET"),
    ],
)
def test_unreadable_examples_publish_nothing(build, artifacts, change, message):
    with pytest.raises(Exception, match=message):
        build({"train": [ROWS]}, change=change)
    folder = artifacts.folder / "graph"
    assert not folder.exists() or not os.listdir(folder)


@pytest.fixture(scope="module")
def doubling_model(tmp_path_factory):
    """A SavedModel whose embedding of an example is twice its image, without what has no image."""
    import tensorflow as tf

    model = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="image")])
    def raw(image):
        return {"embeddings": 2 * image, "logits": image[:, :2]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        spec = {"image": tf.io.FixedLenFeature([4], tf.float32)}
        return {"vector": 2 * tf.io.parse_example(examples, spec)["image"]}

    model.raw, model.serve = raw, serve
    path = str(tmp_path_factory.mktemp("model"))
    signatures = {"raw_features": raw, "serving_default": serve}
    tf.saved_model.save(model, f"{path}/Format-Serving", signatures=signatures)
    return path


BY_MODEL = CONFIG.replace(embedding_feature=None, embedding_model={"batch_size": 7})


@pytest.mark.parametrize(
    "settings",
    [{}, {"signature": "raw_features", "features": ["image"], "output": "embeddings"}],
    ids=["whole_examples", "features"],
)
@pytest.mark.parametrize("by", ["path", "artifact"])
def test_a_model_makes_the_embeddings(build, doubling_model, settings, by):
    model = {"batch_size": 7, **settings}
    if by == "path":
        model["path"] = f"{doubling_model}/Format-Serving"
    config = BY_MODEL.replace(embedding_model=model, similarity="inner_product")
    graph = build(
        {"train": [ROWS[:9], ROWS[9:]]}, config, model=doubling_model if by == "artifact" else None
    )
    doubled = [(2 * np.array(row["image"], np.float32)).tolist() for row in ROWS]
    plain = config.replace(embedding_model=None, embedding_feature="image")
    expected = build_similarity_graph([row["id"][0] for row in ROWS], doubled, plain)
    assert read_edges(graph.uri).equals(edge_table(expected.ids, expected.edges))


def test_what_the_trainer_exports_makes_embeddings(build, tmp_path):
    import keras
    import tensorflow as tf

    from nsl_tfx.configs import TrainerConfig
    from nsl_tfx.trainer import ExampleSpec, export_model

    image = keras.Input((4,), name="image")
    doubled = keras.layers.Rescaling(2.0)(image)
    model = keras.Model(image, keras.layers.Dense(2)(doubled))
    spec = ExampleSpec({"image": tf.io.FixedLenFeature([4], tf.float32)}, {}, {}, -1, 1)
    trained = TrainerConfig(model_fn="none.at_all", features=("image",))
    export_model(model, str(tmp_path / "model"), spec, trained)
    settings = {"path": str(tmp_path / "model"), "signature": "raw_features"}
    by_model = BY_MODEL.replace(
        embedding_model={**settings, "features": ["image"], "output": "embeddings"},
        similarity="inner_product",
    )
    graph = build({"train": [ROWS]}, by_model)
    vectors = [(2 * np.array(row["image"], np.float32)).tolist() for row in ROWS]
    plain = by_model.replace(embedding_model=None, embedding_feature="image")
    expected = build_similarity_graph([row["id"][0] for row in ROWS], vectors, plain)
    assert read_edges(graph.uri).equals(edge_table(expected.ids, expected.edges))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signature": "other"}, "name a signature.*raw_features.*Received: 'other'"),
        ({"features": ["image", "label"]}, r"name the inputs of.*examples \(string"),
        ({"signature": "raw_features"}, "one input of strings.*image .float32"),
        ({"output": "logits"}, "name an output.*vector.*Received: 'logits'"),
        ({"path": "/nowhere"}, "Expected a SavedModel in /nowhere"),
        (
            {"signature": "raw_features", "features": ["label"], "output": "embeddings"},
            "the feature 'label' to fit the embedding model's input float32",
        ),
    ],
)
def test_a_model_that_does_not_fit(build, doubling_model, settings, message):
    model = {"path": f"{doubling_model}/Format-Serving", **settings}
    with pytest.raises(Exception, match=message):
        build({"train": [ROWS]}, BY_MODEL.replace(embedding_model=model))


def test_a_feature_of_the_model_that_no_example_has(build, doubling_model):
    path = f"{doubling_model}/Format-Serving"
    model = {"path": path, "signature": "raw_features", "features": ["imag"]}
    with pytest.raises(Exception, match=r"a vector in the feature .*none for 'row-00'"):
        build({"train": [ROWS]}, BY_MODEL.replace(embedding_model=model), schema=None)


def test_examples_that_a_model_cannot_embed_are_dropped_where_asked(build, doubling_model):
    model = {
        "path": f"{doubling_model}/Format-Serving",
        "signature": "raw_features",
        "features": ["image"],
    }
    config = BY_MODEL.replace(embedding_model=model, invalid_examples="drop")
    graph = build({"train": [[*ROWS, {"id": [b"odd"]}]]}, config)
    assert read_graph_info(graph.uri)["drops"]["missing_vector"] == 1
    assert graph.get_int_custom_property("nodes") == 20


@pytest.mark.parametrize("path", [None, "/model"])
def test_where_the_model_comes_from_is_said_once(path):
    from tfx.types import channel, standard_artifacts

    from nsl_tfx.components import GraphBuilder

    examples = channel.Channel(type=standard_artifacts.Examples)
    model = channel.Channel(type=standard_artifacts.Model)
    config = CONFIG.replace(embedding_feature=None, embedding_model={"path": path})
    with pytest.raises(ValueError, match="a model where, and only where"):
        GraphBuilder(examples=examples, config=config, model=None if path is None else model)


def test_component_hands_the_config_over_as_json():
    from tfx.types import channel, standard_artifacts

    from nsl_tfx.components import GraphBuilder, NeighborGraph

    component = GraphBuilder(
        examples=channel.Channel(type=standard_artifacts.Examples), config=CONFIG
    )
    assert component.outputs["graph"].type is NeighborGraph
    assert set(component.inputs) == {"examples"}


ODD_ROWS = [{"id": [b"odd"], "image": [0.0] * 4}, {"id": [b"short"], "image": [1.0]}]


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (ROWS, {}),
        (ROWS, {"label_feature": None, "symmetrize": "none"}),
        (ROWS[:1], {}),
        ([*ROWS, *ODD_ROWS], {"invalid_examples": "drop", "symmetrize": "mutual"}),
        (make_rows(900), {"worker_memory_mb": 1, "splits": ("eval",)}),
    ],
    ids=["whole", "directed", "one_node", "odd", "cut"],
)
def test_the_command_writes_the_same_bytes(build, artifacts, files_of, rows, settings):
    from nsl_tfx.tools.similarity_graph import build_graph_folder

    config = CONFIG.replace(**settings)
    (split,) = config.splits
    graph = build({split: [rows[:7], rows[7:]]}, config, schema=None)
    folder = str(artifacts.folder / "by-command")
    build_graph_folder(f"{artifacts.folder}/graph-examples/Split-{split}/*", folder, config)
    assert files_of(folder) == files_of(graph.uri)
    assert read_graph_info(folder).get("buckets") is None or "worker_memory_mb" in settings


def test_says_whether_the_target_recall_was_reached(build, caplog):
    # Without clusters, so that buckets part neighbors.
    images = np.random.default_rng(0).normal(size=(900, 32)).tolist()
    rows = [{"id": [b"%d" % i], "image": image} for i, image in enumerate(images)]
    cut = CONFIG.replace(worker_memory_mb=1, target_recall=1.0, label_feature=None)
    missed = build({"train": [rows]}, cut, schema=None, name="cut")
    assert missed.get_int_custom_property("target_recall_reached") == 0
    assert missed.get_float_custom_property("target_recall") == 1.0
    (warning,) = [one.getMessage() for one in caplog.records if "target_recall" in one.getMessage()]
    assert "target_recall=1 of the true" in warning
    assert "Raise worker_memory_mb" in warning
    caplog.clear()
    whole = cut.replace(worker_memory_mb=100)
    whole = build({"train": [rows]}, whole, schema=None, name="whole")
    assert whole.get_int_custom_property("target_recall_reached") == 1
    assert "target_recall" not in caplog.text
