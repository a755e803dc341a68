"""Reading and decoding blocks with Beam."""

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io import write_records
from nsl_tfx.io.beam_records import DecodeFeatures, ReadRecordBlocks


def record(value):
    example = tf.train.Example()
    feature = example.features.feature["id"]
    lists = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}
    if value is not None:
        lists[type(value)].value.append(value)
    return example.SerializeToString()


@pytest.fixture
def files(tmp_path):
    """Writes files of examples whose feature `id` has the given values; returns their glob."""

    def write(*files):
        for number, values in enumerate(files):
            write_records(str(tmp_path / f"data-{number}.gz"), map(record, values))
        return str(tmp_path / "data-*")

    return write


def test_every_record_of_every_file_with_its_place(files, tmp_path):
    pattern = files([1, 2, 3], [], [4])
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        blocks = pipeline | ReadRecordBlocks([pattern, pattern], max_records=2)
        expected = [("0", 0, [1, 2]), ("0", 2, [3]), ("2", 0, [4])]
        assert_that(
            blocks,
            equal_to(
                [
                    (str(tmp_path / f"data-{name}.gz"), first, list(map(record, values)))
                    for name, first, values in expected
                ]
            ),
        )


def test_a_glob_that_matches_nothing_is_found_before_the_pipeline_runs(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected files of the split 'eval' that"):
        ReadRecordBlocks([files([1]), str(tmp_path / "nothing-*")], "files of the split 'eval'")


def test_a_damaged_file_fails_the_pipeline(files, tmp_path):
    pattern = files([1], list(range(100)))
    path = tmp_path / "data-1.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with (
        pytest.raises(Exception, match=r"data-1\.gz to hold whole TFRecords.*cut off"),
        beam.Pipeline(runner="FnApiRunner") as pipeline,
    ):
        _ = pipeline | ReadRecordBlocks(pattern)


SCHEMA = schema_pb2.Schema()
SCHEMA.feature.add(name="id", type=schema_pb2.INT)
SCHEMA.feature.add(name="other", type=schema_pb2.STRUCT)


def run(pattern, schema=None, features=("id",), check=None):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        decoded = (
            pipeline
            | ReadRecordBlocks(pattern, max_records=2)
            | DecodeFeatures(features, schema)
            | beam.Map(lambda pair: (pair[0][2], pair[1].to_pydict()))
        )
        if check:
            assert_that(decoded, check)


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_blocks_come_with_their_columns(files, schema):
    expected = [
        (list(map(record, values)), {"id": [v if v is None else [v] for v in values]})
        for values in ([1, 2], [None], [4])
    ]
    run(files([1, 2, None], [], [4]), schema, check=equal_to(expected))


@pytest.mark.parametrize(
    ("values", "schema", "message"),
    [
        (([1, 2, 1.5],), None, "values of one type in the feature 'id'.*floats.*integers"),
        (([1], [b"1"]), None, "bytes after record 0 of .*data-1.gz and integers after record 0"),
        (
            ([1, 2, 1.5],),
            SCHEMA,
            "declares. Received: floats in record 2 .*data-0.gz",
        ),
    ],
)
def test_a_type_that_changes_is_named(files, values, schema, message):
    with pytest.raises(Exception, match=message):
        run(files(*values), schema)


@pytest.mark.parametrize(("feature", "message"), [("x", "Received: x"), ("other", "STRUCT")])
def test_a_schema_that_does_not_fit_is_found_before_the_pipeline_runs(feature, message):
    with pytest.raises(ValueError, match=message):
        DecodeFeatures([feature], SCHEMA)
