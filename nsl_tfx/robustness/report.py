"""The report that a person reads: one HTML file that needs nothing else."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
import tensorflow as tf

from nsl_tfx.robustness.chart import lay_out
from nsl_tfx.robustness.formatting import interval, percent, points
from nsl_tfx.robustness.losses import cross_entropy
from nsl_tfx.robustness.pictures import draw
from nsl_tfx.robustness.result import FORMAT_VERSION, RobustnessResult, Verdict
from nsl_tfx.version import __version__

# What every attack of a table shares is said once above it.
_SHARED_SETTINGS = ("epsilon", "norm", "clip_value_min", "clip_value_max")


def render_report(result: RobustnessResult) -> str:
    """Returns the report as HTML; every value in it is escaped."""
    passed_in_vain = result.verdict is Verdict.PASS and result.blessed is False
    return _template().render(
        result=result,
        decision=_decision(result),
        tone="fail" if passed_in_vain else result.verdict.value,
        chart=_chart(result),
        pictures=[draw(f, result.config) for f in result.model.fragile] if result.model else [],
        config_json=json.dumps(result.config.to_dict(), indent=2, sort_keys=True),
        norm=_NORMS[result.config.norm.value],
        format_version=FORMAT_VERSION,
        versions={
            "nsl-tfx": __version__,
            "TensorFlow": tf.__version__,
            "NumPy": np.__version__,
        },
    )


_NORMS = {"infinity": "L∞", "l2": "L2", "l1": "L1"}


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nsl_tfx", "robustness"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        points=points,
        interval=lambda found: interval(found.low, found.high),
        settings=_settings,
    )
    return environment.get_template("report.html.j2")


def _decision(result: RobustnessResult) -> str:
    """Returns the verdict and, where it was asked for, what became of it."""
    verdict = result.verdict.value.capitalize()
    if result.blessed is None:
        return verdict
    if result.blessed:
        return f"{verdict}: blessed"
    return f"{verdict}{', but' if result.verdict is Verdict.PASS else ':'} not blessed"


def _chart(result: RobustnessResult) -> Any:
    if result.model is None:
        return None
    curves = [("model", "model", result.model.curve)]
    if result.baseline is not None:
        curves.insert(0, ("baseline", "baseline", result.baseline.curve))
    return lay_out(curves, result.config.epsilon, result.model.classes)


def _settings(settings: Mapping[str, Any]) -> str:
    usual = {"loss": cross_entropy.__name__}
    shown = [
        name if value is True else f"{name} {value}"
        for name, value in settings.items()
        if name not in _SHARED_SETTINGS and value not in (None, False, usual.get(name))
    ]
    shown = [text.replace("_", " ") for text in shown]
    # FGSM has no setting of its own.
    return ", ".join(shown) or "one step of epsilon"
