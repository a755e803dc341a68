"""Writing examples and counts with Beam."""

import gzip
import json

import apache_beam as beam
import pytest
import tensorflow as tf

from nsl_tfx.graph.examples import writing
from nsl_tfx.graph.examples.writing import WriteCounts, WriteShards
from nsl_tfx.io import read_records


def write_shards(folder, rows, splits, bytes_in_shard=None):
    options = {} if bytes_in_shard is None else {"bytes_in_shard": bytes_in_shard}
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(rows) | WriteShards(str(folder), splits, **options)
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_shards_hold_every_row_once_in_a_shuffled_order_that_repeats(tmp_path, monkeypatch):
    rows = [("train", b"%03d" % i, b"train%035d" % i) for i in range(100)]
    rows += [("test", b"", b"test%03d" % i) for i in range(50)]  # these have no ids
    splits = ["train", "test", "empty"]
    first = write_shards(tmp_path / "first", rows, splits, 900)
    monkeypatch.setattr(writing, "_ROWS_IN_BLOCK", 7)
    again = write_shards(tmp_path / "again", rows[::-1], splits, 900)
    assert first == again
    assert {name.split("-of-")[1] for name in first if "train" in name} == {"00005.gz"}
    one = write_shards(tmp_path / "one", rows, splits)
    assert set(one) == {f"Split-{name}/data_tfrecord-00000-of-00001.gz" for name in splits}
    assert gzip.decompress(one["Split-empty/data_tfrecord-00000-of-00001.gz"]) == b""
    for split in ("train", "test"):
        expected = [data for name, _, data in rows if name == split]
        read = [
            [r.numpy() for r in read_records(str(tmp_path / run / f"Split-{split}" / "*"))]
            for run in ("first", "one")
        ]
        assert read[0] == read[1]
        assert sorted(read[0]) == sorted(expected)
        assert read[0] != sorted(read[0])


def test_equal_rows_without_ids_are_all_there(tmp_path):
    rows = [("train", b"", record) for record in (b"b", b"a", b"b")]
    write_shards(tmp_path, rows, ["train"])
    assert sorted(r.numpy() for r in read_records(str(tmp_path / "Split-train" / "*"))) == [
        b"a",
        b"b",
        b"b",
    ]


def test_what_a_failed_bundle_left_is_in_no_other():
    join = writing._JoinRows()
    for _ in range(2):  # the first one never ends
        join.start_bundle()
        assert not list(join.process(("train", b"1", b"record")))
    (last,) = join.finish_bundle()
    assert last.value == ("train", [b"1"], [b"record"])


def test_files_are_what_tensorflow_reads(tmp_path):
    write_shards(tmp_path, [("train", b"1", bytes(3 << 20))], ["train"])
    (path,) = tmp_path.rglob("*.gz")
    (record,) = tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator()
    assert record == bytes(3 << 20)


@pytest.mark.parametrize("counts", [[], [("a", 1), ("b", 2), ("a", 3)]])
def test_counts_are_added_up(counts, tmp_path):
    path = str(tmp_path / "counts.json")
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(counts) | WriteCounts(path)
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == ({"a": 4, "b": 2} if counts else {})
