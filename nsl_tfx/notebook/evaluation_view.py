"""An evaluation in a notebook: the verdict in words, the curve, and the way to the report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import markupsafe

from nsl_tfx.notebook.page import figure_address, render

_METRICS, _REPORT = "metrics.json", "report.html"
# Okabe and Ito's, which also color-blind people tell apart; they differ in lightness as well.
_COLORS = {"baseline": ("#E69F00", "s"), "model": ("#0072B2", "o")}
_GRAY = "#555555"


def evaluation_html(folder: str) -> str:
    """Returns an evaluation as a part of a page: verdict, numbers, curve, and the report within.

    Args:
        folder: Of the evaluation's files.

    Raises:
        FileNotFoundError: The folder holds no evaluation.
        ValueError: `metrics.json` is damaged.
    """
    metrics = _read(os.path.join(folder, _METRICS))
    report = os.path.join(folder, _REPORT)
    has_report = os.path.isfile(report)
    picture, reason = _curve(metrics)
    return render(
        "evaluation.html.j2",
        folder=folder,
        verdict=metrics["verdict"],
        decision=_decision(metrics),
        reasons=metrics.get("reasons") or [metrics.get("reason", "")],
        numbers=_numbers(metrics),
        picture=picture,
        reason=reason,
        report=Path(report).absolute().as_uri() if has_report else None,
        # Escaped as a whole, since the report has done so with its values.
        report_page=markupsafe.escape(_text_of(report)) if has_report else None,
    )


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            metrics = json.load(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"Expected a folder with an evaluation. Received one without {path!r}: has the run "
            "of RobustnessEvaluator ended?"
        ) from error
    except ValueError as error:
        raise ValueError(f"Expected JSON in {path!r}. Received: {error}.") from error
    if not isinstance(metrics, dict) or not {"verdict", "config"} <= set(metrics):
        raise ValueError(
            f"Expected an evaluation in {path!r}. Received JSON without a verdict and a config."
        )
    return metrics


def _decision(metrics: Mapping[str, Any]) -> str:
    verdict = str(metrics["verdict"]).capitalize()
    blessed = metrics.get("blessed")
    return verdict if blessed is None else f"{verdict}, {'blessed' if blessed else 'not blessed'}"


def _numbers(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns shares with their intervals, of each model."""
    found = []
    for who in ("model", "baseline"):
        scores = metrics.get(who)
        for key, words in (("accuracy", "clean"), ("robust_accuracy", "under attack")):
            if scores and scores.get(key):
                share = scores[key]
                interval = f"{100 * share['low']:.1f} to {100 * share['high']:.1f} %"
                found.append((f"{who}, {words}", f"{100 * share['value']:.1f} % ({interval})"))
    return found


def _curve(metrics: Mapping[str, Any]) -> tuple[str | None, str]:
    """Returns the picture's address, or None and why there is none."""
    if not metrics.get("model"):
        return None, "The model could not be run, so there is no curve."
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        return None, f"Install Matplotlib to see the curve ({error})."
    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        for who, (color, marker) in _COLORS.items():
            if metrics.get(who):
                _draw(axes, metrics[who]["curve"], who, color, marker)
        epsilon = metrics["config"]["epsilon"]
        axes.axvline(epsilon, color=_GRAY, linestyle="--", linewidth=1, label="verdict's epsilon")
        axes.set(xlabel="epsilon", ylabel="accuracy under attack in %", ylim=(0, 105))
        axes.legend(frameon=False)
    return figure_address(figure), ""


def _draw(axes: Any, curve: list[dict[str, Any]], who: str, color: str, marker: str) -> None:
    epsilons = [point["epsilon"] for point in curve]
    values, low, high = (
        [100 * point["accuracy"][name] for point in curve] for name in ("value", "low", "high")
    )
    axes.fill_between(epsilons, low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(epsilons, values, color=color, marker=marker, markersize=4, label=who)
