"""Reading the splits of an Examples artifact."""

import json
import os

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

pytestmark = pytest.mark.tfx

ROWS = [{"id": [b"%d" % i]} for i in range(5)]


@pytest.fixture
def examples(artifacts):
    return artifacts.examples("examples", {"train": [ROWS[:3], ROWS[3:]], "eval": [[]]})


def read(artifacts, examples, split, rows_by_file):
    from nsl_tfx.components.reading import ReadSplit

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        expected = [
            (file, 0, [artifacts.record(row) for row in rows])
            for file, rows in rows_by_file.items()
        ]
        assert_that(pipeline | ReadSplit(examples, split), equal_to(expected))


def test_a_split_is_all_records_of_its_files(artifacts, examples):
    from nsl_tfx.components.reading import split_files

    files = split_files(examples, "train")
    assert [os.path.basename(file) for file in files] == [
        "data_tfrecord-00000-of-00002.gz",
        "data_tfrecord-00001-of-00002.gz",
    ]
    read(artifacts, examples, "train", {files[0]: ROWS[:3], files[1]: ROWS[3:]})


def test_an_empty_split_holds_nothing(artifacts, examples):
    read(artifacts, examples, "eval", {})


def test_a_custom_pattern(artifacts, examples):
    from nsl_tfx.components.reading import split_names

    patterns = {"first": "Split-train/*-00000-*"}
    examples.set_string_custom_property("custom_split_pattern", json.dumps(patterns))
    assert split_names(examples) == ["first"]
    file = f"{examples.uri}/Split-train/data_tfrecord-00000-of-00002.gz"
    read(artifacts, examples, "first", {file: ROWS[:3]})


def test_a_split_without_files(artifacts, examples):
    from nsl_tfx.components.reading import ReadSplit, split_files

    os.remove(f"{examples.uri}/Split-eval/data_tfrecord-00000-of-00001.gz")
    for reader in (ReadSplit, split_files):
        with pytest.raises(FileNotFoundError, match=r"files of the split 'eval' that .*no such"):
            reader(examples, "eval")


@pytest.mark.parametrize(
    ("key", "value"),
    [("payload_format", "FORMAT_PARQUET"), ("file_format", "tfrecord")],
)
def test_other_formats_are_refused(examples, key, value):
    from nsl_tfx.components.reading import split_names

    examples.set_string_custom_property(key, value)
    with pytest.raises(ValueError, match=f"tfrecords_gzip. Received: .*{value}"):
        split_names(examples)


def test_splits_that_are_not_there():
    from nsl_tfx.components.reading import check_splits

    check_splits(["a"], ["a", "b"], "here")
    with pytest.raises(ValueError, match=r"Expected here to name splits .*: a, b\. Received: c, d"):
        check_splits(["c", "a", "d"], ["a", "b"], "here")
