"""The report that a person reads: one HTML file that needs nothing else."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
import tensorflow as tf

from nsl_tfx.io.pages import page_templates
from nsl_tfx.robustness.attacking.losses import cross_entropy
from nsl_tfx.robustness.formatting import count, interval, percent, points, words
from nsl_tfx.robustness.reporting.chart import Chart, lay_out, lay_out_severities
from nsl_tfx.robustness.reporting.pictures import draw
from nsl_tfx.robustness.reporting.threat_text import describe_threat
from nsl_tfx.robustness.result import (
    FORMAT_VERSION,
    ModelScores,
    Proportion,
    RobustnessResult,
    SeverityCurve,
    SliceScore,
    Verdict,
    smallest_epsilon_quantiles,
)
from nsl_tfx.version import __version__

_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclasses.dataclass(frozen=True)
class SeverityPanel:
    """One corruption or one kind of edit: a chart, and a row of a table for each model.

    Attributes:
        name: What it is, in words.
        chart: Its chart.
        rows: For each model, its name and its accuracies by severity.
    """

    name: str
    chart: Chart
    rows: tuple[tuple[str, Mapping[int, Proportion]], ...]


def render_report(result: RobustnessResult) -> str:
    """Returns the report as HTML; every value in it is escaped."""
    passed_in_vain = result.verdict is Verdict.PASS and result.blessed is False
    config, model = result.config, result.model
    return _template().render(
        result=result,
        decision=_decision(result),
        tone="fail" if passed_in_vain else result.verdict.value,
        chart=_chart(result),
        threat=describe_threat(config),
        level=1 - config.confidence,
        lower=_lower(result),
        slices=_by_feature(result.model),
        baseline_slices=_by_slice(result.baseline),
        corruptions=_panels(result, "corruptions", config.min_corrupted_accuracy),
        edits=_panels(result, "edits", config.min_edited_accuracy),
        quantiles=smallest_epsilon_quantiles(model.rows) if model else {},
        pictures=[draw(fragile, config) for fragile in model.fragile] if model else [],
        config_json=json.dumps(config.to_dict(), indent=2, sort_keys=True),
        format_version=FORMAT_VERSION,
        versions={
            "nsl-tfx": __version__,
            "TensorFlow": tf.__version__,
            "NumPy": np.__version__,
        },
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = page_templates("robustness/reporting", keep=f"\n{_NO_BREAK}")
    environment.filters.update(
        percent=percent,
        points=points,
        words=words,
        count=count,
        interval=_interval,
        settings=_settings,
    )
    return environment.get_template("report.html.j2")


def _interval(found: Proportion) -> str:
    # In a narrow column the sign would stand alone in a line.
    return interval(found.low, found.high).replace(" %", f"{_NO_BREAK}%")


def _decision(result: RobustnessResult) -> str:
    """Returns the verdict and, where it was asked for, what became of it."""
    verdict = result.verdict.value.capitalize()
    if result.blessed is None:
        return verdict
    if result.blessed:
        return f"{verdict}: blessed"
    return f"{verdict}{', but' if result.verdict is Verdict.PASS else ':'} not blessed"


def _chart(result: RobustnessResult) -> Chart | None:
    if result.model is None:
        return None
    curves = [("model", "model", result.model.curve)]
    if result.baseline is not None:
        curves.insert(0, ("baseline", "baseline", result.baseline.curve))
    return lay_out(curves, result.config.epsilon, result.model.classes)


def _lower(result: RobustnessResult) -> list[SliceScore]:
    """Returns the slices that are less robust than the other examples."""
    level = 1 - result.config.confidence
    return [one for one in result.model.slices if one.p_value <= level] if result.model else []


def _by_feature(scores: ModelScores | None) -> dict[str, list[SliceScore]]:
    found: dict[str, list[SliceScore]] = {}
    for one in scores.slices if scores else ():
        found.setdefault(one.feature, []).append(one)
    return found


def _by_slice(scores: ModelScores | None) -> dict[tuple[str, str], SliceScore]:
    return {(one.feature, one.value): one for one in scores.slices} if scores else {}


def _panels(result: RobustnessResult, what: str, threshold: float | None) -> list[SeverityPanel]:
    """Returns a panel for each of the model's curves, with the baseline's beside it."""
    models = {"model": result.model, "baseline": result.baseline}
    curves = {who: getattr(scores, what) for who, scores in models.items() if scores}
    panels = []
    for name in [curve.name for curve in curves.get("model", ())]:
        found = [
            (who, scores, curve)
            for who, scores in models.items()
            if scores
            for curve in curves[who]
            if curve.name == name
        ]
        panels.append(_panel(name, found, threshold))
    return panels


def _panel(
    name: str,
    found: Sequence[tuple[str, ModelScores, SeverityCurve]],
    threshold: float | None,
) -> SeverityPanel:
    # The model's line is drawn last, above the other.
    curves = [(who, who, scores.accuracy, curve.points) for who, scores, curve in reversed(found)]
    return SeverityPanel(
        words(name),
        lay_out_severities(curves, threshold),
        tuple((who, {p.severity: p.accuracy for p in curve.points}) for who, _, curve in found),
    )


def _settings(settings: Mapping[str, Any]) -> str:
    usual = {"loss": cross_entropy.__name__}
    shown = [
        name if value is True else f"{name} {value}"
        for name, value in settings.items()
        if value not in (None, False, usual.get(name))
    ]
    # FGSM has no setting of its own.
    return ", ".join(map(words, shown)) or "one step of epsilon"
