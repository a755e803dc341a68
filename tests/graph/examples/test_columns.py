"""Ids and labels out of record batches."""

import pyarrow as pa

from nsl_tfx.graph.examples.columns import read_ids, read_single_values


def test_single_values_of_a_missing_feature():
    batch = pa.record_batch([pa.array([[b"a"], [b"b"]], pa.large_list(pa.large_binary()))], ["id"])
    assert read_single_values(batch, "nowhere") == [None] * 2


def test_ids_of_narrow_lists():
    plain = pa.record_batch([pa.array([[b"a"], [b"b"]], pa.list_(pa.binary()))], ["id"])
    assert read_ids(plain, "id") == [b"a", b"b"]
