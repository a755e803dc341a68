"""Corruptions: every one of them, at every severity, against what all have in common."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nsl_tfx.configs import SEVERITIES, CorruptionName
from nsl_tfx.robustness.faults.corruption import corrupt, corruptible, default_value

IMAGE = list(CorruptionName)[:7]
TABLE = list(CorruptionName)[7:]
FLOATS = ["float16", "float32", "float64", tf.bfloat16.as_numpy_dtype]
ROWS = 60


def make_images(shape, rows=ROWS, low=0.0, high=1.0):
    """Smooth, as photographs are, with a contrast of their own each."""
    rng = np.random.default_rng(0)
    found = scipy.ndimage.gaussian_filter(
        rng.normal(size=(rows, *shape)), (0, 2, 2, 0), mode="wrap"
    )
    found -= found.min(axis=(1, 2), keepdims=True)
    found /= found.max(axis=(1, 2), keepdims=True)
    return (low + (high - low) * (0.2 + 0.6 * found)).astype(np.float32)


def make_seeds(rows=ROWS, seed=0):
    return np.random.default_rng(seed).integers(0, 2**32, (rows, 2), dtype=np.uint32)


def make_table(rows=ROWS):
    rng = np.random.default_rng(1)
    return {
        "measured": rng.normal(size=(rows, 3)) * [1, 100, 1e-3],
        "age": rng.uniform(18, 80, rows).astype(np.float32),
        "code": rng.integers(0, 5, (rows, 1)),
        "city": rng.choice(np.array([b"a", b"bb", b"ccc"], object), rows),
    }


def make_case(name):
    if name in IMAGE:
        return {"image": make_images((12, 14, 3)), "label": np.arange(ROWS)}
    return make_table()


def size_of_change(before, after):
    return sum(
        np.mean(before[k] != after[k])
        if before[k].dtype.kind in "OiSU"
        else np.abs(after[k] - before[k]).mean()
        for k in before
    )


@pytest.mark.parametrize("name", CorruptionName)
class TestEveryCorruption:
    def test_grows_with_severity(self, name):
        x = make_case(name)
        found = [size_of_change(x, corrupt(name, x, s, make_seeds(), x)) for s in SEVERITIES]
        assert found[0] > 0
        assert np.all(np.diff(found) > 0)

    def test_keeps_names_shapes_and_dtypes(self, name):
        x = make_case(name)
        found = corrupt(name, x, 3, make_seeds(), x)
        assert list(found) == list(x)
        for k in x:
            assert (found[k].dtype, found[k].shape) == (x[k].dtype, x[k].shape)

    def test_changes_what_it_applies_to(self, name):
        x = make_case(name)
        found = corrupt(name, x, 5, make_seeds(), x)
        assert [k for k in x if np.any(found[k] != x[k])] == corruptible(name, x)

    def test_rows_do_not_depend_on_the_batch(self, name):
        x, seeds = make_case(name), make_seeds()
        some = np.array([7, 3, 41])
        part = corrupt(name, {k: v[some] for k, v in x.items()}, 4, seeds[some], x)
        whole = corrupt(name, x, 4, seeds, x)
        for k in x:
            np.testing.assert_array_equal(part[k], whole[k][some])

    def test_features_do_not_depend_on_one_another(self, name):
        x, seeds = make_case(name), make_seeds()
        whole = corrupt(name, x, 4, seeds, x)
        for k in corruptible(name, x):
            np.testing.assert_array_equal(
                corrupt(name, {k: x[k]}, 4, seeds, {k: x[k]})[k], whole[k]
            )

    def test_the_input_stays_as_it_is(self, name):
        x = make_case(name)
        copies = {k: v.copy() for k, v in x.items()}
        for v in x.values():
            v.flags.writeable = False
        corrupt(name, x, 5, make_seeds(), x)
        for k in x:
            np.testing.assert_array_equal(x[k], copies[k])

    @pytest.mark.parametrize("severity", SEVERITIES)
    def test_stays_within_bounds(self, name, severity):
        x = make_case(name)
        bounds = {"image": (0.1, 0.85), "measured": (-300.0, 301.0), "age": (18, 90.5)}
        found = corrupt(name, x, severity, make_seeds(), x, bounds)
        for k in bounds.keys() & x.keys():
            low, high = np.array(bounds[k], x[k].dtype)
            assert found[k].min() >= low
            assert found[k].max() <= high

    @pytest.mark.parametrize("rows", [0, 1])
    def test_few_rows(self, name, rows):
        x = make_case(name)
        few = {k: v[:rows] for k, v in x.items()}
        found = corrupt(name, few, 2, make_seeds(rows), x)
        assert all(found[k].shape == few[k].shape for k in x)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_any_float(self, name, dtype):
        x = {"x": make_images((8, 8, 1))[..., 0].astype(dtype)}
        found = corrupt(name, x, 5, make_seeds(), x)["x"]
        assert found.dtype == x["x"].dtype
        assert np.all(np.isfinite(found.astype(np.float64)))
        assert np.any(found != x["x"])

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_finite_stays_finite(self, name, data):
        dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
        # The width of a range beyond the largest number is not one.
        most = {np.float16: 6e4, np.float32: 1e38, np.float64: 1e300}[dtype]
        elements = st.sampled_from([0.0, 1.0, -1.0, 1e-7, most, -most]).map(dtype)
        x = {"x": data.draw(hnp.arrays(dtype, (3, 4, 4), elements=elements))}
        seeds = data.draw(hnp.arrays(np.uint32, (3, 2)))
        severity = data.draw(st.sampled_from(SEVERITIES))
        found = corrupt(name, x, severity, seeds, x)["x"]
        assert found.dtype == dtype
        assert np.all(np.isfinite(found))


@pytest.mark.parametrize("name", sorted(set(CorruptionName) - {"blur", "shift", "pixelate"}))
def test_a_severe_corruption_extends_a_milder_one(name):
    x = {"x": make_images((8, 8, 1)).astype(np.float64)}
    bounds = {"x": (0.0, 1.0)}
    changes = [
        np.abs(corrupt(name, x, s, make_seeds(), x, bounds)["x"] - x["x"]) for s in SEVERITIES
    ]
    if name == "occlusion":  # whose squares lie within one another, whatever they hide
        changes = [change > 0 for change in changes]
    for milder, severe in itertools.pairwise(changes):
        assert np.all(severe.astype(float) >= milder.astype(float) - 1e-12)


@pytest.mark.parametrize("name", TABLE[:3])
def test_each_feature_and_value_draws_by_itself(name):
    rng = np.random.default_rng(0)
    x = {k: rng.uniform(1, 2, (3000, 2)) for k in ("a", "b")}
    found = corrupt(name, x, 5, make_seeds(3000), x)
    hit = np.concatenate([found[k] != x[k] for k in x], axis=1)
    assert np.abs(np.corrcoef(hit.T) - np.eye(4)).max() < 5 / 3000**0.5


@pytest.mark.parametrize(
    "name", sorted(set(CorruptionName) - {"brightness", "scale_error", "missing", "swap"})
)
def test_is_in_units_of_the_range(name):
    """What it does to values between -100 and 300 is what it does to them between 0 and 1."""
    x = {"image": make_images((8, 8, 1)).astype(np.float64)}
    wide = {"image": 400 * x["image"] - 100}
    seeds = make_seeds()
    plain = corrupt(name, x, 3, seeds, x, {"image": (0.0, 1.0)})
    found = corrupt(name, wide, 3, seeds, wide, {"image": (-100.0, 300.0)})
    np.testing.assert_allclose((found["image"] + 100) / 400, plain["image"], atol=1e-6)


@pytest.mark.parametrize("name", IMAGE)
def test_bounds_are_the_pools_where_none_are_given(name):
    x = {"image": make_images((8, 8, 1))}
    bounds = {"image": (x["image"].min(), x["image"].max())}
    plain, bounded = (corrupt(name, x, 3, make_seeds(), x, b)["image"] for b in (None, bounds))
    np.testing.assert_array_equal(plain, bounded)


@pytest.mark.parametrize("name", IMAGE)
@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (64,)])
def test_images_of_one_channel_may_have_any_form(name, shape):
    x = make_images((8, 8, 1))
    found = corrupt(
        name, {"x": x.reshape(-1, *shape)}, 3, make_seeds(), {"x": x.reshape(-1, *shape)}
    )
    expected = corrupt(name, {"x": x}, 3, make_seeds(), {"x": x})["x"]
    np.testing.assert_array_equal(found["x"].reshape(x.shape), expected)


@pytest.mark.parametrize("name", IMAGE)
def test_bytes_are_images_too(name):
    x = {"image": make_images((8, 8, 3), high=255).astype(np.uint8)}
    found = corrupt(name, x, 5, make_seeds(), x, {"image": (0, 255)})["image"]
    exact = {"image": x["image"].astype(np.float64)}
    expected = corrupt(name, exact, 5, make_seeds(), exact, {"image": (0, 255)})["image"]
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, atol=0.5001)


def test_noise_is_gaussian():
    x = {"image": np.full((400, 8, 8), 0.5)}
    found = corrupt("gaussian_noise", x, 1, make_seeds(400), x, {"image": (-5, 5)})
    noise = (found["image"] - 0.5).reshape(400, -1)
    assert abs(noise.std() / (10 * 0.08) - 1) < 0.02
    assert abs(noise.mean()) < 0.02


@pytest.mark.parametrize("severity", SEVERITIES)
def test_what_is_not_random_follows_its_formula(severity):
    x = make_images((8, 10, 3)).astype(np.float64)

    def found(name):
        changed = corrupt(name, {"x": x}, severity, make_seeds(), {"x": x}, {"x": (0.0, 1.0)})
        return changed["x"]

    i = severity - 1
    mean = x.mean(axis=(1, 2), keepdims=True)
    expected = {
        "contrast": mean + [0.4, 0.3, 0.2, 0.1, 0.05][i] * (x - mean),
        "brightness": np.minimum(x + [0.1, 0.2, 0.3, 0.4, 0.5][i], 1),
        "rounding": np.round(x * [32, 16, 8, 4, 2][i]) / [32, 16, 8, 4, 2][i],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found(name), value, atol=1e-12)
    width = 8 * [0.02, 0.035, 0.05, 0.075, 0.1][i]
    for row in range(3):
        for channel in range(3):
            blurred = scipy.ndimage.gaussian_filter(x[row, :, :, channel], width, mode="nearest")
            np.testing.assert_allclose(found("blur")[row, :, :, channel], blurred, atol=1e-12)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shift_moves_by_one_length_in_any_direction(severity):
    # On a plane whose slopes are 1 and 10, a move shows as the sum of its two parts.
    rows, columns = np.mgrid[:20, :30].astype(np.float64)
    x = {"x": np.repeat((rows + 100 * columns)[None], ROWS, axis=0)}
    found = corrupt("shift", x, severity, make_seeds(), x)["x"]
    change = x["x"][:, 10, 15] - found[:, 10, 15]
    length = 20 * [0.04, 0.08, 0.12, 0.16, 0.2][severity - 1]
    across = np.round(change / 100 * 1e6) / 1e6
    assert np.all(np.abs(across) <= length * 1.011)
    assert across.min() < -0.9 * length
    assert across.max() > 0.9 * length
    interior = np.s_[:, 5:-5, 5:-5]
    spread = np.ptp((x["x"] - found)[interior], axis=(1, 2))
    np.testing.assert_allclose(spread, 0, atol=1e-9)


def test_shift_agrees_with_scipy():
    x = make_images((9, 9, 1))[..., 0].astype(np.float64)
    found = corrupt("shift", {"x": x}, 5, make_seeds(), {"x": x}, {"x": (0.0, 1.0)})["x"]
    length = 9 * 0.2
    angles = np.linspace(0, 2 * np.pi, 721)
    for row in range(3):
        tried = [
            scipy.ndimage.shift(
                x[row], length * np.array([np.sin(a), np.cos(a)]), order=1, mode="nearest"
            )
            for a in angles
        ]
        assert np.abs(np.array(tried) - found[row]).max(axis=(1, 2)).min() < 0.02


@pytest.mark.parametrize("severity", SEVERITIES)
def test_occlusion_hides_a_square(severity):
    x = {"x": make_images((10, 14, 3), low=0.6)}
    found = corrupt("occlusion", x, severity, make_seeds(), x, {"x": (0.0, 1.0)})["x"]
    hidden = np.all(found == 0.5, axis=3)
    side = [2, 3, 4, 5, 6][severity - 1]
    for row in hidden:
        assert row.any(axis=0).sum() == row.any(axis=1).sum() == side
        assert row.sum() == side**2
    np.testing.assert_array_equal(found[~hidden], x["x"][~hidden])


@pytest.mark.parametrize("severity", SEVERITIES)
def test_occlusion_hides_any_place(severity):
    x = {"x": np.ones((1500, 6, 8))}
    found = corrupt("occlusion", x, severity, make_seeds(1500), x, {"x": (0.0, 1.0)})["x"]
    side = [1, 2, 2, 3, 4][severity - 1]
    expected = 1 / ((7 - side) * (9 - side))
    for corner in [(0, 0), (0, -1), (-1, 0), (-1, -1)]:
        share = np.mean(found[:, corner[0], corner[1]] == 0.5)
        assert abs(share - expected) < 5 * (expected / 1500) ** 0.5


@pytest.mark.parametrize(("severity", "cells"), [(1, 5), (2, 4), (4, 2)])
def test_pixelate_averages_cells(severity, cells):
    x = make_images((8, 8, 1))[..., 0].astype(np.float64)
    found = corrupt("pixelate", {"x": x}, severity, make_seeds(), {"x": x}, {"x": (0.0, 1.0)})["x"]
    cell = np.arange(8) * cells // 8
    for a in range(cells):
        for b in range(cells):
            block = np.ix_(range(ROWS), cell == a, cell == b)
            mean = x[block].mean(axis=(1, 2), keepdims=True)
            np.testing.assert_allclose(found[block], np.broadcast_to(mean, x[block].shape))


@pytest.mark.parametrize("severity", SEVERITIES)
class TestSomeValues:
    def test_about_the_share_is_lost(self, severity):
        x = {"x": 1.0 + np.random.default_rng(0).random((2000, 3))}
        pool = {"x": np.array([[5.0, 7.0, np.nan], [np.nan, 9.0, np.inf], [6.0, 9.0, np.nan]])}
        found = corrupt("missing", x, severity, make_seeds(2000), pool)["x"]
        share = np.mean(found != x["x"], axis=0)
        np.testing.assert_allclose(share, severity / 10, atol=0.05)
        for i, default in enumerate([5.5, 9.0, 0.0]):
            lost = found[:, i] != x["x"][:, i]
            assert set(found[lost, i]) == {default}

    def test_what_is_swapped_follows_the_pools_distribution(self, severity):
        x = {"x": np.full((4000, 2), -1), "y": np.full(4000, b"-", object)}
        pool = {
            "x": np.array([[1, 10], [1, 20], [2, 30]]),
            "y": np.array([b"a", b"b", b"b"], object),
        }
        found = corrupt("swap", x, severity, make_seeds(4000), pool)
        swapped = found["x"] != -1
        np.testing.assert_allclose(swapped.mean(axis=0), severity / 10, atol=0.04)
        both = swapped.all(axis=1)
        text = found["y"] != b"-"
        for holds, expected in [
            (found["x"][swapped[:, 0], 0] == 1, 2 / 3),
            (found["x"][swapped[:, 1], 1] == 10, 1 / 3),
            (found["y"][text] == b"b", 2 / 3),
            # Each value from a row of its own: no row of the pool has both.
            ((found["x"][both] == [2, 10]).all(axis=1), 1 / 9),
        ]:
            assert abs(holds.mean() - expected) < 4 * (expected / len(holds)) ** 0.5

    def test_units_are_mistaken(self, severity):
        x = {"x": np.full((3000, 2), 7.0)}
        found = corrupt("scale_error", x, severity, make_seeds(3000), x)["x"]
        ratios, counts = np.unique(np.round(found / 7, 9), return_counts=True)
        np.testing.assert_allclose(ratios, [0.001, 0.01, 0.1, 1, 10, 100, 1000])
        np.testing.assert_allclose(counts[[0, 1, 2, 4, 5, 6]] / 6000, severity / 60, atol=0.015)

    def test_what_is_no_float_has_its_most_frequent_value(self, severity):
        x = make_table()
        pool = {
            **x,
            "code": np.array([[3], [4], [3], [0]]),
            "city": np.array([b"x", b"y", b"y"], object),
        }
        found = corrupt("missing", x, severity, make_seeds(), pool)
        assert set(found["code"][found["code"] != x["code"]]) <= {3}
        assert set(found["city"][found["city"] != x["city"]]) == {b"y"}


def test_missing_values_are_filled_but_never_made():
    x = {"x": np.where(np.random.default_rng(0).random((500, 2)) < 0.2, np.nan, 1.0)}
    for name in TABLE:
        found = corrupt(name, x, 5, make_seeds(500), {"x": np.nan_to_num(x["x"], nan=0.5)})["x"]
        assert not np.any(np.isnan(found) & ~np.isnan(x["x"]))
    found = corrupt("missing", x, 5, make_seeds(500), x, {"x": (0.0, 2.0)})["x"]
    assert np.isnan(found).sum() < np.isnan(x["x"]).sum()


@pytest.mark.parametrize("name", CorruptionName)
def test_constant_features(name):
    x = {"x": np.zeros((5, 4, 4))}
    np.testing.assert_array_equal(corrupt(name, x, 5, make_seeds(5), x)["x"], x["x"])


def test_values_beyond_the_bounds_are_not_pushed_further():
    x = {"x": np.array([[[-3.0] * 4] * 4, [[9.0] * 4] * 4])}
    found = corrupt("gaussian_noise", x, 5, make_seeds(2), x, {"x": (0.0, 1.0)})["x"]
    assert found.min() == -3
    assert found.max() == 9


@pytest.mark.parametrize(
    ("column", "default"),
    [
        ([1.0, 2.0, 10.0], 2.0),
        ([np.nan, np.nan], 0.0),
        ([2, 1, 2, 1], 1),
        ([True, False, True], True),
        (["b", "a", "b"], "b"),
    ],
)
def test_default_value(column, default):
    column = np.array(column)
    found = default_value(column)
    assert found.dtype == column.dtype
    assert found.item() == default


GOOD = {"x": np.zeros((2, 3))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "fog"}, "name to be one of 'gaussian_noise'.*Received: 'fog'"),
        ({"severity": 6}, "severity to be one of 1, 2, 3, 4, 5. Received: 6"),
        ({"name": "blur"}, r"'blur' applies to, an image.*Received: x float64 \[2, 3\]"),
        (
            {"features": {"x": np.array([1, 2])}, "pool": {"x": np.array([1])}, "name": "rounding"},
            r"a floating dtype. Received: x int64 \[2\]",
        ),
        ({"pool": {}}, "reference rows of feature 'x' in pool. Received: none"),
        ({"pool": {"x": np.zeros((0, 3))}}, "with one row or more"),
        ({"pool": {"x": np.zeros((2, 4))}}, r"like the feature itself.*Received.*\[2, 4\]"),
        ({"pool": {"x": np.zeros((2, 3), np.float32)}}, "Received: float32"),
        ({"seeds": np.zeros((3, 2), np.uint32)}, r"\[2, 2\].*Received: uint32 of shape \[3, 2\]"),
        ({"seeds": np.zeros((2, 2))}, "seeds as uint32.*Received: float64"),
        ({"bounds": {"x": (1.0, 0.0)}}, r"bounds\['x'\] as the lowest.*Received: 1.0, 0.0"),
        ({"features": {"x": np.zeros((2, 3)), "y": np.zeros(1)}}, "equally many rows"),
        ({"features": {}}, "equally many rows"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    arguments = {
        "name": "missing",
        "features": GOOD,
        "severity": 1,
        "seeds": make_seeds(2),
        "pool": GOOD,
    }
    with pytest.raises(ValueError, match=message):
        corrupt(**{**arguments, **changes})
