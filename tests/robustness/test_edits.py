"""Candidates for substitution, against what the pool holds; and the search with them."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import GreedySubstitution
from nsl_tfx.configs import EditName
from nsl_tfx.robustness.faults.edits import (
    MOST_QUANTILES,
    MOST_WORDS,
    editable,
    make_candidates,
)

ROWS = 40


def make_table(rows=ROWS):
    rng = np.random.default_rng(0)
    return {
        "measured": rng.normal(size=(rows, 2)).astype(np.float32),
        "age": rng.uniform(18, 80, rows),
        "code": np.stack([rng.integers(0, 3, rows), rng.integers(5, 12, rows)], axis=1),
        "city": rng.choice(np.array([b"a", b"bb", b"ccc"], object), rows),
    }


APPLIES = {
    "missing": ["measured", "age", "code", "city"],
    "swap": ["measured", "age", "code", "city"],
    "scale_error": ["measured", "age"],
    "category": ["code", "city"],
}


@pytest.mark.parametrize("name", EditName)
class TestEveryEdit:
    def test_applies_to(self, name):
        x = make_table()
        assert editable(name, x) == list(make_candidates(name, x, x)) == APPLIES[name.value]

    def test_candidates_have_the_features_dtype_and_shape(self, name):
        x = make_table()
        for k, found in make_candidates(name, x, x).items():
            assert found.dtype == x[k].dtype
            leading = found.shape[: found.ndim - x[k].ndim + 1]
            assert found.shape[len(leading) :] == x[k].shape[1:]
            assert leading[0] == ROWS if name is EditName.SCALE_ERROR else len(leading) == 1

    def test_greedy_substitution_takes_them(self, name):
        x = make_table()
        candidates = make_candidates(name, x, x)

        def loss(x):
            city = tf.cast(tf.strings.length(x["city"]), tf.float32)
            rest = tf.reduce_sum(x["measured"], 1) + tf.cast(x["age"], tf.float32)
            return rest + tf.cast(tf.reduce_sum(x["code"], 1), tf.float32) + city

        tensors = {k: tf.constant(v) for k, v in x.items()}
        found = GreedySubstitution(changes=2)(loss, tensors, candidates)
        assert np.all(loss(found) >= loss(tensors))
        changed = [k for k in x if np.any(found[k].numpy() != x[k])]
        assert changed
        assert set(changed) <= set(candidates)

    @pytest.mark.parametrize("rows", [0, 1])
    def test_few_rows(self, name, rows):
        x = make_table()
        few = {k: v[:rows] for k, v in x.items()}
        for v in [*x.values(), *few.values()]:
            v.flags.writeable = False
        assert list(make_candidates(name, few, x)) == APPLIES[name.value]

    def test_candidates_lie_within_bounds(self, name):
        x = make_table()
        bounds = {"measured": (-0.5, 0.5), "age": (30.0, None)}
        found = make_candidates(name, x, x, bounds)
        if name is not EditName.CATEGORY:
            assert np.all(np.abs(found["measured"]) <= 0.5)
            assert np.all(found["age"] >= 30)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_candidates_are_finite(self, name, dtype):
        most = np.finfo(dtype).max
        x = {"x": np.array([most, -most, 1], dtype), "y": np.array([1, 2, 3])}
        pool = {"x": np.array([np.nan, np.inf, 2], dtype), "y": x["y"]}
        for found in make_candidates(name, x, pool).values():
            assert np.all(np.isfinite(found))


def test_swaps_are_values_of_the_pool_from_its_least_to_its_largest():
    x = make_table()
    found = make_candidates("swap", x, x)
    for column, values in [
        *zip(x["measured"].T, found["measured"].T, strict=True),
        (x["age"], found["age"]),
    ]:
        assert len(values) == MOST_QUANTILES
        assert set(values) <= set(column)
        np.testing.assert_array_equal(values, np.sort(values))
        assert (values[0], values[-1]) == (column.min(), column.max())
        assert abs(np.mean(column <= values[4]) - 0.5) < 1.5 / ROWS


@pytest.mark.parametrize("name", ["swap", "category"])
def test_words_are_the_pools_vocabulary(name):
    x = make_table()
    found = make_candidates(name, x, x)
    assert set(found["city"]) == {b"a", b"bb", b"ccc"}
    for i in range(2):
        assert set(found["code"][:, i]) == set(x["code"][:, i])
        counts = [np.sum(x["code"][:, i] == word) for word in dict.fromkeys(found["code"][:, i])]
        assert counts == sorted(counts, reverse=True)


def test_of_a_large_vocabulary_the_most_frequent_words_are_left():
    words = np.repeat(np.arange(100), np.arange(100, 0, -1))
    found = make_candidates("category", {"x": words}, {"x": words})["x"]
    np.testing.assert_array_equal(found, np.arange(MOST_WORDS))


def test_a_few_reference_rows_are_candidates_once_each():
    pool = {"x": np.array([3.0, 1.0, 2.0])}
    assert make_candidates("swap", pool, pool)["x"].tolist() == [1, 2, 3]


def test_units_start_from_the_rows_own_value():
    x = {"x": np.array([[1.0, -2.0], [3.0, 0.0]])}
    found = make_candidates("scale_error", x, x)["x"]
    for i, factor in enumerate([10, 0.1, 100, 0.01, 1000, 0.001]):
        np.testing.assert_allclose(found[:, i], x["x"] * factor)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("scale_error", np.array([1, 2]), "'scale_error' applies to, of a floating dtype.*x int64"),
        ("category", np.zeros(2), "'category' applies to, of an integer or text dtype.*x float64"),
        ("typo", np.zeros(2), "name to be one of 'missing'.*'typo'"),
        ("swap", np.zeros((2, 2)), r"like the feature itself.*Received: float64 of shape \[2\]"),
    ],
)
def test_what_does_not_fit_is_named(name, column, message):
    pool = {"x": np.zeros(2)} if name == "swap" else {"x": column}
    with pytest.raises(ValueError, match=message):
        make_candidates(name, {"x": column}, pool)
