"""ExampleIdentifier's contract: what it reads, writes, records and refuses."""

import os
import sys

import pytest

from nsl_tfx.configs import IdentifyConfig

pytestmark = pytest.mark.tfx

CONFIG = IdentifyConfig()
SCHEMA = """
feature {
  name: "x" type: FLOAT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 2 } }
}
feature { name: "label" type: INT value_count { min: 1 max: 1 } presence { min_count: 1 } }
"""


def make_rows(start, count):
    return [
        {"x": [float(i), 0.5]} | ({"label": [i]} if i % 2 else {})
        for i in range(start, start + count)
    ]


TRAIN, EVAL = make_rows(0, 12), make_rows(8, 6)  # four are in both
SPLITS = {"train": [TRAIN[:5], [*TRAIN[5:], TRAIN[0]]], "eval": [EVAL], "none": [[]]}


@pytest.fixture
def identify(artifacts, execute):
    """Runs the executor; returns both output artifacts."""

    def run(splits=None, config=CONFIG, schema=SCHEMA, name="", change=None, beam_args=()):
        from nsl_tfx.components.example_identifier import Executor

        examples = artifacts.examples(f"{name}examples", splits or SPLITS)
        examples.span, examples.version = 7, 3
        if change:
            change(examples)
        inputs = {"input_examples": examples}
        outputs = {"examples": artifacts.empty("Examples", f"{name}identified")}
        if schema is not None:
            inputs["input_schema"] = artifacts.schema(schema, f"{name}schema")
            outputs["schema"] = artifacts.empty("Schema", f"{name}identified-schema")
        execute(Executor, inputs, outputs, config, *beam_args)
        return outputs["examples"], outputs.get("schema")

    return run


def read_split(examples, split):
    """The examples of a split, as plain values, without their ids; and the ids."""
    import tensorflow as tf

    from nsl_tfx.io import read_records

    rows, ids = [], []
    for record in read_records(f"{examples.uri}/Split-{split}/*"):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        row = {
            name: [*value.bytes_list.value, *value.float_list.value, *value.int64_list.value]
            for name, value in features.items()
        }
        ids.extend(row.pop("id"))
        rows.append(row)
    return in_order(rows), ids


def in_order(rows):
    return sorted(rows, key=lambda row: (row["x"], repr(row.get("label"))))


def test_every_example_gets_an_id_of_its_own(identify):
    examples, _ = identify()
    every_id = []
    for split, files in SPLITS.items():
        rows, ids = read_split(examples, split)
        assert rows == in_order(row for file in files for row in file)
        every_id += ids
    assert len(every_id) == len(set(every_id)) == 19
    # Those of equal content share the digest.
    assert len({identity[:32] for identity in every_id}) == 14
    assert sorted(identity[32:] for identity in every_id) == [b""] * 14 + [b"-1"] * 5


def test_artifact_says_what_its_input_said(identify):
    from tfx.components.util import examples_utils
    from tfx.types import artifact_utils

    examples, _ = identify()
    assert artifact_utils.decode_split_names(examples.split_names) == list(SPLITS)
    assert (examples.span, examples.version) == (7, 3)
    assert examples_utils.get_payload_format_string(examples) == "FORMAT_TF_EXAMPLE"
    assert examples_utils.get_file_format(examples) == "tfrecords_gzip"
    assert sorted(os.listdir(examples.uri)) == ["Split-eval", "Split-none", "Split-train"]
    counts = ("examples", "ids_given", "duplicates", "integer_ids")
    assert [examples.get_int_custom_property(name) for name in counts] == [19, 19, 5, 0]


def test_without_a_schema_the_examples_are_the_same(identify, files_of):
    expected = files_of(identify()[0].uri)
    examples, schema = identify(schema=None, name="bare-")
    assert schema is None
    assert files_of(examples.uri) == expected


def test_files_of_the_input_do_not_matter(identify, files_of):
    expected = [files_of(output.uri) for output in identify()]
    train = [*TRAIN, TRAIN[0]]
    splits = {"train": [train[7:], [], train[:7][::-1]], "eval": [EVAL[::-1]], "none": [[], []]}
    again = identify(splits, name="again-")
    assert [files_of(output.uri) for output in again] == expected


@pytest.mark.slow
@pytest.mark.skipif(" " in sys.executable, reason="Beam starts workers by an unquoted command")
def test_workers_do_not_matter(identify, files_of):
    expected = [files_of(output.uri) for output in identify()]
    two = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    again = identify(name="again-", beam_args=two)
    assert [files_of(output.uri) for output in again] == expected


def test_a_custom_split_pattern(identify, files_of):
    import json

    expected = files_of(identify()[0].uri)

    def rename(examples):
        os.rename(f"{examples.uri}/Split-train", f"{examples.uri}/elsewhere")
        patterns = {split: f"Split-{split}/*" for split in SPLITS} | {"train": "elsewhere/data*"}
        examples.set_string_custom_property("custom_split_pattern", json.dumps(patterns))

    examples, _ = identify(change=rename, name="custom-")
    assert files_of(examples.uri) == expected


PARTLY = [{"x": [1.0, 2.0], "id": [b"one"]}, {"x": [3.0, 4.0]}]
SEEN = (
    SCHEMA
    + """
feature {
  name: "id" type: BYTES domain: "id" presence { min_count: 1 } value_count { min: 1 max: 1 }
}
string_domain { name: "id" value: "one" }
"""
)


@pytest.mark.parametrize(
    ("splits", "schema"), [(SPLITS, SCHEMA), ({"train": [PARTLY, make_rows(1, 1)]}, SEEN)]
)
def test_tfdv_finds_no_anomaly(identify, splits, schema):
    import tensorflow_data_validation as tfdv
    from apache_beam.options.pipeline_options import PipelineOptions

    from nsl_tfx.io import read_schema

    options = PipelineOptions(["--runner=FnApiRunner"])
    examples, schema = identify(splits, schema=schema)
    for split in splits.keys() - {"none"}:
        statistics = tfdv.generate_statistics_from_tfrecord(
            f"{examples.uri}/Split-{split}/*", pipeline_options=options
        )
        found = tfdv.validate_statistics(statistics, read_schema(schema.uri))
        assert dict(found.anomaly_info) == {}
        assert not found.HasField("dataset_anomaly_info")


def cut(examples):
    path = f"{examples.uri}/Split-eval/data_tfrecord-00000-of-00001.gz"
    os.truncate(path, os.path.getsize(path) - 20)


def lose_split(examples):
    os.remove(f"{examples.uri}/Split-none/data_tfrecord-00000-of-00001.gz")


FLOATS = SCHEMA + 'feature { name: "id" type: FLOAT }'
INTEGERS = {"train": [[{"x": [1.0, 2.0], "id": [5]}, {"x": [3.0, 4.0]}]]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"change": cut}, r"00001\.gz to hold whole TFRecords.*cut off"),
        ({"change": lose_split}, "files of the split 'none'"),
        ({"splits": {"train": [PARTLY], "eval": [PARTLY]}}, "every id once. Received b'one'"),
        ({"splits": INTEGERS}, "integers in 1 of 2 examples"),
        ({"schema": FLOATS}, "of type BYTES or INT in the Schema. Received: FLOAT"),
        ({"config": IdentifyConfig(id_feature="label"), "schema": None}, "every id once"),
        ({"config": IdentifyConfig(id_feature="x"), "schema": None}, "Received: 2 in record 0"),
        (
            {"splits": {"train": [PARTLY]}, "config": IdentifyConfig(existing="error")},
            "Expected no id.*Received: b'one' in record 0",
        ),
    ],
)
def test_bad_input_publishes_nothing(identify, artifacts, options, message):
    with pytest.raises(Exception, match=message):
        identify(**options)
    for name in ("identified", "identified-schema"):
        folder = artifacts.folder / name
        assert not folder.exists() or not os.listdir(folder)


@pytest.mark.parametrize("with_schema", [True, False])
def test_component_has_a_schema_where_it_is_given_one(with_schema):
    from tfx.types import channel, standard_artifacts

    from nsl_tfx.components import ExampleIdentifier

    examples = channel.Channel(type=standard_artifacts.Examples)
    schema = channel.Channel(type=standard_artifacts.Schema) if with_schema else None
    component = ExampleIdentifier(examples=examples, config=IdentifyConfig(), schema=schema)
    expected = {"examples": "Examples"} | ({"schema": "Schema"} if with_schema else {})
    assert {key: output.type_name for key, output in component.outputs.items()} == expected
