"""From record batches to ids, vectors and labels."""

import re

import numpy as np
import pyarrow as pa
import pytest

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.blocks import (
    join_blocks,
    read_block,
    read_blocks,
)

CONFIG = SimilarityGraphConfig(embedding_feature="x", label_feature="y")

BYTES = pa.large_list(pa.large_binary())
INTS = pa.large_list(pa.int64())
FLOATS = pa.large_list(pa.float32())


def batch(**columns) -> pa.RecordBatch:
    arrays = {"id": ([[b"a"], [b"b"], [b"c"]], BYTES), "x": ([[1, 2], [3, 4], [5, 6]], FLOATS)}
    arrays.update(columns)
    arrays = {name: pair for name, pair in arrays.items() if pair is not None}
    return pa.RecordBatch.from_arrays(
        [pa.array(values, kind) for values, kind in arrays.values()], list(arrays)
    )


def test_reads_ids_vectors_and_labels():
    ids, vectors, labels = read_block(batch(y=([[3], None, []], INTS)), CONFIG)
    assert ids == [b"a", b"b", b"c"]
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert labels == [b"3", None, None]


@pytest.mark.parametrize("y", [None, ([None] * 3, pa.null()), ([None] * 3, BYTES)])
def test_labels_may_be_absent(y):
    assert read_block(batch(y=y), CONFIG)[2] == [None] * 3


def test_labels_are_not_read_unless_named():
    without = CONFIG.replace(label_feature=None)
    assert read_block(batch(y=([[1.5]] * 3, FLOATS)), without)[2] == [None] * 3


def test_integers_are_ids_and_vectors_too():
    ids, vectors, _ = read_block(
        batch(id=([[7], [-1], [2**62]], INTS), x=([[1], [2], [3]], INTS)), CONFIG
    )
    assert ids == [b"7", b"-1", b"4611686018427387904"]
    assert vectors.tolist() == [[1], [2], [3]]


def test_a_slice_of_a_batch():
    part = batch(y=([[b"u"], [b"v"], [b"w"]], BYTES)).slice(1, 2)
    ids, vectors, labels = read_block(part, CONFIG)
    assert (ids, labels, vectors.tolist()) == ([b"b", b"c"], [b"v", b"w"], [[3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"id": None},
            r"an id in the feature 'id'.*Received 3 without.*batch of 3.*ExampleIdentifier",
        ),
        ({"id": ([[b"a"], None, []], BYTES)}, r"Received 2 without one in a batch of 3"),
        ({"id": ([[b"a"], [b""], [b"c"]], BYTES)}, r"Received 1 without one in a batch of 3"),
        ({"id": ([[b"a", b"b"], [b"b"], [b"c"]], BYTES)}, r"at most one value.*Received: 2"),
        ({"id": ([[0.5]] * 3, FLOATS)}, r"bytes or integers in the feature 'id'. Received: float"),
        ({"x": None}, r"a vector in the feature 'x'.*none for 'a', 'b', 'c'.*Name the feature"),
        ({"x": ([[1], None, []], FLOATS)}, r"a vector in the feature 'x'.*none for 'b', 'c'"),
        ({"x": ([[b"u"]] * 3, BYTES)}, r"numbers in the feature 'x'. Received: large_binary"),
        (
            {"x": ([[1, 2], [3], [4, 5]], FLOATS)},
            r"the same number of.*1 for 'b'; 2 for 'a', 'c'",
        ),
        ({"y": ([[1, 2], [1], [1]], INTS)}, r"at most one value of the feature 'y'"),
        ({"y": ([[0.5]] * 3, FLOATS)}, r"bytes or integers in the feature 'y'"),
    ],
)
def test_bad_examples_are_named(columns, message):
    with pytest.raises(ValueError, match=message):
        read_block(batch(**columns), CONFIG)


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ([[b"a"], [b"b", b"b"], [b"c"]], BYTES)},
        {"id": ([None, [0.5], [0.5]], FLOATS)},
        {"id": ([[b"a"], [b""], [b"c"]], BYTES)},
        {"x": ([[1], None, []], FLOATS)},
        {"x": ([[1], [np.nan], [1]], FLOATS)},
        {"x": ([None, [b"u"], [b"u"]], BYTES)},
        {"y": ([[1], [1, 2], [1, 2]], INTS)},
        {"y": ([None, [0.5], [0.5]], FLOATS)},
    ],
)
def test_the_first_bad_example_is_named_with_its_file_and_record(columns):
    with pytest.raises(ValueError, match=r"record 41, counted from 0, of some/file\)") as error:
        read_blocks(batch(**columns), CONFIG, ("some/file", 40, []))
    assert re.search(r"\. (Name|Repair|Leave)", str(error.value))


def test_join_keeps_rows_together():
    first = read_block(batch(), CONFIG)
    second = ([b"d"], np.array([[7, 8]], np.float32), [b"z"])
    ids, vectors, labels = join_blocks(iter([first, second]), "x")
    assert ids == [b"a", b"b", b"c", b"d"]
    assert vectors[3].tolist() == [7, 8]
    assert labels == [None, None, None, b"z"]


def test_join_names_the_odd_dimension():
    odd = ([b"d"], np.array([[7]], np.float32), [None])
    with pytest.raises(ValueError, match=r"the same number of.*1 for 'd'; 2 for '"):
        join_blocks([odd, read_block(batch(), CONFIG)], "x")
