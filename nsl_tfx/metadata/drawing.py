"""The lineage as a picture: an SVG, and an HTML page around it that needs nothing else."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from nsl_tfx.io.pages import page_templates
from nsl_tfx.io.printable import printable
from nsl_tfx.metadata.headlines import decision, headline
from nsl_tfx.metadata.layout import Layout, lay_out
from nsl_tfx.metadata.records import ArtifactRecord, ExecutionRecord
from nsl_tfx.metadata.walking import Lineage
from nsl_tfx.metadata.words import run_words, state_words, type_words
from nsl_tfx.metadata.wrapping import wrap

MOST_NODES = 400
"""More artifacts and executions than this are no picture that a person can read."""

_WIDTH = 216.0
_PADDING = 12.0
_TITLE, _TEXT = 14, 12
_LINE = 17.0
_MARGIN = 12.0
_MOST_LINES = 3
_REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of text in a box: a CSS class, the text, and its base line from the box's top."""

    style: str
    text: str
    y: float


@dataclasses.dataclass(frozen=True)
class DrawnBox:
    """A box of the picture.

    Attributes:
        kind: `artifact` or `execution`.
        tone: `pass`, `fail`, `wait` or nothing: what its state or decision amounts to.
        is_asked: Whether it is the artifact that was asked for.
        x: Of its left side.
        y: Of its top.
        width: Its width.
        height: Its height.
        lines: What is written in it.
        tip: What a pointer over it tells.
        link: Where it leads; None where nowhere.
    """

    kind: str
    tone: str
    is_asked: bool
    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...]
    tip: str
    link: str | None


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that the template draws."""

    width: float
    height: float
    boxes: tuple[DrawnBox, ...]
    paths: tuple[str, ...]
    title: str


def render_svg(found: Lineage) -> str:
    """Returns the lineage as an SVG file; every value in it is escaped.

    Raises:
        ValueError: It is too large for a picture.
    """
    return _environment().get_template("picture.html.j2").render(picture=_draw(found), alone=True)


def render_page(found: Lineage) -> str:
    """Returns an HTML page of the picture and of what it shows; every value in it is escaped.

    It needs no script, and nothing from elsewhere.

    Raises:
        ValueError: It is too large for a picture.
    """
    return (
        _environment()
        .get_template("lineage.html.j2")
        .render(
            picture=_draw(found),
            alone=False,
            asked=found.artifacts[found.artifact],
            artifacts=[_described(found, one) for one in found.artifacts.values()],
            executions=list(found.executions.values()),
        )
    )


def _draw(found: Lineage) -> Picture:
    count = len(found.artifacts) + len(found.executions)
    if count > MOST_NODES:
        raise ValueError(
            f"Expected a lineage of at most {MOST_NODES} artifacts and executions to draw. "
            f"Received: {count:,}, of artifact {found.artifact}. Ask for something made later, "
            "such as a model, or print it as JSON."
        )
    texts: dict[Hashable, tuple[Line, ...]] = {
        **{("artifact", id_): _artifact_lines(found, one) for id_, one in found.artifacts.items()},
        **{("execution", id_): _execution_lines(one) for id_, one in found.executions.items()},
    }
    sizes = {key: (_WIDTH, lines[-1].y + _PADDING) for key, lines in texts.items()}
    layout = lay_out(sizes, [_ends(one) for one in found.links])
    boxes = tuple(_box(found, key, lines, layout) for key, lines in texts.items())
    return Picture(
        width=round(layout.width + 2 * _MARGIN),
        height=round(layout.height + 2 * _MARGIN),
        boxes=boxes,
        paths=tuple(_path(points) for points in layout.paths.values()),
        title=f"Lineage of {type_words(found.artifacts[found.artifact].type)} {found.artifact}",
    )


def _ends(link: Any) -> tuple[Hashable, Hashable]:
    artifact, execution = ("artifact", link.artifact), ("execution", link.execution)
    return (execution, artifact) if link.is_output else (artifact, execution)


def _artifact_lines(found: Lineage, one: ArtifactRecord) -> tuple[Line, ...]:
    key = found.key_of(one.id)
    named = f"{one.id}, {key}" if key else str(one.id)
    gone = [] if one.state in ("live", "unknown") else [one.state]
    return _lines(type_words(one.type), [f"artifact {named}", *headline(one), *gone])


def _execution_lines(one: ExecutionRecord) -> tuple[Line, ...]:
    details = [state_words(one.state, one.seconds)]
    return _lines(one.node, [*details, *([f"run {run_words(one.run)}"] if one.run else [])])


def _lines(title: str, rest: Sequence[str]) -> tuple[Line, ...]:
    inner = _WIDTH - 2 * _PADDING
    texts = [("name", text) for text in wrap(printable(title), inner, _TITLE, 2, bold=True)]
    for one in rest:
        texts += [("soft", text) for text in wrap(printable(one), inner, _TEXT, _MOST_LINES)]
    return tuple(
        Line(style, text, _PADDING + _TITLE - 2 + i * _LINE)
        for i, (style, text) in enumerate(texts)
    )


def _box(found: Lineage, key: Any, lines: tuple[Line, ...], layout: Layout) -> DrawnBox:
    kind, id_ = key
    box = layout.boxes[key]
    one = found.artifacts[id_] if kind == "artifact" else found.executions[id_]
    return DrawnBox(
        kind=kind,
        tone=_tone(one),
        is_asked=kind == "artifact" and id_ == found.artifact,
        x=round(box.x - box.width / 2 + _MARGIN, 1),
        y=round(box.y - box.height / 2 + _MARGIN, 1),
        width=box.width,
        height=box.height,
        lines=lines,
        tip=_tip(one),
        link=report_of(one) if isinstance(one, ArtifactRecord) else None,
    )


def _tone(one: ArtifactRecord | ExecutionRecord) -> str:
    if isinstance(one, ArtifactRecord):
        return {True: "pass", False: "fail", None: ""}[decision(one)]
    return {"failed": "fail", "running": "wait", "canceled": "wait"}.get(one.state, "")


def _tip(one: ArtifactRecord | ExecutionRecord) -> str:
    head = one.uri if isinstance(one, ArtifactRecord) else f"execution {one.id}, {one.type}"
    return "\n".join([head, *(f"{name}: {value}" for name, value in one.properties.items())])


def report_of(artifact: ArtifactRecord) -> str | None:
    """Returns the address of the report in an artifact's folder; None where there is none here."""
    path = os.path.join(artifact.uri, _REPORT)
    if not os.path.isabs(path) or not os.path.isfile(path):
        return None
    return Path(path).as_uri()


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Returns points as the data of an SVG's path: vertical lines, and curves between them."""
    moved = [(round(x + _MARGIN, 1), round(y + _MARGIN, 1)) for x, y in points]
    parts = [f"M{moved[0][0]},{moved[0][1]}"]
    for i in range(1, len(moved)):
        (x0, y0), (x1, y1) = moved[i - 1], moved[i]
        if i % 2 == 1:
            parts.append(f"V{y1}")
        else:
            middle = round((y0 + y1) / 2, 1)
            parts.append(f"C{x0},{middle} {x1},{middle} {x1},{y1}")
    return " ".join(parts)


def _described(found: Lineage, one: ArtifactRecord) -> dict[str, Any]:
    return {
        "record": one,
        "key": found.key_of(one.id),
        "tone": _tone(one),
        "headline": headline(one),
        "link": report_of(one),
    }


@functools.cache
def _environment() -> jinja2.Environment:
    environment = page_templates("metadata", keep="\n")
    environment.filters.update(
        state_words=lambda one: state_words(one.state, one.seconds),
        run_words=run_words,
        type_words=type_words,
    )
    return environment
