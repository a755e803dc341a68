"""What thresholds on slices, corruptions and edits make of a model's scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nsl_tfx.robustness import Proportion, Verdict
from nsl_tfx.robustness.judging.checks import Check
from nsl_tfx.robustness.judging.verdict import judge
from nsl_tfx.robustness.result import Point, SeverityCurve, SliceScore
from tests.robustness.results import CONFIG, make_result

SOUND = dataclasses.replace(make_result().model, checks=(Check("C1", True, "Fine."),))


def share(count, total=100):
    return Proportion.of(np.arange(total) < count, 0.95)


def slices(**shares):
    """By value, how many of how many examples are robust."""
    return tuple(
        SliceScore("city", value, share(total, total), share(count, total), 1.0)
        for value, (count, total) in shares.items()
    )


def curves(**counts):
    """By name, how many of 100 examples are right at severities 1, 2, ..."""
    return tuple(
        SeverityCurve(name, tuple(Point(k + 1, share(c)) for k, c in enumerate(points)))
        for name, points in counts.items()
    )


def decide(parts, scores, **settings):
    return judge(CONFIG.replace(**settings), dataclasses.replace(SOUND, **{parts: scores}))


# The lower bounds, by Wilson at 95 %: 80 of 100 0.711, 70 0.604, 60 0.502, 8 of 10 0.490.
SLICES = {
    "all reach it": (
        {"a": (80, 100), "b": (70, 100)}, 0.6, Verdict.PASS,
        ["at worst 70.0 %", "city = b (100 examples)", "every threshold is reached"],
    ),
    "one misses it by its interval": (
        {"a": (80, 100), "b": (70, 100)}, 0.65, Verdict.INCONCLUSIVE,
        ["robust accuracy on the slice city = b (100 examples) of 70.0 %", "60.4 to 78.1 %",
         "does not reach 65.0 %", "More examples"],
    ),
    "one misses it in any case": (
        {"a": (80, 100), "b": (64, 100), "c": (8, 10)}, 0.65, Verdict.FAIL,
        ["city = b (100 examples) of 64.0 %", "city = c (10 examples) of 80.0 %"],
    ),
    "the lowest is named": (
        {"a": (60, 100), "b": (50, 100), "c": (90, 100)}, 0.65, Verdict.FAIL,
        ["city = b", "2 of 3 slices miss it"],
    ),
    "a small one misses it by its interval": (
        {"a": (60, 100), "b": (8, 10)}, 0.5, Verdict.INCONCLUSIVE,
        ["city = b (10 examples) of 80.0 %", "49.0 to 94.3 %", "More examples"],
    ),
    "a lower one that reaches it is not to blame": (
        {"a": (700, 1000), "b": (1, 1)}, 0.65, Verdict.INCONCLUSIVE,
        ["city = b (1 example) of 100.0 %"],
    ),
    "bounds that are equal reach it": ({"a": (0, 10)}, 0.0, Verdict.PASS, ["at worst 0.0 %"]),
    "nothing measured": ({}, 0.1, Verdict.INCONCLUSIVE, ["robust accuracy of city, which could"]),
}  # fmt: skip


@pytest.mark.parametrize(("shares", "wanted", "verdict", "words"), SLICES.values(), ids=SLICES)
def test_every_slice_has_to_reach_its_threshold(shares, wanted, verdict, words):
    found, reasons = decide("slices", slices(**shares), min_slice_robust_accuracy=wanted)
    assert found is verdict
    for text in words:
        assert text in " ".join(reasons)


CORRUPTIONS = {
    "the highest severity counts": (
        {"gaussian_noise": [90, 80, 70], "blur": [90, 90, 90]}, (1, 2, 3), 0.65, Verdict.FAIL,
        ["accuracy under gaussian noise at severity 3 of 70.0 % (interval 60.4 to 78.1 %)",
         "does not reach 65.0 %"],
    ),
    "the highest that the config names": (
        {"gaussian_noise": [90, 80, 70], "blur": [90, 90, 90]}, (1, 2), 0.65, Verdict.PASS,
        ["at worst 80.0 %", "gaussian noise at severity 2"],
    ),
    "any corruption": (
        {"gaussian_noise": [40], "blur": [30]}, (1,), 0.5, Verdict.FAIL,
        ["blur at severity 1 of 30.0 %", "2 of 2 corruptions miss it"],
    ),
    "the order of severities does not matter": (
        {"gaussian_noise": [90, 40], "blur": [90, 90]}, (2, 1), 0.5, Verdict.FAIL, ["severity 2"],
    ),
    "one was not measured": (
        {"gaussian_noise": [90]}, (1,), 0.5, Verdict.INCONCLUSIVE,
        ["min_corrupted_accuracy", "accuracy of blur, which could not"],
    ),
    "not at that severity": (
        {"gaussian_noise": [90], "blur": [90]}, (1, 5), 0.5, Verdict.INCONCLUSIVE,
        ["gaussian noise, blur"],
    ),
    "a miss outweighs what was not measured": (
        {"gaussian_noise": [10]}, (1,), 0.5, Verdict.FAIL, ["gaussian noise", "of blur"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "severities", "wanted", "verdict", "words"), CORRUPTIONS.values(), ids=CORRUPTIONS
)
def test_every_corruption_has_to_reach_its_threshold(counts, severities, wanted, verdict, words):
    settings = {"min_corrupted_accuracy": wanted, "severities": severities}
    found, reasons = decide("corruptions", curves(**counts), **settings)
    assert found is verdict
    for text in words:
        assert text in " ".join(reasons)


EDITS = {
    "the last point counts": (
        {"missing": [90, 60]},
        0.55,
        Verdict.FAIL,
        ["accuracy under the edit missing of up to 2 features of 60.0 %", "does not reach 55.0 %"],
    ),
    "reached": ({"missing": [60]}, 0.5, Verdict.PASS, ["at worst 60.0 %", "of up to 1 feature,"]),
    "every kind": ({"missing": [90], "swap": [20]}, 0.5, Verdict.FAIL, ["under the edit swap of"]),
    "not measured": ({}, 0.5, Verdict.INCONCLUSIVE, ["accuracy of missing, which could not"]),
}


@pytest.mark.parametrize(("counts", "wanted", "verdict", "words"), EDITS.values(), ids=EDITS)
def test_every_kind_of_edit_has_to_reach_its_threshold(counts, wanted, verdict, words):
    found, reasons = decide("edits", curves(**counts), min_edited_accuracy=wanted)
    assert found is verdict
    for text in (*words,):
        assert text in " ".join(reasons) + ","


@pytest.mark.parametrize(
    ("threshold", "parts", "low"),
    [
        ("min_slice_robust_accuracy", "slices", slices(a=(1, 100))),
        ("min_corrupted_accuracy", "corruptions", curves(gaussian_noise=[9, 9, 9, 9, 1])),
        ("min_edited_accuracy", "edits", curves(missing=[1])),
    ],
)
def test_a_threshold_is_judged_only_where_it_is_set(threshold, parts, low):
    assert decide(parts, low)[0] is Verdict.PASS
    assert "No threshold applies" in decide(parts, low)[1][0]
    assert decide(parts, low, **{threshold: 0.5})[0] is Verdict.FAIL


def test_a_doubtful_measurement_is_no_evidence_that_slices_reach_it():
    doubtful = dataclasses.replace(
        SOUND, slices=slices(a=(99, 100)), checks=(Check("C3", False, "Gradients are zero."),)
    )
    verdict, reasons = judge(CONFIG.replace(min_slice_robust_accuracy=0.5), doubtful)
    assert verdict is Verdict.INCONCLUSIVE
    assert reasons == ("C3: Gradients are zero.",)
