"""NeighborAugmenter's contract: what it reads, writes, records and refuses."""

import os
import sys

import numpy as np
import pytest

from nsl_tfx.configs import AugmentConfig, GraphNeighborConfig
from nsl_tfx.graph import EdgeList, write_graph
from nsl_tfx.graph.joining.matching import COUNTS

pytestmark = pytest.mark.tfx

CONFIG = AugmentConfig(features=("image", "id"), neighbors=GraphNeighborConfig(max_neighbors=2))
SCHEMA = """
feature { name: "id" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature {
  name: "image" type: FLOAT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 4 } }
}
feature { name: "label" type: INT value_count { min: 1 max: 1 } presence { min_count: 1 } }
"""


def make_rows(prefix, count):
    images = np.random.default_rng(count).uniform(size=(count, 4)).astype(np.float32).tolist()
    return [
        {"id": [b"%s-%02d" % (prefix, i)], "image": image} | ({"label": [i]} if i % 2 else {})
        for i, image in enumerate(images)
    ]


TRAIN, EVAL, TEST = make_rows(b"train", 12), make_rows(b"eval", 5), make_rows(b"test", 3)
SPLITS = {"train": [TRAIN], "eval": [EVAL], "test": [TEST]}
# Node i joins i + 1 and i + 2; the last node of the graph is an id that no example has.
NODES = [b"train-%02d" % i for i in range(13)]
EDGES = EdgeList(
    [i for i in range(11) for _ in (1, 2)],
    [i + step for i in range(11) for step in (1, 2)],
    [weight for i in range(11) for weight in (0.25, 0.75)],
)


@pytest.fixture
def augment(artifacts, execute):
    """Runs the executor; returns both output artifacts."""

    def run(splits=None, config=CONFIG, schema=SCHEMA, name="", change=None, beam_args=()):
        from nsl_tfx.components.neighbor_augmenter import Executor

        examples = artifacts.examples(f"{name}examples", splits or SPLITS)
        examples.span, examples.version = 7, 3
        graph = artifacts.empty("NeighborGraph", f"{name}graph")
        write_graph(graph.uri, NODES, EDGES, {})
        if change:
            change(examples, graph)
        outputs = {
            "examples": artifacts.empty("Examples", f"{name}augmented"),
            "schema": artifacts.empty("Schema", f"{name}augmented-schema"),
        }
        inputs = {
            "input_examples": examples,
            "graph": graph,
            "input_schema": artifacts.schema(schema, f"{name}schema"),
        }
        execute(Executor, inputs, outputs, config, *beam_args)
        return outputs["examples"], outputs["schema"]

    return run


def read_split(examples, split):
    """The examples of a split, by id, as plain values."""
    import tensorflow as tf

    from nsl_tfx.io import read_records

    result = {}
    for record in read_records(f"{examples.uri}/Split-{split}/*"):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        row = {
            name: [*value.bytes_list.value, *value.float_list.value, *value.int64_list.value]
            for name, value in features.items()
        }
        result[row["id"][0]] = row
    return result


def test_training_examples_get_their_best_neighbors(augment):
    examples, _ = augment()
    written = read_split(examples, "train")
    assert len(written) == 12
    for i, row in enumerate(TRAIN):
        # Weights 0.75 and 0.25; node 12 has no example.
        neighbors = [(j, w) for j, w in ((i + 2, 0.75), (i + 1, 0.25)) if j < 12 and i < 11]
        expected = dict(row, NL_num_nbrs=[len(neighbors)])
        for rank, (j, weight) in enumerate(neighbors):
            expected[f"NL_nbr_{rank}_weight"] = [weight]
            expected[f"NL_nbr_{rank}_id"] = TRAIN[j]["id"]
            expected[f"NL_nbr_{rank}_image"] = TRAIN[j]["image"]
        assert written[row["id"][0]] == expected


def test_other_splits_say_that_they_have_none(augment):
    examples, _ = augment()
    for split, rows in (("eval", EVAL), ("test", TEST)):
        expected = {row["id"][0]: dict(row, NL_num_nbrs=[0]) for row in rows}
        assert read_split(examples, split) == expected


def test_artifact_says_what_its_input_said(augment):
    from tfx.components.util import examples_utils
    from tfx.types import artifact_utils

    examples, _ = augment()
    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval", "test"]
    assert (examples.span, examples.version) == (7, 3)
    assert examples_utils.get_payload_format_string(examples) == "FORMAT_TF_EXAMPLE"
    assert examples_utils.get_file_format(examples) == "tfrecords_gzip"
    assert sorted(os.listdir(examples.uri)) == ["Split-eval", "Split-test", "Split-train"]
    assert os.listdir(f"{examples.uri}/Split-eval") == ["data_tfrecord-00000-of-00001.gz"]
    counts = ("graph_edges", "edges_to_unknown", "neighbors", "examples_with_neighbors")
    assert [examples.get_int_custom_property(name) for name in counts] == [22, 1, 21, 11]


def test_files_of_the_input_do_not_matter(augment, files_of):
    expected = [files_of(output.uri) for output in augment()]
    splits = {"train": [TRAIN[7:], TRAIN[:7][::-1]], "eval": [EVAL[::-1]], "test": [TEST, []]}
    again = augment(splits, name="again-")
    assert [files_of(output.uri) for output in again] == expected


@pytest.mark.slow
@pytest.mark.skipif(" " in sys.executable, reason="Beam starts workers by an unquoted command")
def test_workers_do_not_matter(augment, files_of):
    expected = [files_of(output.uri) for output in augment()]
    two = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    again = augment(name="again-", beam_args=two)
    assert [files_of(output.uri) for output in again] == expected


def anomalies(examples, schema, environment=None):
    """What TFDV's StatisticsGen and ExampleValidator find, by split."""
    import tensorflow_data_validation as tfdv
    from apache_beam.options.pipeline_options import PipelineOptions
    from tfx.types import artifact_utils

    from nsl_tfx.io import read_schema

    found = {}
    for split in artifact_utils.decode_split_names(examples.split_names):
        statistics = tfdv.generate_statistics_from_tfrecord(
            f"{examples.uri}/Split-{split}/*",
            stats_options=tfdv.StatsOptions(schema=read_schema(schema.uri)),
            pipeline_options=PipelineOptions(["--runner=FnApiRunner"]),
        )
        result = tfdv.validate_statistics(statistics, read_schema(schema.uri), environment)
        found[split] = [*result.anomaly_info.items()]
        found[split] += [result.dataset_anomaly_info] * result.HasField("dataset_anomaly_info")
    return found


# No example has three neighbors.
@pytest.mark.parametrize(("features", "count"), [(None, 3), (("image",), 1)])
def test_tfdv_finds_no_anomaly(augment, features, count):
    config = AugmentConfig(features=features, neighbors=GraphNeighborConfig(max_neighbors=count))
    assert anomalies(*augment(config=config)) == {"train": [], "eval": [], "test": []}


ODD_SCHEMA = """
feature {
  name: "id" type: INT presence { min_fraction: 1 min_count: 5 } shape { dim { size: 1 } }
  int_domain { is_categorical: true } unique_constraints { min: 5 max: 20 }
}
feature {
  name: "words" type: BYTES value_count { min: 1 max: 3 } presence { min_fraction: 0.5 }
  domain: "words" distribution_constraints { min_domain_mass: 0.5 }
  drift_comparator { infinity_norm { threshold: 0.0001 } }
}
feature {
  name: "color" type: BYTES presence { min_fraction: 1 } shape {}
  string_domain { value: "red" value: "blue" }
  skew_comparator { infinity_norm { threshold: 0.0001 } }
}
feature { name: "size" type: FLOAT value_count { min: 1 max: 1 } float_domain { min: 0 max: 1 } }
feature { name: "at" type: INT int_domain { min: 0 max: 9 } }
feature { name: "value" type: FLOAT }
feature {
  name: "label" type: INT value_count { min: 1 max: 1 } presence { min_count: 1 }
  not_in_environment: "SERVING"
}
feature { name: "old" type: FLOAT lifecycle_stage: DEPRECATED }
sparse_feature {
  name: "sparse" index_feature { name: "at" } value_feature { name: "value" }
  presence { min_count: 1 }
}
string_domain { name: "words" value: "a" value: "b" }
default_environment: "TRAINING"
default_environment: "SERVING"
dataset_constraints { min_examples_count: 5 }
"""


def odd_row(number):
    row = {"id": [number], "color": [b"red" if number % 3 else b"blue"], "at": [], "value": []}
    if number % 2:
        row |= {"words": [b"a", b"b", b"out of the vocabulary"][: 1 + number % 3]}
    if number % 3:
        row |= {"size": [0.25], "label": [number % 5 - 1]}
    if number % 4:
        row |= {"at": [1, number % 10], "value": [0.5, 1.5]}
    return row


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(),
        AugmentConfig(neighbors_from={"train": ("train",), "eval": ("train",)}),
        AugmentConfig(label_feature="label", no_label=-1),
    ],
)
def test_tfdv_finds_no_anomaly_in_odd_features(augment, config):
    # Word 11, which lies outside of the vocabulary, is in the neighborhood of all.
    ids = [b"%d" % i for i in range(20)]
    numbers = {identity: number for number, identity in enumerate(sorted(ids))}
    edges = EdgeList(
        [numbers[identity] for identity in ids for _ in range(2)],
        [numbers[b"%d" % target] for i in range(20) for target in (11, (i + 3) % 12)],
        [weight for _ in ids for weight in (1.0, 0.5)],
    )

    def other_graph(examples, graph):
        write_graph(graph.uri, sorted(ids), edges, {})

    splits = {
        "train": [[odd_row(i) for i in range(12)]],
        "eval": [[odd_row(i) for i in range(12, 20)]],
    }
    examples, schema = augment(splits, config, ODD_SCHEMA, change=other_graph)
    assert examples.get_int_custom_property("neighbors") > 10
    assert anomalies(examples, schema) == {"train": [], "eval": []}
    assert anomalies(examples, schema, "TRAINING") == {"train": [], "eval": []}


def test_only_examples_with_a_label_remain_where_one_is_named(augment):
    examples, _ = augment(config=CONFIG.replace(label_feature="label", no_label=3))
    written = read_split(examples, "train")
    assert set(written) == {b"train-%02d" % i for i in range(1, 12, 2)} - {b"train-03"}
    # The others are neighbors still, and other splits are as they were.
    assert written[b"train-01"]["NL_nbr_1_id"] == [b"train-02"]
    assert len(read_split(examples, "eval")) == 5
    assert examples.get_int_custom_property("unlabeled_examples") == 7


def test_evaluation_may_get_neighbors_out_of_training(augment):
    nodes = sorted([*(row["id"][0] for row in TRAIN), *(row["id"][0] for row in EVAL)])
    number = {identity: place for place, identity in enumerate(nodes)}
    pairs = [(b"eval-00", b"train-01"), (b"eval-00", b"eval-01"), (b"train-00", b"eval-00")]

    def other_graph(examples, graph):
        ends = [[number[pair[end]] for pair in pairs] for end in (0, 1)]
        write_graph(graph.uri, nodes, EdgeList(*ends, [0.5, 1, 1]), {})

    config = CONFIG.replace(neighbors_from={"train": ("train",), "eval": ("train",)})
    examples, _ = augment(config=config, change=other_graph)
    seed = read_split(examples, "eval")[b"eval-00"]
    assert (seed["NL_num_nbrs"], seed["NL_nbr_0_id"]) == ([1], [b"train-01"])
    assert read_split(examples, "train")[b"train-00"]["NL_num_nbrs"] == [0]
    assert examples.get_int_custom_property("edges_across_splits") == 2


def test_several_splits_share_their_neighbors(augment):
    splits = {"train": [TRAIN[:6]], "more": [TRAIN[6:]]}
    examples, _ = augment(
        splits, CONFIG.replace(neighbors_from=dict.fromkeys(("train", "more"), ("train", "more")))
    )
    assert read_split(examples, "train")[b"train-05"]["NL_nbr_0_id"] == [b"train-07"]
    assert len(read_split(examples, "more")) == 6


def test_splits_without_part_in_the_graph_need_no_ids(augment):
    splits = {"train": [TRAIN], "bare": [[{"image": [1.0] * 4}, {"image": [2.0] * 4}]]}
    examples, _ = augment(splits)
    import tensorflow as tf

    from nsl_tfx.io import read_records

    features = [
        tf.train.Example.FromString(record.numpy()).features.feature
        for record in read_records(f"{examples.uri}/Split-bare/*")
    ]
    assert [sorted(one) for one in features] == [["NL_num_nbrs", "image"]] * 2


def test_edges_without_a_neighbor_are_counted_by_their_cause(augment):
    nodes = [b"eval-00", b"nobody", b"train-00", b"train-01"]

    def other_graph(examples, graph):
        edges = EdgeList([2, 2, 2, 0, 1], [3, 0, 1, 3, 3], [1] * 5)
        write_graph(graph.uri, nodes, edges, {})

    examples, _ = augment(change=other_graph)
    assert {name: examples.get_int_custom_property(name) for name in COUNTS} == {
        "examples": 12,
        "examples_with_neighbors": 1,
        "neighbors": 1,
        "unlabeled_examples": 0,
        "graph_edges": 5,
        "self_loops_dropped": 0,
        "edges_to_unknown": 1,
        "edges_across_splits": 1,
        "unknown_sources": 1,
    }


def graph_of_others(examples, graph):
    write_graph(graph.uri, [b"x", b"y"], EdgeList([0], [1], [1]), {})


def drop_graph_info(examples, graph):
    os.remove(f"{graph.uri}/graph.json")


def cut_graph(examples, graph):
    path = f"{graph.uri}/edges-00000-of-00001.parquet"
    os.truncate(path, os.path.getsize(path) // 2)


def cut_examples(examples, graph):
    path = f"{examples.uri}/Split-eval/data_tfrecord-00000-of-00001.gz"
    os.truncate(path, os.path.getsize(path) - 40)


TWICE = {"train": [[*TRAIN, TRAIN[3]]]}
CLASH = {"train": [[*TRAIN[1:], TRAIN[0] | {"NL_num_nbrs": [1]}]]}
NAMELESS = {"train": [[*TRAIN, {"image": [1.0] * 4}]]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"change": drop_graph_info}, r"graph\.json is missing"),
        ({"change": cut_graph}, "cut off or damaged"),
        ({"change": graph_of_others}, "none of whose ids.*'x'.*'train-"),
        ({"change": cut_examples}, "Split-eval.*a gzip stream that was cut off, at record [0-4]"),
        ({"splits": TWICE}, "every id once.*2 examples with the id b?'train-03'"),
        ({"splits": CLASH}, "no feature named 'NL_num_nbrs'"),
        ({"splits": NAMELESS}, "gz, record 12.*an id in the feature 'id'"),
        ({"splits": {"eval": [EVAL]}}, "splits of the examples: eval. Received: train"),
        ({"config": CONFIG.replace(features=("nowhere",))}, "Received: nowhere"),
        ({"config": CONFIG.replace(id_feature="key")}, "id_feature to name .*Received: key"),
        ({"config": CONFIG.replace(label_feature="z")}, "label_feature to name .*Received: z"),
        (
            {"schema": SCHEMA + 'feature { name: "z" type: STRUCT }', "config": AugmentConfig()},
            "Received: z of type STRUCT",
        ),
        (
            {
                "schema": SCHEMA + 'feature { name: "Label" type: INT }',
                "config": CONFIG.replace(label_feature="Label"),
            },
            "the feature 'Label' in .*'id', 'image', 'label'.* Did you mean 'label'",
        ),
        (
            {"schema": SCHEMA + 'feature { name: "NL_nbr_1_image" type: FLOAT }'},
            "no feature named 'NL_nbr_1_image'",
        ),
    ],
)
def test_bad_input_publishes_nothing(augment, artifacts, options, message):
    with pytest.raises(Exception, match=message):
        augment(**options)
    for name in ("augmented", "augmented-schema"):
        folder = artifacts.folder / name
        assert not folder.exists() or not os.listdir(folder)


def test_component_hands_the_config_over_as_json():
    from tfx.types import channel, standard_artifacts

    from nsl_tfx.components import NeighborAugmenter, NeighborGraph

    channels = {
        "examples": channel.Channel(type=standard_artifacts.Examples),
        "graph": channel.Channel(type=NeighborGraph),
        "schema": channel.Channel(type=standard_artifacts.Schema),
    }
    component = NeighborAugmenter(config=CONFIG, **channels)
    assert {key: output.type_name for key, output in component.outputs.items()} == {
        "examples": "Examples",
        "schema": "Schema",
    }
    assert set(component.inputs) == {"input_examples", "graph", "input_schema"}


PREPROCESSING = """
import tensorflow as tf
import tensorflow_transform as tft


def preprocessing_fn(inputs):
    return {
        "id": inputs["id"],
        "image_xf": tft.scale_to_0_1(inputs["image"]),
        "label_xf": tft.sparse_tensor_to_dense_with_shape(inputs["label"], [None, 1], -1),
    }
"""


@pytest.mark.slow
def test_takes_what_transform_writes(artifacts, tmp_path):
    from tfx import v1 as tfx
    from tfx.dsl.components.common.importer import Importer

    from nsl_tfx.components import NeighborAugmenter, NeighborGraph

    source = artifacts.examples("source", {"train": [TRAIN], "eval": [EVAL]})
    graph = artifacts.empty("NeighborGraph", "graph")
    write_graph(graph.uri, NODES, EDGES, {})
    schema = artifacts.schema(SCHEMA)
    (tmp_path / "preprocessing.py").write_text(PREPROCESSING)
    given = {
        "examples": (source.uri, type(source), {"split_names": source.split_names}),
        "schema": (schema.uri, type(schema), None),
        "graph": (graph.uri, NeighborGraph, None),
    }
    nodes = {
        name: Importer(source_uri=uri, artifact_type=kind, properties=properties).with_id(name)
        for name, (uri, kind, properties) in given.items()
    }
    transform = tfx.components.Transform(
        examples=nodes["examples"].outputs["result"],
        schema=nodes["schema"].outputs["result"],
        module_file=str(tmp_path / "preprocessing.py"),
    )
    augmenter = NeighborAugmenter(
        examples=transform.outputs["transformed_examples"],
        graph=nodes["graph"].outputs["result"],
        schema=transform.outputs["post_transform_schema"],
        config=AugmentConfig(
            features=("image_xf",),
            neighbors=GraphNeighborConfig(max_neighbors=2),
            label_feature="label_xf",
            no_label=-1,
        ),
    )
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="transformed",
            pipeline_root=str(tmp_path / "root"),
            components=[*nodes.values(), transform, augmenter],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(tmp_path / "metadata.sqlite")
            ),
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local"],
        )
    )
    outputs = {}
    for name in ("examples", "schema"):
        (folder,) = (tmp_path / "root/NeighborAugmenter" / name).iterdir()
        outputs[name] = artifacts.empty(name.capitalize(), "output")
        outputs[name].uri = str(folder)
    outputs["examples"].split_names = source.split_names
    written = read_split(outputs["examples"], "train")
    assert set(written) == {b"train-%02d" % i for i in range(1, 12, 2)}
    transformed = written[b"train-03"]
    assert transformed["label_xf"] == [3]
    assert transformed["NL_nbr_0_image_xf"] == written[b"train-05"]["image_xf"]
    assert len(read_split(outputs["examples"], "eval")) == 5
    assert anomalies(outputs["examples"], outputs["schema"]) == {"train": [], "eval": []}
