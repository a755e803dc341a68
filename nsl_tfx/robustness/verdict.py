"""From measurements to a verdict with its reasons."""

from __future__ import annotations

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.checks import Check
from nsl_tfx.robustness.formatting import interval, percent, points
from nsl_tfx.robustness.paired import PairedDifference
from nsl_tfx.robustness.result import Comparison, ModelScores, Proportion, Verdict


def judge(
    config: RobustnessConfig,
    scores: ModelScores,
    baseline: ModelScores | None = None,
    comparison: Comparison | None = None,
) -> tuple[Verdict, tuple[str, ...]]:
    """Returns the verdict and its reasons, the decisive ones first.

    Attacks only ever find some of a model's mistakes, so what they measure is an upper bound: a
    threshold that is missed stays missed whatever the checks say (fail), while one that is reached
    counts only if they pass (else inconclusive). A gain over a baseline whose own robustness is
    overestimated may be missed by that alone, hence inconclusive.
    """
    missed = [
        *_miss_absolute("clean accuracy", scores.accuracy, config.min_accuracy),
        *_miss_absolute("robust accuracy", scores.robust_accuracy, config.min_robust_accuracy),
    ]
    doubts = [_sentence(check) for check in scores.checks if check.passed is False]
    if comparison is not None:
        missed += _miss_drop(comparison.accuracy, config.max_accuracy_drop)
        gain = _miss_gain(comparison.robust_accuracy, config.min_robust_gain)
        suspect = [c for c in baseline.checks if c.passed is False] if baseline else []
        if gain and suspect:
            doubts += [*gain, f"The baseline's own figure is in doubt. {_sentence(suspect[0])}"]
        else:
            missed += gain
    if missed:
        return Verdict.FAIL, (*missed, *doubts)
    if doubts:
        return Verdict.INCONCLUSIVE, tuple(doubts)
    return Verdict.PASS, (_praise(config, scores, comparison),)


def _miss_absolute(what: str, found: Proportion, wanted: float | None) -> list[str]:
    if wanted is None or found.low >= wanted:
        return []
    hint = (
        " More examples would narrow the interval, which still reaches the threshold."
        if found.value >= wanted
        else ""
    )
    return [
        f"The {what} of {_share(found)} does not reach {percent(wanted)} with its lower bound."
        f"{hint}"
    ]


def _miss_drop(gain: PairedDifference, allowed: float | None) -> list[str]:
    # The gain's upper bound is the drop's lower bound.
    if allowed is None or -gain.high <= allowed:
        return []
    return [
        f"The clean accuracy is {_drop(gain.difference)} points below the baseline's (at least "
        f"{_drop(gain.high)}), more than the {_drop(-allowed)} points allowed."
    ]


def _miss_gain(gain: PairedDifference, wanted: float | None) -> list[str]:
    if wanted is None or gain.low >= wanted:
        return []
    return [
        f"The robust accuracy differs from the baseline's by {points(gain.difference)} points "
        f"({_points_interval(gain)}); its lower bound does not reach the {points(wanted)} "
        "points asked for."
    ]


def _praise(config: RobustnessConfig, scores: ModelScores, comparison: Comparison | None) -> str:
    text = (
        f"Clean accuracy {_share(scores.accuracy)}, robust accuracy "
        f"{_share(scores.robust_accuracy)} at epsilon {config.epsilon:g}; no check fails"
    )
    thresholds = (config.min_accuracy, config.min_robust_accuracy)
    relative = comparison is not None and config.needs_baseline
    if all(threshold is None for threshold in thresholds) and not relative:
        return f"{text}. No threshold applies, so none had to be reached."
    if relative and comparison is not None:
        gain = comparison.robust_accuracy
        text += (
            f"; against the baseline {points(gain.difference)} points of robust accuracy "
            f"({_points_interval(gain)})"
        )
    return f"{text}, and every threshold is reached."


def _sentence(check: Check) -> str:
    return f"{check.name}: {check.message}"


def _share(found: Proportion) -> str:
    return f"{percent(found.value)} (interval {interval(found.low, found.high)})"


def _points_interval(gain: PairedDifference) -> str:
    return f"interval {points(gain.low)} to {points(gain.high)}"


def _drop(gain: float) -> str:
    return points(-gain).removeprefix("+")
