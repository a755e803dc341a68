"""What an evaluation found as figures, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nsl_tfx.robustness.reporting.changes import Change, largest_changes
from nsl_tfx.robustness.reporting.pictures import paint
from nsl_tfx.robustness.result import CurvePoint, Fragile, ModelScores, RobustnessResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's, which also color-blind people tell apart; they differ in lightness as well.
_BLUE, _ORANGE, _GRAY = "#0072B2", "#E69F00", "#555555"
_SETTINGS = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
_NORMS = {"infinity": "L∞", "l2": "L2", "l1": "L1"}
# Epsilons that spread farther than this crowd at the left of a linear axis.
_MOST_SPREAD = 8
_COLUMNS = ("example", "adversarial", "difference")


def plot_result(result: RobustnessResult) -> Figure:
    """Draws the accuracy over epsilon with its intervals, and what each attack leaves right.

    Needs no display and leaves no figure behind; a notebook shows what the cell returns.

    Args:
        result: From `evaluate`.

    Raises:
        ValueError: The model could not be run.
    """
    scores = _scores(result)
    # Figures made without pyplot need no display and leave no state behind.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _draw_curves(left, result, scores)
        _draw_attacks(right, result, scores)
    return figure


def plot_fragile(result: RobustnessResult, count: int = 4) -> Figure:
    """Draws the most fragile examples beside their adversarial twins and what differs.

    Images are drawn; of other features those that changed the most are told.

    Args:
        result: From `evaluate`.
        count: How many examples, at most.

    Raises:
        ValueError: The model could not be run, no attack misled it, or `count` is not positive.
    """
    shown = _scores(result).fragile[:count] if count > 0 else ()
    if not shown:
        raise ValueError(
            "Expected an example that an attack misled, and count >= 1. Received: "
            f"{len(_scores(result).fragile)} such examples, count={count}."
        )
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    pictures = [paint(fragile, result.config) for fragile in shown]
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(7, 2.4 * len(shown)), layout="constrained")
        rows = figure.subfigures(len(shown), 1, squeeze=False)[:, 0]
        for row, fragile, images in zip(rows, shown, pictures, strict=True):
            row.suptitle(_plain(_title(fragile)), fontsize=10)
            if images is None:
                _draw_changes(row.subplots(), fragile, result)
            else:
                _draw_images(row.subplots(1, len(images)), images)
    return figure


def _scores(result: RobustnessResult) -> ModelScores:
    if result.model is None:
        raise ValueError(
            f"Expected a result with measurements. Received: {result.verdict.value}, since the "
            f"model could not be run. {result.reason}"
        )
    return result.model


def _draw_curves(axes: Any, result: RobustnessResult, scores: ModelScores) -> None:
    lines = [("model", scores.curve, _BLUE, "o")]
    if result.baseline is not None:
        lines.insert(0, ("baseline", result.baseline.curve, _ORANGE, "s"))
    for name, curve, color, marker in lines:
        epsilons = [point.epsilon for point in curve]
        axes.fill_between(epsilons, *_intervals(curve), color=color, alpha=0.2, linewidth=0)
        values = [100 * point.accuracy.value for point in curve]
        axes.plot(epsilons, values, color=color, marker=marker, markersize=4, label=name)
    axes.axvline(result.config.epsilon, color=_GRAY, linestyle="--", linewidth=1)
    is_last = result.config.epsilon == scores.curve[-1].epsilon
    axes.annotate(
        " verdict ",
        (result.config.epsilon, 1),
        xycoords=("data", "axes fraction"),
        ha="right" if is_last else "left",
        va="top",
        color=_GRAY,
    )
    chance = 100 / scores.classes
    axes.axhline(chance, color=_GRAY, linestyle=":", linewidth=1)
    axes.annotate(
        " guessing",
        # Where the curve is high.
        (0, chance),
        xycoords=("axes fraction", "data"),
        va="bottom",
        color=_GRAY,
    )
    _scale_epsilons(axes, [point.epsilon for point in scores.curve])
    axes.set(
        title=f"Accuracy under all attacks, {scores.accuracy.total:,} examples",
        xlabel=f"epsilon ({_NORMS[result.config.norm.value]}, {_unit(result)})",
        ylabel=f"accuracy in % ({100 * result.config.confidence:g} % intervals)",
        ylim=(0, 105),
    )
    if len(lines) > 1:
        axes.legend(frameon=False)


def _unit(result: RobustnessResult) -> str:
    return "input units" if result.config.feature_scale is None else "times feature_scale"


def _intervals(curve: Sequence[CurvePoint]) -> tuple[list[float], list[float]]:
    return (
        [100 * point.accuracy.low for point in curve],
        [100 * point.accuracy.high for point in curve],
    )


def _scale_epsilons(axes: Any, epsilons: list[float]) -> None:
    positive = [epsilon for epsilon in epsilons if epsilon > 0]
    if positive and max(positive) > _MOST_SPREAD * min(positive):
        # A logarithmic axis alone has no place for zero.
        axes.set_xscale("symlog", linthresh=min(positive), base=2)
        axes.set_xticks(epsilons, [f"{epsilon:.3g}" for epsilon in epsilons], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlim(0, 1.1 * max(positive))
        axes.tick_params(axis="x", labelrotation=45)


def _draw_attacks(axes: Any, result: RobustnessResult, scores: ModelScores) -> None:
    axes.set(
        title=f"Left right at epsilon {result.config.epsilon:g}",
        xlabel="accuracy in %, after all attacks above",
        xlim=(0, 105),
    )
    left = [scores.accuracy, *(attack.left for attack in scores.attacks)]
    values = [100 * share.value for share in left]
    below = [100 * (share.value - share.low) for share in left]
    above = [100 * (share.high - share.value) for share in left]
    names = ["no attack", *(attack.name for attack in scores.attacks)]
    colors = [_GRAY, *[_BLUE] * len(scores.attacks)]
    places = range(len(names))
    axes.barh(
        places, values, xerr=(below, above), color=colors, alpha=0.75, ecolor=_GRAY, height=0.7
    )
    axes.set_yticks(places, [_plain(name) for name in names])
    axes.invert_yaxis()
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"  {value:.1f}", (0, place), va="center", color="white" if value > 20 else "black"
        )


def _title(fragile: Fragile) -> str:
    return (
        f"{fragile.example_id}: class {fragile.label} becomes {fragile.prediction} within "
        f"{fragile.epsilon:.3g} ({fragile.attack})"
    )


def _draw_images(axes: Any, images: Sequence[Any]) -> None:
    for place, image, name in zip(axes, images, _COLUMNS, strict=True):
        place.imshow(image, interpolation="nearest")
        place.set(xticks=[], yticks=[], xlabel=name)
        place.spines[:].set_visible(False)


def _draw_changes(axes: Any, fragile: Fragile, result: RobustnessResult) -> None:
    changes = largest_changes(fragile.original, fragile.adversarial, result.config)
    places = range(len(changes))
    axes.barh(places, [change.scaled for change in changes], color=_BLUE, alpha=0.75)
    axes.set_yticks(places, [_plain(_describe(change)) for change in changes])
    axes.invert_yaxis()
    axes.axvline(0, color=_GRAY, linewidth=1)
    axes.set_xlabel(f"change ({_unit(result)})")


def _describe(change: Change) -> str:
    return f"{change.name}: {change.before:.4g} to {change.after:.4g}"


def _plain(text: str) -> str:
    # Between dollar signs Matplotlib sees a formula.
    return text.replace("$", r"\$")
