"""A table's columns as one vector."""

import math

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks.columns import Columns


def make_input(dtype=tf.float32):
    rng = np.random.default_rng(0)
    shapes = {"z": [4], "image": [4, 2, 2], "a": [4, 1], "wide": [4, 3]}
    x = {name: tf.constant(rng.normal(size=shape), dtype) for name, shape in shapes.items()}
    return {**x, "double": tf.constant(rng.normal(size=[4, 2]), tf.float64)}


def test_only_rows_of_one_dtype_are_joined():
    columns = Columns.of(make_input())
    assert list(columns.groups.values()) == [("z", "a", "wide")]
    joined = columns.join(columns.x)
    assert sorted(value.shape.as_list() for value in joined.values()) == [[4, 2], [4, 2, 2], [4, 5]]


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64], ids=lambda d: d.name)
def test_splitting_undoes_joining(dtype):
    x = make_input(dtype)
    columns = Columns.of(x)
    back = columns.split(columns.join(x))
    assert list(back) == list(x)
    for name, value in x.items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)


@pytest.mark.parametrize(
    "settings",
    [
        {"z": 2.0},
        {"wide": [1.0, 2.0, 3.0], "image": 5.0},
        {"a": np.full([4, 1], 7.0), "double": [1.0, 2.0]},
    ],
    ids=str,
)
def test_settings_reach_what_they_name(settings):
    x = make_input()
    columns = Columns.of(x)
    joined = columns.join_setting(settings, math.inf)
    values = columns.join(x)
    limited = columns.split(
        {k: tf.minimum(v, joined[k]) if k in joined else v for k, v in values.items()}
    )
    for name, value in x.items():
        np.testing.assert_array_equal(limited[name], np.minimum(value, settings.get(name, np.inf)))


def test_what_nothing_is_said_of_has_no_setting():
    assert Columns.of(make_input()).join_setting({}, 0.0) == {}


def test_one_feature_stays_as_it_is():
    x = {"a": tf.zeros([2, 3]), "image": tf.zeros([2, 2, 2])}
    columns = Columns.of(x)
    assert columns.groups == {}
    assert columns.split(columns.join(x)) == x
