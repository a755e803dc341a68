"""Accuracy over epsilon or over severity, laid out in the coordinates of an SVG."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from nsl_tfx.robustness.formatting import interval, percent
from nsl_tfx.robustness.result import CurvePoint, Point, Proportion

# Room for labels of 24 units in the large chart and of 22 in the small one, which is how large they
# are on a phone.
_PHONE_LABEL = 24
# Epsilons that spread farther than this crowd at the left of a linear axis.
_MOST_SPREAD = 8


@dataclasses.dataclass(frozen=True)
class Frame:
    """Size of a drawing, and the rectangle in it that points may lie in."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    def across(self, share: float) -> float:
        """Returns where a share of the way from the left to the right end lies."""
        return round(self.left + (self.right - self.left) * share, 1)

    def up(self, share: float) -> float:
        """Returns where a share of the way from the bottom to the top lies."""
        return round(self.bottom - (self.bottom - self.top) * share, 1)


_LARGE = Frame(width=720, height=380, left=94, right=652, top=16, bottom=334)
_SMALL = Frame(width=300, height=200, left=86, right=284, top=14, bottom=162)


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
    """Everything that the template draws.

    Attributes:
        frame: Its size.
        x_ticks: Marks below.
        y_ticks: Marks at the left.
        lines: The curves.
        verdict_x: Where the verdict is made; None where nowhere.
        level_y: The height of a level to compare with; None where there is none.
        linear_up_to: Where the axis below goes over from linear to logarithmic; None where it is
            linear throughout.
    """

    frame: Frame
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    verdict_x: float | None = None
    level_y: float | None = None
    linear_up_to: float | None = None


def lay_out(
    curves: Sequence[tuple[str, str, Sequence[CurvePoint]]], epsilon: float, classes: int
) -> Chart:
    """Lays out curves of accuracy over epsilon.

    The axis is linear, or where the epsilons spread far, linear up to the smallest and logarithmic
    from there.

    Args:
        curves: For each, a CSS class, a name and its points from epsilon 0 up.
        epsilon: The verdict's epsilon.
        classes: Number of classes, for the line of guessing.
    """
    measured = sorted({point.epsilon for _, _, points in curves for point in points})
    smallest, largest = next(value for value in measured if value > 0), measured[-1]
    spread = largest > _MOST_SPREAD * smallest

    def place(value: float) -> float:
        return (
            _symlog(value / smallest) / _symlog(largest / smallest) if spread else value / largest
        )

    def x(value: float) -> float:
        return _LARGE.across(place(value))

    if spread:
        ticks = _spaced(
            [(x(e), f"{e:.3g}") for e in dict.fromkeys([0.0, epsilon, largest, *measured])]
        )
    else:
        ticks = _spaced([(x(value), f"{value:g}") for value in round_steps(largest)])
    return Chart(
        frame=_LARGE,
        x_ticks=tuple(ticks),
        y_ticks=_shares(_LARGE, 4),
        lines=tuple(
            _line(
                _LARGE,
                style,
                name,
                [(x(p.epsilon), p.accuracy, f"at epsilon {p.epsilon:g}") for p in points],
            )
            for style, name, points in curves
        ),
        verdict_x=x(epsilon),
        level_y=_LARGE.up(1 / classes),
        linear_up_to=smallest if spread else None,
    )


def lay_out_severities(
    curves: Sequence[tuple[str, str, Proportion, Sequence[Point]]], threshold: float | None = None
) -> Chart:
    """Lays out curves of accuracy over severity, in a small chart that stands among others.

    Args:
        curves: For each, a CSS class, a name, the accuracy at severity 0, and the other points.
        threshold: The level to compare with.
    """
    severities = sorted({point.severity for *_, points in curves for point in points})
    largest = severities[-1]

    def place(severity: int, found: Proportion) -> tuple[float, Proportion, str]:
        return _SMALL.across(severity / largest), found, f"at {severity}"

    ticks = [(_SMALL.across(k / largest), str(k)) for k in dict.fromkeys([0, largest, *severities])]
    return Chart(
        frame=_SMALL,
        x_ticks=tuple(_spaced(ticks)),
        y_ticks=_shares(_SMALL, 2),
        lines=tuple(
            _line(
                _SMALL,
                style,
                name,
                [place(0, clean), *(place(p.severity, p.accuracy) for p in points)],
            )
            for style, name, clean, points in curves
        ),
        level_y=None if threshold is None else _SMALL.up(threshold),
    )


def _line(
    frame: Frame, style: str, name: str, points: Sequence[tuple[float, Proportion, str]]
) -> Line:
    dots = tuple(
        Dot(
            x,
            frame.up(found.value),
            frame.up(found.low),
            frame.up(found.high),
            f"{name}: {percent(found.value)} {where} ({interval(found.low, found.high)})",
        )
        for x, found, where in sorted(points, key=lambda point: point[0])
    )
    upper = [f"{dot.x},{dot.high}" for dot in dots]
    lower = [f"{dot.x},{dot.low}" for dot in reversed(dots)]
    return Line(style, name, " ".join(f"{d.x},{d.y}" for d in dots), " ".join(upper + lower), dots)


def _shares(frame: Frame, parts: int) -> tuple[Tick, ...]:
    return tuple(Tick(frame.up(k / parts), f"{100 * k // parts} %") for k in range(parts + 1))


def _symlog(ratio: float) -> float:
    return ratio if ratio <= 1 else 1 + math.log2(ratio)


def _spaced(wanted: Sequence[tuple[float, str]]) -> list[Tick]:
    """Returns the ticks, less those whose text would touch an earlier one's."""
    kept: list[Tick] = []

    def half(text: str) -> float:
        return 0.3 * _PHONE_LABEL * len(text) + 5

    for at, text in wanted:
        if all(abs(at - tick.at) >= half(text) + half(tick.text) for tick in kept):
            kept.append(Tick(at, text))
    return sorted(kept, key=lambda tick: tick.at)


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
    return [float(f"{k * step * power:.12g}") for k in range(count + 1)]
