"""Accuracy over epsilon, laid out in the coordinates of an SVG."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from nsl_tfx.robustness.formatting import interval, percent
from nsl_tfx.robustness.result import CurvePoint

WIDTH, HEIGHT = 720, 380
# Room for labels of 24 units, which is how large they are on a phone.
_LEFT, _RIGHT, _TOP, _BOTTOM = 94, 30, 16, 46


@dataclasses.dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


@dataclasses.dataclass(frozen=True)
class Dot:
    """A measured point and its interval, in SVG units; `text` is for hovering and for readers."""

    x: float
    y: float
    low: float
    high: float
    text: str


@dataclasses.dataclass(frozen=True)
class Line:
    """One model's curve: a CSS class, a polyline, the band of its intervals, and its dots."""

    style: str
    name: str
    points: str
    band: str
    dots: tuple[Dot, ...]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Everything that the template draws."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    verdict_x: float
    chance_y: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def lay_out(
    curves: Sequence[tuple[str, str, Sequence[CurvePoint]]], epsilon: float, classes: int
) -> Chart:
    """Lays out curves of accuracy.

    Args:
        curves: For each, a CSS class, a name and its points from epsilon 0 up.
        epsilon: The verdict's epsilon.
        classes: Number of classes, for the line of guessing.
    """
    largest = max(point.epsilon for _, _, points in curves for point in points)

    def x(value: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * value / largest, 1)

    def y(share: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    lines = []
    for style, name, points in curves:
        dots = tuple(
            Dot(
                x(point.epsilon),
                y(point.accuracy.value),
                y(point.accuracy.low),
                y(point.accuracy.high),
                f"{name}: {percent(point.accuracy.value)} at epsilon {point.epsilon:g} "
                f"({interval(point.accuracy.low, point.accuracy.high)})",
            )
            for point in points
        )
        upper = [f"{dot.x},{dot.high}" for dot in dots]
        lower = [f"{dot.x},{dot.low}" for dot in reversed(dots)]
        lines.append(
            Line(
                style,
                name,
                " ".join(f"{dot.x},{dot.y}" for dot in dots),
                " ".join(upper + lower),
                dots,
            )
        )
    return Chart(
        x_ticks=tuple(Tick(x(value), f"{value:g}") for value in round_steps(largest)),
        y_ticks=tuple(Tick(y(k / 4), f"{25 * k} %") for k in range(5)),
        lines=tuple(lines),
        verdict_x=x(epsilon),
        chance_y=y(1 / classes),
    )


def round_steps(largest: float) -> list[float]:
    """Returns 0 and the multiples of a round step up to `largest`, three to seven in all.

    Example:
        >>> round_steps(0.4)
        [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    power = 10.0 ** math.floor(math.log10(largest))
    for step in (0.2, 0.5, 1.0, 2.0):
        count = math.floor(largest / (step * power) + 1e-9)
        if count <= 6:
            break
    return [round(k * step * power, 12) for k in range(count + 1)]
