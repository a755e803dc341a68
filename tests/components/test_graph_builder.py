"""GraphBuilder's contract: what it reads, writes, records and refuses."""

import os

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

    def run(splits, config=CONFIG, schema=SCHEMA, name="graph", change=None):
        from nsl_tfx.components.graph_builder import Executor

        examples = artifacts.examples(f"{name}-examples", splits)
        if change:
            change(examples)
        inputs = {"examples": examples}
        if schema:
            inputs["schema"] = artifacts.schema(schema, f"{name}-schema")
        graph = artifacts.empty("NeighborGraph", name)
        execute(Executor, inputs, {"graph": graph}, config)
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


def test_several_splits_make_one_graph(build):
    config = CONFIG.replace(splits=("train", "eval"))
    graph = build({"train": [ROWS], "eval": [make_rows(5, start=50)], "test": [ROWS]}, config)
    assert graph.get_int_custom_property("nodes") == 25


@pytest.mark.parametrize("schema", [None, SCHEMA.replace("BYTES", "INT")])
def test_ids_may_be_integers(build, schema):
    rows = [{"id": [i], "image": row["image"]} for i, row in enumerate(ROWS)]
    graph = build({"train": [rows]}, schema=schema)
    assert set(read_edges(graph.uri)["source"].to_pylist()) <= {b"%d" % i for i in range(20)}


def test_replaces_what_an_earlier_try_left(build, artifacts, files_of):
    expected = files_of(build({"train": [ROWS]}, name="clean").uri)
    for path in ("graph.json", "edges-00000-of-00001.parquet", ".staging/rest"):
        file = artifacts.folder / "graph" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"left over")
    assert files_of(build({"train": [ROWS]}).uri) == expected


def with_row(**features):
    return {"train": [[*ROWS, {"id": [b"odd"], "image": [1.0] * 4} | features]]}


@pytest.mark.parametrize(
    ("splits", "config", "schema", "message"),
    [
        (with_row(id=[b"row-03"]), CONFIG, None, "every id once.*b'row-03'"),
        (with_row(id=[]), CONFIG, None, "an id in the feature 'id'.*Received 1 without"),
        (with_row(image=[0.0] * 4), CONFIG, None, "zeros for b'odd'"),
        (with_row(image=[float("nan")] * 4), CONFIG, None, "NaN or infinity in those of b'odd'"),
        (
            with_row(image=[1.0] * 3),
            CONFIG,
            None,
            "Expected the same number of values.*3 for b'odd'; 4 for b",
        ),
        (with_row(image=[]), CONFIG, None, "a vector in the feature 'image'.*none for b'odd'"),
        ({"train": [[]]}, CONFIG, None, "at least one example.*splits: train"),
        ({"eval": [ROWS]}, CONFIG, None, "splits of the examples: eval. Received: train"),
        ({"train": [ROWS]}, CONFIG.replace(id_feature="key"), None, "feature 'key' of every"),
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
    [(cut_file, None), (name_other_format, "FORMAT_TF_EXAMPLE.*Received: FORMAT_PARQUET")],
)
def test_unreadable_examples_publish_nothing(build, artifacts, change, message):
    with pytest.raises(Exception, match=message):
        build({"train": [ROWS]}, change=change)
    folder = artifacts.folder / "graph"
    assert not folder.exists() or not os.listdir(folder)


def test_component_hands_the_config_over_as_json():
    from tfx.types import channel, standard_artifacts

    from nsl_tfx.components import GraphBuilder, NeighborGraph

    component = GraphBuilder(
        examples=channel.Channel(type=standard_artifacts.Examples), config=CONFIG
    )
    assert component.outputs["graph"].type is NeighborGraph
    assert set(component.inputs) == {"examples"}
