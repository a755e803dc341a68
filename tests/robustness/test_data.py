"""Reading and sampling rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nsl_tfx.robustness.data import collect

INPUTS = {"x": tf.TensorSpec([None, 2], tf.float32)}


def rows(count):
    return {
        "x": np.arange(2.0 * count).reshape(count, 2),
        "y": np.arange(count) % 3,
        "id": np.array([f"é{i}".encode() for i in range(count)], object)[:, None],
    }


def batches(data, size):
    count = len(data["y"])
    return [{k: v[i : i + size] for k, v in data.items()} for i in range(0, count, size)]


@pytest.mark.parametrize("size", [1, 7, 20])
def test_batches_of_any_size_are_the_same_rows(size):
    whole = collect(rows(20), INPUTS, "y", "id")
    parts = collect(batches(rows(20), size), INPUTS, "y", "id")
    assert parts.ids == whole.ids == [f"é{i}" for i in range(20)]
    assert parts.features["x"].dtype == np.float32
    assert (parts.features["x"] == whole.features["x"]).all()
    assert parts.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_sample_does_not_depend_on_batches(size):
    data = rows(100)
    sample = collect(batches(data, size), INPUTS, "y", max_examples=10, seed=4)
    whole = collect(data, INPUTS, "y", max_examples=10, seed=4)
    assert sample.ids == whole.ids
    assert (len(sample), sample.seen) == (10, 100)
    assert sample.ids != collect(data, INPUTS, "y", max_examples=10, seed=5).ids
    positions = np.array([int(i) for i in sample.ids])
    assert (np.sort(positions) == positions).all()
    assert (sample.features["x"][:, 0] == 2 * positions).all()


def test_every_row_is_sampled_equally_often():
    data = rows(20)
    counts = np.zeros(20)
    for seed in range(400):
        for i in collect(batches(data, 6), INPUTS, "y", max_examples=5, seed=seed).ids:
            counts[int(i)] += 1
    # 400 draws at a quarter: mean 100, standard deviation 8.7.
    assert counts.min() > 65
    assert counts.max() < 135


def test_a_larger_sample_than_there_is_keeps_all():
    assert len(collect(rows(5), INPUTS, "y", max_examples=50)) == 5


def test_sparse_labels_are_read_and_sparse_features_named():
    labels = tf.sparse.from_dense([[1], [2]])
    found = collect([{"x": np.zeros((2, 2)), "y": labels}], INPUTS, "y")
    assert found.labels.tolist() == [1, 2]
    sparse = tf.sparse.from_dense([[1.0, 0], [0, 2]])
    with pytest.raises(ValueError, match="infer_feature_shape"):
        collect([{"x": sparse, "y": labels}], INPUTS, "y")


def test_rows_without_any_label_are_counted():
    empty = tf.SparseTensor(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), [2, 0])
    with pytest.raises(ValueError, match="2 of 2 without one"):
        collect([{"x": np.zeros((2, 2)), "y": empty}], INPUTS, "y")


def test_bools_are_two_classes():
    found = collect({"x": np.zeros((3, 2)), "y": [False, True, True]}, INPUTS, "y")
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("batches", "received"),
    [
        ([np.zeros(3)], "ndarray"),
        ((np.zeros((3, 2)), np.zeros(3)), "ndarray"),
        (pd.DataFrame({"a": [1.0], "y": [0]}), "str"),
    ],
    ids=["list", "pair", "frame"],
)
def test_batches_have_to_be_dicts(batches, received):
    message = rf"iterable of such dicts.*type {received}; of \(x, y\) make.*DataFrame dict\(frame\)"
    with pytest.raises(TypeError, match=message):
        collect(batches, INPUTS, "y")


def test_columns_of_scalars_are_inputs_of_one_element():
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]})
    found = collect(dict(frame), {"a": tf.TensorSpec([None, 1], tf.float32)}, "y")
    assert found.features["a"].tolist() == [[1.0], [2.0]]
    assert found.labels.tolist() == [0, 1]


def test_text_features_are_passed_on():
    inputs = INPUTS | {"id": tf.TensorSpec([None, 1], tf.string)}
    found = collect(rows(3), inputs, "y", "id")
    assert found.features["id"].tolist() == [["é0".encode()], ["é1".encode()], ["é2".encode()]]


def test_an_id_is_one_value():
    inputs = {"a": tf.TensorSpec([None, 2])}
    data = {"a": np.zeros((3, 2)), "y": [0, 1, 0], "id": [["a"], ["b"], ["c"]]}
    assert collect(data, inputs, "y", "id").ids == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"id feature 'a' with one value.*shape \[2\]"):
        collect(data, inputs, "y", "a")
