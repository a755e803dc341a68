"""From measurements to a verdict with its reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.formatting import count, interval, percent, points, words
from nsl_tfx.robustness.paired import PairedDifference
from nsl_tfx.robustness.result import Check, Comparison, ModelScores, Proportion, Verdict


@dataclasses.dataclass(frozen=True)
class _Group:
    """Shares of which each alone has to reach a threshold.

    Attributes:
        threshold: The config's field.
        wanted: Its value; None where nothing has to be reached.
        what: What the shares are of.
        others: What they are told by, in the plural.
        found: The shares by what they were measured on, in words.
        unmeasured: What was asked for and is not among them.
        of_few: Whether some are of few examples by their nature, so that an interval which is only
            too wide speaks against the measurement rather than the model.
    """

    threshold: str
    wanted: float | None
    what: str
    others: str
    found: dict[str, Proportion]
    unmeasured: list[str]
    of_few: bool = False


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

    Of slices, corruptions and edits the worst that misses its threshold is named. The intervals are
    the scores' own, so those of slices hold for all of them at once.
    """
    groups = [group for group in _groups(config, scores) if group.wanted is not None]
    missed = [
        *_miss_absolute("clean accuracy", scores.accuracy, config.min_accuracy),
        *_miss_absolute("robust accuracy", scores.robust_accuracy, config.min_robust_accuracy),
        *(reason for group in groups for reason in _miss_any(group, _surely_low)),
    ]
    doubts = [
        *(reason for group in groups for reason in _miss_any(group, _too_few)),
        *(_sentence(check) for check in scores.checks if check.passed is False),
        *(_not_judged(group) for group in groups if group.unmeasured),
    ]
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
    return Verdict.PASS, (_praise(config, scores, groups, comparison),)


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


def _groups(config: RobustnessConfig, scores: ModelScores) -> list[_Group]:
    """Returns what is measured in parts, each judged alone."""
    severity = max(config.severities)
    slices = {
        f"on the slice {one.feature} = {one.value} ({count(one.accuracy.total, 'example')})": (
            one.robust_accuracy
        )
        for one in scores.slices
    }
    corrupted = {
        curve.name: point.accuracy
        for curve in scores.corruptions
        for point in curve.points
        if point.severity == severity
    }
    edited = {
        curve.name: max(curve.points, key=lambda point: point.severity)
        for curve in scores.edits
        if curve.points
    }
    return [
        _Group(
            "min_slice_robust_accuracy",
            config.min_slice_robust_accuracy,
            "robust accuracy",
            "slices",
            slices,
            _absent(config.slices, {one.feature for one in scores.slices}),
            of_few=True,
        ),
        _Group(
            "min_corrupted_accuracy",
            config.min_corrupted_accuracy,
            "accuracy",
            "corruptions",
            {f"under {words(k)} at severity {severity}": found for k, found in corrupted.items()},
            _absent([name.value for name in config.corruptions], set(corrupted)),
        ),
        _Group(
            "min_edited_accuracy",
            config.min_edited_accuracy,
            "accuracy",
            "kinds of edits",
            {
                f"under the edit {words(k)} of up to {count(p.severity, 'feature')}": p.accuracy
                for k, p in edited.items()
            },
            _absent([name.value for name in config.edits], set(edited)),
        ),
    ]


def _absent(wanted: Iterable[str], found: Set[str]) -> list[str]:
    return [words(name) for name in wanted if name not in found]


def _not_judged(group: _Group) -> str:
    return (
        f"{group.threshold} asks for the {group.what} of {', '.join(group.unmeasured)}, which "
        "could not be measured."
    )


def _too_few(group: _Group, found: Proportion) -> bool:
    """Whether a threshold is missed for want of examples: only slices have few by their nature."""
    return group.of_few and group.wanted is not None and found.low < group.wanted <= found.value


def _surely_low(group: _Group, found: Proportion) -> bool:
    """Whether a threshold is missed, and not for that."""
    missed = group.wanted is not None and found.low < group.wanted
    return missed and not _too_few(group, found)


def _miss_any(group: _Group, misses: Callable[[_Group, Proportion], bool]) -> list[str]:
    missing = {name: found for name, found in group.found.items() if misses(group, found)}
    if not missing:
        return []
    worst = _worst(missing)
    (reason,) = _miss_absolute(f"{group.what} {worst}", missing[worst], group.wanted)
    if len(missing) > 1:
        reason += (
            f" {len(missing)} of {len(group.found)} {group.others} miss it; this is the lowest."
        )
    return [reason]


def _worst(found: Mapping[str, Proportion]) -> str:
    return min(found, key=lambda name: (found[name].value, found[name].low))


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


def _praise(
    config: RobustnessConfig,
    scores: ModelScores,
    groups: Sequence[_Group],
    comparison: Comparison | None,
) -> str:
    text = (
        f"Clean accuracy {_share(scores.accuracy)}, robust accuracy "
        f"{_share(scores.robust_accuracy)} at epsilon {config.epsilon:g}; no check fails"
    )
    thresholds = (config.min_accuracy, config.min_robust_accuracy)
    relative = comparison is not None and config.needs_baseline
    if all(threshold is None for threshold in thresholds) and not groups and not relative:
        return f"{text}. No threshold applies, so none had to be reached."
    for group in groups:
        worst = _worst(group.found)
        text += f"; {group.what} at worst {_share(group.found[worst])} {worst}"
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
