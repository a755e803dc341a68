"""What an evaluation found, short enough for a terminal or a cell of a notebook."""

from __future__ import annotations

import dataclasses
from html import escape

from nsl_tfx.robustness.formatting import interval, percent
from nsl_tfx.robustness.result import (
    ModelScores,
    Proportion,
    RobustnessResult,
    SeverityCurve,
    smallest_epsilon_quantiles,
)

_GAP = "   "
_NORMS = {"infinity": "L∞", "l2": "L2", "l1": "L1"}


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text below a header; the first column is text, the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def summarize(result: RobustnessResult) -> str:
    """Returns the verdict with its reasons, and aligned tables of what it rests on."""
    parts = [f"Verdict: {verdict_of(result)}\n" + "\n".join(f"  {r}" for r in result.reasons)]
    parts += [_align(table) for table in tables_of(result)]
    if result.model is not None:
        parts.append(_checks(result.model))
    return "\n\n".join(parts)


def summary_html(result: RobustnessResult) -> str:
    """Returns the same as HTML that needs no style sheet and leaves none behind."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in result.reasons)
    parts = [f"<p><strong>Verdict: {escape(verdict_of(result))}</strong></p><ul>{reasons}</ul>"]
    parts += [_table_html(table) for table in tables_of(result)]
    if result.model is not None:
        parts.append(f"<p>{escape(_checks(result.model))}</p>")
    return f"<div>{''.join(parts)}</div>"


def verdict_of(result: RobustnessResult) -> str:
    """Returns the verdict, and whether the model may be pushed where somebody asked."""
    if result.blessed is None:
        return result.verdict.value
    return f"{result.verdict.value}, {'' if result.blessed else 'not '}blessed"


def tables_of(result: RobustnessResult) -> list[Table]:
    """Returns what was measured; nothing where the model could not be run."""
    scores = result.model
    if scores is None:
        return []
    tables = [_curve(result, scores), _attacks(scores)]
    if result.config.bisections:
        tables.append(_smallest(result, scores))
    if scores.slices:
        tables.append(_slices(scores))
    for title, curves in (
        ("Corruptions, by severity", scores.corruptions),
        ("Edits, by features changed", scores.edits),
    ):
        if curves:
            tables.append(_severities(title, curves))
    if scores.certified:
        tables.append(_certified(scores))
    if scores.neighbors:
        tables.append(_neighbors(scores))
    return tables


def _curve(result: RobustnessResult, scores: ModelScores) -> Table:
    header = ["epsilon", "accuracy", "interval"]
    columns = [scores.curve]
    if result.baseline is not None:
        header += ["baseline", "interval"]
        columns.append(result.baseline.curve)
    rows = []
    for points in zip(*columns, strict=True):
        mark = " *" if points[0].epsilon == result.config.epsilon else ""
        rows.append((f"{points[0].epsilon:g}{mark}", *_shares(*(p.accuracy for p in points))))
    title = f"{scores.accuracy.total:,} of {result.examples_seen:,} examples"
    if result.examples_left_out:
        title += f" ({result.examples_left_out:,} more were left out to stay within the budget)"
    norm = _NORMS[result.config.norm.value]
    title += f"; accuracy under all attacks, {norm}, * the verdict's epsilon"
    return Table(title, tuple(header), tuple(rows))


def _attacks(scores: ModelScores) -> Table:
    rows = tuple(
        (
            attack.name,
            f"{attack.attacked:,}",
            f"{attack.fooled:,}",
            *_shares(attack.left),
            f"{attack.queries:,}",
            f"{attack.seconds:.2f}",
        )
        for attack in scores.attacks
    )
    header = ("attack", "told", "misled", "left right", "interval", "queries", "seconds")
    return Table("Attacks at the verdict's epsilon, in their order", header, rows)


def _smallest(result: RobustnessResult, scores: ModelScores) -> Table:
    found = {float(s): value for s, value in smallest_epsilon_quantiles(scores.rows).items()}
    beyond = f"over {max(result.config.epsilons):g}"
    rows = tuple(
        (f"{100 * share:g} %", beyond if value is None else f"{value:.3g}")
        for share, value in found.items()
    )
    title = "Epsilon within which a share of the examples is misled, or wrong as it is"
    return Table(title, ("examples", "epsilon"), rows)


def _certified(scores: ModelScores) -> Table:
    rows = tuple((f"{p.radius:g}", *_shares(p.accuracy)) for p in scores.certified)
    return Table(
        "Certified accuracy of the smoothed model", ("L2 radius", "right", "interval"), rows
    )


def _slices(scores: ModelScores) -> Table:
    rows = tuple(
        (
            f"{one.feature} = {one.value}",
            f"{one.accuracy.total:,}",
            percent(one.accuracy.value),
            *_shares(one.robust_accuracy),
            f"{one.p_value:.3g}",
        )
        for one in scores.slices
    )
    return Table("Slices", ("slice", "examples", "accuracy", "robust", "interval", "p"), rows)


def _severities(title: str, curves: tuple[SeverityCurve, ...]) -> Table:
    severities = sorted({point.severity for curve in curves for point in curve.points})
    rows = []
    for curve in curves:
        found = {point.severity: percent(point.accuracy.value) for point in curve.points}
        rows.append((curve.name, *(found.get(severity, "") for severity in severities)))
    return Table(title, ("accuracy under", *map(str, severities)), tuple(rows))


def _neighbors(scores: ModelScores) -> Table:
    rows = tuple(
        (one.name, *_shares(one.accuracy), percent(one.changed.value)) for one in scores.neighbors
    )
    return Table("Neighbors", ("change", "accuracy", "interval", "other class"), rows)


def _checks(scores: ModelScores) -> str:
    # What those that fail say is among the verdict's reasons.
    failed = [check.name for check in scores.checks if check.passed is False]
    made = sum(check.passed is not None for check in scores.checks)
    text = f"{made - len(failed)} of {made} checks pass"
    return f"{text}, but not: {', '.join(failed)}." if failed else f"{text}."


def _shares(*found: Proportion) -> tuple[str, ...]:
    return tuple(
        text for one in found for text in (percent(one.value), interval(one.low, one.high))
    )


def _align(table: Table) -> str:
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = []
    for line in lines:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        aligned.append(_GAP.join([first, *others]).rstrip())
    return "\n".join([table.title, *(f"  {line}" for line in aligned)])


def _table_html(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        sides = ("left", *["right"] * (len(cells) - 1))
        return "".join(
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows)
    return (
        f"<p>{escape(table.title)}</p><table><thead><tr>{row(table.header, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )
