"""Changing features within serialized tf.Examples."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.robustness.models.records import RECORD, put_floats, serialize_rows, with_records

BATCH = {
    "x": np.array([[1.0, -2.0], [3.0, np.float32(1e-38)]], np.float32),
    "y": np.array([3, -1]),
    "on": np.array([True, False]),
    "id": np.array(["é", b"\xff\x00"], object),
}
SPEC = {
    "x": tf.io.FixedLenFeature([2], tf.float32),
    "y": tf.io.FixedLenFeature([], tf.int64),
    "on": tf.io.FixedLenFeature([], tf.int64),
    "id": tf.io.FixedLenFeature([], tf.string),
}


def features_of(record):
    return tf.train.Example.FromString(record).features.feature


def test_rows_become_examples_that_parse_to_the_same():
    parsed = tf.io.parse_example(serialize_rows(BATCH), SPEC)
    assert (parsed["x"].numpy() == BATCH["x"]).all()
    assert parsed["y"].numpy().tolist() == [3, -1]
    assert parsed["on"].numpy().tolist() == [1, 0]
    assert parsed["id"].numpy().tolist() == ["é".encode(), b"\xff\x00"]


def test_sparse_and_ragged_rows_keep_their_lengths():
    ragged = tf.ragged.constant([[1.0], [], [2.0, 3.0]])
    for value in (ragged, ragged.to_sparse()):
        found = [list(features_of(r)["x"].float_list.value) for r in serialize_rows({"x": value})]
        assert found == [[1.0], [], [2.0, 3.0]]


def test_a_feature_that_no_example_can_hold_is_named():
    with pytest.raises(ValueError, match=r"feature 'z' of numbers or text.*complex"):
        serialize_rows({"z": np.zeros(2, complex)})


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(
    "present", [{}, {"x": 9.0 + np.zeros((2, 2), np.float32)}], ids=["absent", "present"]
)
@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 1, 2)])
def test_every_parser_sees_the_new_values_and_the_other_features(present, shape, traced):
    """The last entry of a name counts, whichever of TensorFlow's parsers reads it."""
    records = tf.constant(serialize_rows({"y": BATCH["y"], **present}))
    values = np.arange(4, dtype=np.float32).reshape(2, *shape)
    put = tf.function(put_floats) if traced else put_floats
    changed = put(records, {"x": tf.constant(values)})
    assert changed.shape == [2]
    spec = {"x": tf.io.FixedLenFeature(shape, tf.float32), "y": SPEC["y"]}
    parsed = tf.io.parse_example(changed, spec)
    sparse = tf.io.parse_example(changed, {"x": tf.io.VarLenFeature(tf.float32)})["x"]
    for row in range(2):
        single = tf.io.parse_single_example(changed[row], spec)
        assert (single["x"].numpy() == values[row]).all()
        library = features_of(changed[row].numpy())
        assert list(library["x"].float_list.value) == values[row].ravel().tolist()
        assert list(library["y"].int64_list.value) == [BATCH["y"][row]]
    assert (parsed["x"].numpy() == values).all()
    assert parsed["y"].numpy().tolist() == [3, -1]
    assert sparse.values.numpy().tolist() == values.ravel().tolist()


def test_long_features_and_names_have_long_lengths():
    """Lengths of 128 bytes and more take several bytes."""
    values = np.random.default_rng(0).normal(size=(1, 5000)).astype(np.float32)
    name = "n" * 200
    (changed,) = put_floats(tf.constant([b""]), {name: values, "b": values[:, :1]}).numpy()
    assert (np.array(features_of(changed)[name].float_list.value, np.float32) == values[0]).all()
    assert len(features_of(changed)) == 2


def test_no_gradient_flows():
    x = tf.constant([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        parsed = tf.io.parse_example(put_floats(tf.constant([b""]), {"x": x}), {"x": SPEC["x"]})
    assert tape.gradient(parsed["x"], x) is None


def test_batches_get_records_where_they_have_none():
    own = {"x": BATCH["x"], RECORD: np.array([b"a", b"b"], object)}
    assert next(with_records([own])) is own
    for batches in (BATCH, [BATCH]):
        (found,) = with_records(batches)
        assert found[RECORD].tolist() == serialize_rows(BATCH).tolist()
        assert found["x"] is BATCH["x"]
    assert list(with_records(["no dict"])) == ["no dict"]
