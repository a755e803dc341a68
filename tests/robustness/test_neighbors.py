"""Changed neighbors, and what a small model makes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import GraphNeighborConfig, NeighborChange
from nsl_tfx.robustness.faults.neighbors import (
    Neighbor,
    change_neighbors,
    find_neighbors,
    neighbor_changes,
)

ROWS, COUNT = 50, 3


def make_features(rows=ROWS, seed=0):
    """Of 0 to 3 neighbors each, the first ones; what is missing is 0, as parsing fills it."""
    rng = np.random.default_rng(seed)
    number = np.arange(rows) % (COUNT + 1)
    found = {"x": rng.normal(size=(rows, 2)), "NL_num_nbrs": number[:, None]}
    for i in range(COUNT):
        there = number > i
        found[f"NL_nbr_{i}_x"] = np.where(there[:, None], rng.uniform(1, 2, (rows, 2)), 0)
        found[f"NL_nbr_{i}_city"] = np.where(there, rng.choice([b"a", b"b"], rows), b"").astype(
            object
        )
        weight = np.where(there, rng.uniform(0.5, 1, rows), 0)
        found[f"NL_nbr_{i}_weight"] = weight.astype(np.float32)[:, None]
    return found


def make_seeds(rows=ROWS, seed=0):
    return np.random.default_rng(seed).integers(0, 2**32, (rows, 2), dtype=np.uint32)


def weights_of(features):
    return np.concatenate([features[f"NL_nbr_{i}_weight"] for i in range(COUNT)], axis=1)


def predict(features):
    """An example's own features, and its neighbors' mean."""
    weights = weights_of(features)
    theirs = np.stack([features[f"NL_nbr_{i}_x"] for i in range(COUNT)], axis=1)
    mean = (weights[:, :, None] * theirs).sum(axis=1) / np.maximum(
        weights.sum(axis=1, keepdims=True), 1e-9
    )
    return features["x"] + mean


@pytest.mark.parametrize("name", NeighborChange)
class TestEveryChange:
    def test_changes_predictions_of_rows_with_neighbors(self, name):
        x = make_features()
        found = predict(change_neighbors(name, x, make_seeds(), x))
        changed = np.any(found != predict(x), axis=1)
        assert not np.any(changed[weights_of(x).sum(axis=1) == 0])
        assert changed[weights_of(x).sum(axis=1) > 0].mean() > 0.9

    def test_leaves_the_rows_own_features(self, name):
        x = make_features()
        found = change_neighbors(name, x, make_seeds(), x)
        assert list(found) == list(x)
        np.testing.assert_array_equal(found["x"], x["x"])
        for k in x:
            assert (found[k].dtype, found[k].shape) == (x[k].dtype, x[k].shape)

    def test_rows_do_not_depend_on_the_batch(self, name):
        x, seeds = make_features(), make_seeds()
        some = np.array([31, 2, 7])
        part = change_neighbors(name, {k: v[some] for k, v in x.items()}, seeds[some], x)
        whole = change_neighbors(name, x, seeds, x)
        for k in x:
            np.testing.assert_array_equal(part[k], whole[k][some])

    def test_the_input_stays_as_it_is(self, name):
        x = make_features()
        copies = {k: v.copy() for k, v in x.items()}
        for v in x.values():
            v.flags.writeable = False
        change_neighbors(name, x, make_seeds(), x)
        for k in x:
            np.testing.assert_array_equal(x[k], copies[k])

    @pytest.mark.parametrize("rows", [0, 1])
    def test_few_rows(self, name, rows):
        x = make_features()
        few = {k: v[:rows] for k, v in x.items()}
        found = change_neighbors(name, few, make_seeds(rows), x)
        assert all(found[k].shape == few[k].shape for k in x)

    def test_missing_neighbors_stay_missing(self, name):
        x = make_features()
        found = change_neighbors(name, x, make_seeds(), x)
        missing = weights_of(x) == 0
        for i in range(COUNT):
            for k in (f"NL_nbr_{i}_x", f"NL_nbr_{i}_city", f"NL_nbr_{i}_weight"):
                np.testing.assert_array_equal(found[k][missing[:, i]], x[k][missing[:, i]])

    def test_a_model_without_neighbors_is_told(self, name):
        with pytest.raises(ValueError, match=f"'NL_nbr_0_x', to {name.value}. Received: x"):
            change_neighbors(name, {"x": np.zeros(2)}, make_seeds(2), {})


def test_one_is_dropped_of_each_row_that_has_any():
    x = make_features(2000)
    found = change_neighbors("drop_one", x, make_seeds(2000), x)
    before, after = weights_of(x) != 0, weights_of(found) != 0
    np.testing.assert_array_equal(before.sum(1) - after.sum(1), np.minimum(before.sum(1), 1))
    np.testing.assert_array_equal(found["NL_num_nbrs"][:, 0], after.sum(1))
    for i in range(COUNT):
        dropped = before[:, i] & ~after[:, i]
        assert np.all(found[f"NL_nbr_{i}_x"][dropped] == 0)
        assert np.all(found[f"NL_nbr_{i}_city"][dropped] == b"")
        kept = after[:, i]
        np.testing.assert_array_equal(found[f"NL_nbr_{i}_x"][kept], x[f"NL_nbr_{i}_x"][kept])
    # Each as often as another.
    full = before.sum(1) == COUNT
    shares = np.mean(~after[full], axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * (2 / 9 / full.sum()) ** 0.5)


def test_all_are_dropped():
    x = make_features()
    found = change_neighbors("drop_all", x, make_seeds(), {})
    assert np.all(weights_of(found) == 0)
    assert np.all(found["NL_num_nbrs"] == 0)
    np.testing.assert_array_equal(predict(found), x["x"])


def test_rewired_edges_keep_their_weights_and_lead_to_one_neighbor():
    x, pool = make_features(), make_features(37, seed=5)
    found = change_neighbors("rewire", x, make_seeds(), pool)
    np.testing.assert_array_equal(weights_of(found), weights_of(x))
    present = weights_of(x) != 0
    seen = set()
    for i in range(COUNT):
        theirs, cities = pool[f"NL_nbr_{i}_x"], pool[f"NL_nbr_{i}_city"]
        for row in np.flatnonzero(present[:, i]):
            donor = np.flatnonzero((theirs == found[f"NL_nbr_{i}_x"][row]).all(axis=1))
            assert len(donor) == 1
            assert cities[donor[0]] == found[f"NL_nbr_{i}_city"][row]
            assert pool[f"NL_nbr_{i}_weight"][donor[0]] != 0
            seen.add(donor[0])
    assert len(seen) > 15
    other = change_neighbors("rewire", x, make_seeds(seed=1), pool)
    assert np.any(other["NL_nbr_0_x"] != found["NL_nbr_0_x"])


def test_without_weights_every_neighbor_counts():
    x = {"NL_nbr_0_x": np.ones((4, 2)), "NL_nbr_1_x": np.ones((4, 2))}
    one = change_neighbors("drop_one", x, make_seeds(4), {})
    np.testing.assert_array_equal(one["NL_nbr_0_x"] + one["NL_nbr_1_x"], np.ones((4, 2)))
    every = change_neighbors("drop_all", x, make_seeds(4), {})
    assert not np.any([*every.values()])


def test_without_a_donor_an_edge_stays():
    x = make_features(8)
    pool = {k: v[:1] for k, v in x.items()}
    assert np.all(weights_of(pool) == 0)
    found = change_neighbors("rewire", x, make_seeds(8), pool)
    np.testing.assert_array_equal(found["NL_nbr_0_x"], x["NL_nbr_0_x"])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["x", "NL_num_nbrs"], {}),
        (["NL_nbr_0_x", "NL_nbr_0_weight"], {0: (["NL_nbr_0_x"], "NL_nbr_0_weight")}),
        (
            ["NL_nbr_11_a_b", "NL_nbr_2_weight", "NL_nbr_x_y", "NL_nbr_2_"],
            {2: ([], "NL_nbr_2_weight"), 11: (["NL_nbr_11_a_b"], None)},
        ),
        (["NL_nbr_0_weight_kg"], {0: (["NL_nbr_0_weight_kg"], None)}),
    ],
)
def test_neighbors_are_found(inputs, expected):
    assert find_neighbors(inputs) == tuple(
        Neighbor(i, tuple(features), weight) for i, (features, weight) in expected.items()
    )


@given(
    st.text("ab_0(", min_size=1, max_size=4),
    st.sampled_from(["_weight", "w", "_"]),
    st.lists(st.text("abw_", min_size=1, max_size=3), unique=True, max_size=3),
    st.integers(0, 12),
)
@settings(deadline=None)
def test_neighbors_are_found_by_any_names(prefix, suffix, names, count):
    config = GraphNeighborConfig(prefix=prefix, weight_suffix=suffix, max_neighbors=count)
    # A feature by the name of the weight could not be told from it.
    names = [name for name in names if f"_{name}" != suffix]
    inputs = [config.feature_name(i, name) for i in range(count) for name in names]
    # Digits before the number would be read as a part of it.
    found = find_neighbors([*inputs, *config.weight_names], config)
    assert [neighbor.index for neighbor in found] == list(range(count))
    for neighbor in found:
        assert neighbor.weight == config.weight_name(neighbor.index)
        assert list(neighbor.features) == [
            config.feature_name(neighbor.index, name) for name in names
        ]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["x"], []),
        (["NL_nbr_0_x"], ["drop_all", "rewire"]),
        (["NL_nbr_0_weight"], ["drop_all"]),
        (["NL_nbr_0_x", "NL_nbr_1_x"], ["drop_one", "drop_all", "rewire"]),
    ],
)
def test_what_a_model_can_notice(inputs, expected):
    assert [change.value for change in neighbor_changes(inputs)] == expected


def test_a_pool_without_neighbors_is_told():
    x = make_features(2)
    with pytest.raises(ValueError, match="reference rows of feature 'NL_nbr_0_x' in pool"):
        change_neighbors("rewire", x, make_seeds(2), {"x": x["x"]})
