"""Greedy substitution, against trying everything in NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks.substitution import GreedySubstitution

ROWS = 7
CITIES = np.array([b"Rome", b"Oslo", b"Bern"], object)


def make_input(rows=ROWS):
    rng = np.random.default_rng(0)
    return {
        "measured": rng.normal(size=(rows, 3)).astype(np.float32),
        "age": rng.normal(size=rows).astype(np.float32),
        "code": rng.integers(0, 4, (rows, 1)),
        "city": rng.choice(CITIES, rows),
    }


def make_candidates(rows=ROWS):
    rng = np.random.default_rng(1)
    return {
        "measured": rng.normal(size=(4, 3)).astype(np.float32),  # for each value its own
        "age": rng.normal(size=(rows, 2)).astype(np.float32),  # for each row its own
        "code": np.array([0, 1, 2, 3]),  # for each value the same
        "city": CITIES,
    }


CITY_SCORES = np.array([0.3, 1.1, -0.6], np.float32)


def score(x):
    """In which values do not add up; of NumPy's operators, and so of TensorFlow's too."""
    where = sum(
        (x["city"] == name).astype(np.float32) * value
        for name, value in zip(CITIES, CITY_SCORES, strict=True)
    )
    a, b, c = x["measured"].T
    code = x["code"][:, 0].astype(np.float32)
    return a * b + np.sin(3 * c) + where * code + x["age"] * (1 + a)


def tensor_score(x):
    where = tf.add_n(
        [
            tf.cast(x["city"] == name, tf.float32) * value
            for name, value in zip(CITIES, CITY_SCORES, strict=True)
        ]
    )
    a, b, c = tf.unstack(x["measured"], axis=1)
    code = tf.cast(x["code"][:, 0], tf.float32)
    return a * b + tf.sin(3 * c) + where * code + x["age"] * (1 + a)


def substitutions(x, candidates, row):
    """Yields one row of every input that one substitution gives, in order."""
    for name, given in candidates.items():
        value = x[name][row]
        shape = value.shape if isinstance(value, np.ndarray) else ()
        for element in np.ndindex(shape):
            if name == "age":
                choices = given[row]
            else:
                choices = given[(slice(None), *element)] if given.ndim > 1 else given
            for choice in choices:
                changed = {k: v[row : row + 1].copy() for k, v in x.items()}
                changed[name][(0, *element)] = choice
                yield changed


def greedy(x, candidates, row, rounds, fooled=lambda x: False):
    """One row at a time, and one input at a time."""
    best = {k: v[row : row + 1] for k, v in x.items()}
    own = {k: v[row : row + 1] if k == "age" else v for k, v in candidates.items()}
    for _ in range(rounds):
        start = best
        for tried in substitutions(start, own, 0):
            if fooled(best):
                break
            if fooled(tried) or score(tried)[0] > score(best)[0] + 1e-6:
                best = tried
        if best is start:
            break
    return best


def to_tensors(x):
    return {k: tf.constant(v) for k, v in x.items()}


def attack(changes, loss=tensor_score, x=None, candidates=None):
    x, candidates = x or make_input(), candidates or make_candidates()
    found = GreedySubstitution(changes=changes)(loss, to_tensors(x), candidates)
    return {k: v.numpy() for k, v in found.items()}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for k in expected:
        np.testing.assert_array_equal(found[k], expected[k])


def joined(rows):
    return {k: np.concatenate([row[k] for row in rows]) for k in rows[0]}


def test_one_change_is_the_best_of_all():
    x, candidates = make_input(), make_candidates()
    found = score(attack(1))
    best = [max(score(t)[0] for t in substitutions(x, candidates, r)) for r in range(ROWS)]
    np.testing.assert_allclose(found, np.maximum(best, score(x)), rtol=1e-5)
    assert np.all(found > score(x))


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_equals_the_greedy_search_one_by_one(changes):
    x, candidates = make_input(), make_candidates()
    expected = joined([greedy(x, candidates, row, changes) for row in range(ROWS)])
    assert_same(attack(changes), expected)


@pytest.mark.parametrize("changes", [1, 2])
def test_stops_at_the_first_that_fools(changes):
    x, candidates = make_input(), make_candidates()
    limit = np.sort(score(x))[3] + 0.4

    def fooled(x):
        return score(x)[0] > limit

    found = attack(changes, lambda x: (tensor_score(x), tensor_score(x) > limit))
    expected = joined([greedy(x, candidates, row, changes, fooled) for row in range(ROWS)])
    assert_same(found, expected)
    assert np.any(found["measured"] != attack(changes)["measured"])


def test_what_fools_is_taken_although_its_loss_is_lower():
    x = {"a": tf.constant([[1.0, 1.0]])}
    attack = GreedySubstitution(changes=2)
    found = attack(lambda x: (x["a"][:, 0], x["a"][:, 1] < 0), x, {"a": [-1.0, 2.0]})
    np.testing.assert_array_equal(found["a"], [[1.0, -1.0]])


@pytest.mark.parametrize("changes", [1, 2, 3, 5])
def test_is_optimal_where_effects_add_up(changes):
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(6, 4)), rng.normal(size=4)
    values = np.array([-1.0, 0.5, 2.0])
    found = GreedySubstitution(changes=changes)(
        lambda x: tf.linalg.matvec(x["a"], weights), {"a": tf.constant(x)}, {"a": values}
    )["a"].numpy()
    for row in range(6):
        best = max(
            np.where([*chosen], replaced, x[row]) @ weights
            for chosen in itertools.product([False, True], repeat=4)
            if sum(chosen) <= changes
            for replaced in itertools.product(values, repeat=4)
        )
        np.testing.assert_allclose(found[row] @ weights, best)


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_changes_no_more_values_than_it_may(changes):
    x, found = make_input(), attack(changes)
    count = sum((found[k] != x[k]).reshape(ROWS, -1).sum(axis=1) for k in x)
    assert count.max() == changes


def test_more_changes_find_more():
    scores = [score(attack(changes)) for changes in (1, 2, 3)]
    for fewer, more in itertools.pairwise(scores):
        assert np.all(more >= fewer)
        assert np.any(more > fewer)


def test_a_flat_loss_leaves_the_input_alone():
    assert_same(attack(2, lambda x: tf.zeros(tf.shape(x["age"]))), make_input())


def test_a_loss_that_is_not_a_number_is_not_sought():
    x = {"a": tf.constant([[4.0, 4.0]])}
    found = GreedySubstitution(changes=2)(
        lambda x: -tf.sqrt(x["a"][:, 0]), x, {"a": [-1.0, 1.0, np.nan]}
    )
    np.testing.assert_array_equal(found["a"], [[1.0, 4.0]])


def test_features_without_candidates_stay():
    found = attack(3, candidates={"code": np.array([0, 3])})
    expected = make_input()
    assert np.any(found["code"] != expected["code"])
    assert_same({**found, "code": expected["code"]}, expected)


def test_rows_do_not_depend_on_the_batch():
    x, candidates = make_input(), make_candidates()
    some = np.array([5, 0, 2])
    part = {k: v[some] for k, v in x.items()}
    found = attack(2, x=part, candidates={**candidates, "age": candidates["age"][some]})
    assert_same(found, {k: v[some] for k, v in attack(2).items()})


@pytest.mark.parametrize("rows", [None, ROWS])
def test_gives_the_same_in_a_graph_which_holds_the_loss_twice(rows):
    x, traced = make_input(), []
    candidates = {k: v for k, v in make_candidates().items() if k != "age"}
    spec = {k: tf.TensorSpec([rows, *v.shape[1:]], tf.as_dtype(v.dtype)) for k, v in x.items()}

    def loss(x):
        traced.append(1)
        return tensor_score(x)

    @tf.function(input_signature=[spec, tf.TensorSpec([rows, 2])])
    def run(x, ages):
        found = GreedySubstitution(changes=2).find(loss, x, {**candidates, "age": ages})
        return found.x, found.loss

    found, value = run(to_tensors(x), tf.constant(make_candidates()["age"]))
    # Once for the input itself, once for all that is tried.
    assert len(traced) == 2
    order = [*candidates, "age"]
    again = {k: make_candidates()[k] for k in order}
    assert_same({k: found[k].numpy() for k in x}, attack(2, candidates=again))
    np.testing.assert_allclose(value, score({k: v.numpy() for k, v in found.items()}), rtol=1e-5)


def test_asks_once_for_each_try():
    asked = []

    def loss(x):
        asked.append(1)
        return tf.reduce_sum(x["a"], axis=(1, 2))

    x = {"a": tf.zeros([2, 2, 3])}
    GreedySubstitution(changes=2)(loss, x, {"a": [1.0, 2.0, 3.0, 4.0]})
    assert len(asked) == 1 + 2 * 6 * 4


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "bool", "uint8"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 2)])
def test_any_dtype_and_shape(dtype, shape):
    x = {"a": tf.zeros([3, *shape], dtype)}

    def total(x):
        return tf.reduce_sum(tf.cast(tf.reshape(x["a"], [3, -1]), tf.float32), axis=1)

    found = GreedySubstitution(changes=1)(total, x, {"a": np.array([0, 1]).astype(dtype)})
    assert (found["a"].dtype, found["a"].shape) == (dtype, (3, *shape))
    np.testing.assert_array_equal(total(found), [1, 1, 1])


def test_no_rows():
    x = {"a": tf.zeros([0, 3])}
    found = GreedySubstitution(changes=2)(lambda x: x["a"][:, 0], x, {"a": [1.0]})
    assert found["a"].shape == (0, 3)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({}, "candidates for features among a, b. Received: none"),
        ({"c": [1.0]}, "among a, b. Received: c"),
        ({"a": []}, "one candidate or more"),
        (
            {"a": np.zeros((2, 4))},
            r"\[candidates, 3\], \[batch, candidates, 3\].*Received: \(2, 4\)",
        ),
        ({"a": np.zeros((1, 1, 2, 3))}, r"Received: \(1, 1, 2, 3\) for a feature \(2, 3\)"),
        ({"b": np.zeros((2, 2, 2))}, r"shape \[candidates\], \[batch, candidates\], with"),
        ({"a": 1.0}, r"Received: \(\)"),
    ],
)
def test_candidates_that_do_not_fit_are_named(candidates, message):
    x = {"a": tf.zeros([2, 3]), "b": tf.zeros([2])}
    with pytest.raises(ValueError, match=message):
        GreedySubstitution(changes=1)(lambda x: x["b"], x, candidates)


def test_a_wrong_setting_is_named():
    with pytest.raises(ValueError, match="changes >= 1"):
        GreedySubstitution(changes=0)


@pytest.mark.parametrize(("fools", "tries"), [(False, 12), (True, 1)])
def test_asks_no_more_than_it_must(fools, tries):
    """Where a round found nothing, the next one would not either; nor where all are fooled."""
    asked = []

    def loss(x):
        asked.append(1)
        flat = tf.zeros(tf.shape(x["a"])[0])
        return flat, flat < (1.0 if fools and len(asked) > 1 else 0.0)

    x = {"a": tf.zeros([2, 3])}
    GreedySubstitution(changes=3)(loss, x, {"a": [1.0, 2.0, 3.0, 4.0]})
    assert len(asked) == 1 + tries
