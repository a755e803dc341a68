"""The threat model in words, for one feature and for many that differ."""

from __future__ import annotations

import pytest

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.reporting.threat_text import describe_threat

EVEN = {
    "one feature": ({}, "may change a by at most 0.1 in the L∞ norm, in units of the input."),
    "another norm": ({"norm": "l1"}, "0.1 in the L1 norm"),
    "bounds": ({"clip_value_min": -1.5, "clip_value_max": 1}, "input, within -1.5 to 1."),
    "a lower bound": ({"clip_value_min": 0}, "input, not below 0."),
    "an upper bound": ({"clip_value_max": 7.0}, "input, not above 7."),
    "a scale for all": ({"feature_scale": 3}, "a by at most 0.3 in"),
    "two features": ({"features": ("a", "b")}, "change a and b by"),
    "nine features": ({"features": tuple("abcdefghi")}, "change a, b, c, d, e, f, g, h and i by"),
    "many features": (
        {"features": tuple("abcdefghijkl")}, "change a, b, c, d, e, f, g, h and 4 more by"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "words"), EVEN.values(), ids=EVEN)
def test_what_holds_for_all_features_is_a_sentence(settings, words):
    found = describe_threat(make_config(**settings))
    assert words in found.sentence
    assert (found.features, found.left_out) == ((), 0)


APART = {
    "by name": (
        {"feature_scale": {"a": 5}, "clip_value_min": {"b": 0.0}},
        [("a", "0.5", "none", "none"), ("b", "0.1", "0", "none")],
    ),
    "by element": (
        {"feature_scale": [1, 2, 0], "clip_value_max": {"a": [4.0, 4.0], "b": [1, 2]}},
        [("a", "0 to 0.2, by element", "none", "4"),
         ("b", "0 to 0.2, by element", "none", "1 to 2, by element")],
    ),
    "one number for all beside a dict": (
        {"feature_scale": {"a": 0}, "clip_value_min": -1},
        [("a", "0", "-1", "none"), ("b", "0.1", "-1", "none")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "rows"), APART.values(), ids=APART)
def test_what_differs_between_features_is_a_table(settings, rows):
    found = describe_threat(make_config(features=("a", "b"), **settings))
    assert [(one.feature, one.reach, one.low, one.high) for one in found.features] == rows
    assert "each as far as the table says" in found.sentence
    assert "Together" not in found.sentence
    # Other norms bound the changes of all features together.
    found = describe_threat(make_config(features=("a", "b"), norm="l2", **settings))
    assert "at most 1 in the L2 norm" in found.sentence


def test_a_long_table_says_what_it_leaves_out():
    names = tuple(f"f{i}" for i in range(50))
    found = describe_threat(make_config(features=names, feature_scale={"f1": 2}))
    assert len(found.features) + found.left_out == 50
    assert found.left_out > 0


def make_config(features=("a",), **settings):
    return RobustnessConfig(features=features, label_feature="y", epsilon=0.1, **settings)
