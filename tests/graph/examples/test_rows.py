"""Ids and labels out of serialized examples."""

import pytest

from nsl_tfx.configs import AugmentConfig
from nsl_tfx.graph.examples.rows import RowReader
from nsl_tfx.io.wire import Splitter
from tests.tf_examples import make_example


def test_rows_are_read_in_order():
    records = [make_example(id=[b"\xff"], x=[1.0]), make_example(id=[7])]
    rows = RowReader("id").read(("file", 0, records), "train")
    assert (rows.split, rows.ids, rows.labeled) == ("train", [b"\xff", b"7"], [True, True])
    assert rows.records == [Splitter().split(record).record for record in records]


LABELS = [
    ({}, False),
    ({"y": []}, False),
    ({"y": [3]}, True),
    ({"y": [0]}, True),
    ({"y": [-1]}, "no_label"),
    ({"y": [-1.0]}, "no_label"),
    ({"y": [b"none"]}, "no_label"),
    ({"y": [b""]}, True),
    ({"y": [0.5]}, True),
]


@pytest.mark.parametrize(("features", "expected"), LABELS)
@pytest.mark.parametrize("no_label", [None, -1, "none"])
def test_labels(features, expected, no_label):
    config = AugmentConfig(label_feature="y", no_label=no_label)
    block = ("file", 0, [make_example(id=[b"a"], **features)])
    if expected == "no_label":
        means_none = {"none": b"none"}.get(no_label, no_label)
        expected = features["y"][0] != means_none
    assert RowReader.of(config).read(block, "train").labeled == [expected]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (make_example(x=[1]), "an id in the feature 'id' of every example"),
        (make_example(id=[]), "an id in the feature 'id'"),
        (make_example(id=[b""]), "an id in the feature 'id'"),
        (make_example(id=[b"a", b"b"]), "feature 'id': Expected at most one value. Received: 2"),
        (make_example(id=[0.5]), r"feature 'id': .*Received: 0.5"),
        (b"junk", r"a serialized tf\.Example"),
    ],
)
def test_what_is_wrong_is_named(record, message):
    block = ("some/file", 40, [make_example(id=[b"a"]), record])
    with pytest.raises(ValueError, match=rf"some/file, record 41 \(from 0\): .*{message}"):
        RowReader("id").read(block, "train")


@pytest.mark.parametrize(
    "record", [make_example(x=[1]), make_example(id=[0.5]), make_example(id=[b"a", b"b"])]
)
def test_ids_need_not_be_there_where_nobody_needs_them(record):
    assert RowReader("id").read(("file", 0, [record]), "eval", needs_id=False).ids == [b""]
