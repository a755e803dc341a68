"""What a result shows on a terminal and in a notebook."""

from __future__ import annotations

import dataclasses
import html.parser
import re

import numpy as np
import pytest

from nsl_tfx.robustness import RobustnessResult, Verdict
from nsl_tfx.robustness.reporting.summary import summarize, summary_html, tables_of
from tests.robustness.results import CONFIG, make_result

HOSTILE = "<script>alert('x')</script>\"&"


class Reader(html.parser.HTMLParser):
    """Collects the text, and checks that what is opened is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.cells = [], set(), []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def result():
    return make_result(baseline=True, examples_seen=1000, examples_left_out=50)


def test_the_verdict_comes_first_with_its_reasons(result):
    lines = summarize(result).splitlines()
    assert lines[:2] == ["Verdict: pass", f"  {result.reasons[0]}"]
    assert str(result) == summarize(result)


@pytest.mark.parametrize(
    ("blessed", "text"), [(True, "pass, blessed"), (False, "pass, not blessed")]
)
def test_a_blessing_is_told(result, blessed, text):
    given = dataclasses.replace(result, blessed=blessed)
    assert summarize(given).startswith(f"Verdict: {text}\n")
    assert f"Verdict: {text}<" in summary_html(given)


def test_everything_that_was_measured_is_told(result):
    """One row an attack, a measured epsilon, a slice, a corruption, an edit and a change."""
    text, scores = summarize(result), result.model
    rows = {line.split("   ")[0].strip() for line in text.splitlines()}
    expected = {
        *(attack.name for attack in scores.attacks),
        *(f"{p.epsilon:g}" for p in scores.curve if p.epsilon != CONFIG.epsilon),
        f"{CONFIG.epsilon:g} *",
        *(f"{one.feature} = {one.value}" for one in scores.slices),
        *(curve.name for curve in (*scores.corruptions, *scores.edits)),
        *(one.name for one in scores.neighbors),
    }
    assert expected <= rows
    assert "1 of 2 checks pass, but not: C3 gradients." in text
    assert "200 of 1,000 examples (50 more were left out" in text


def test_smallest_epsilons_are_told_where_they_were_searched_for(result):
    config = CONFIG.replace(bisections=4, curve=(0.8,))
    smallest = np.where(np.arange(200) < 60, 0.0125, np.inf)
    rows = dataclasses.replace(result.model.rows, smallest_epsilon=smallest)
    found = dataclasses.replace(
        result, config=config, model=dataclasses.replace(result.model, rows=rows)
    )
    (table,) = [table for table in tables_of(found) if table.header == ("examples", "epsilon")]
    assert [value for _, value in table.rows] == ["0.0125"] * 2 + ["over 0.8"] * 3
    assert table not in tables_of(result)
    assert "within which a share" not in summarize(result)


def test_numbers_are_those_of_the_result(result):
    scores = result.model
    (line,) = re.findall(r"  pgd .*", summarize(result))
    (attack,) = [one for one in scores.attacks if one.name == "pgd"]
    left = attack.left
    assert line.split() == [
        "pgd",
        str(attack.attacked),
        str(attack.fooled),
        *f"{100 * left.value:.1f} % {100 * left.low:.1f} to {100 * left.high:.1f} %".split(),
        str(attack.queries),
        f"{attack.seconds:.2f}",
    ]
    (line,) = re.findall(rf"  {CONFIG.epsilon:g} \* .*", summarize(result))
    for one in (scores.robust_accuracy, result.baseline.robust_accuracy):
        assert f"{100 * one.value:.1f} %" in line


def test_columns_stand_below_one_another(result):
    for block in summarize(result).split("\n\n")[1:-1]:
        ends = [{found.end() for found in re.finditer(r"\S(?=\s{3}|$)", line)}
                for line in block.splitlines()[1:]]  # fmt: skip
        # What is right of the first column ends where its header does.
        assert all(max(end) == max(ends[0]) for end in ends)


def test_html_holds_the_same_cells_and_nothing_that_outlasts_the_cell(result):
    reader = Reader(result._repr_html_())
    assert reader.tags <= {"div", "p", "strong", "ul", "li", "table", "thead", "tbody",
                           "tr", "td", "th"}  # fmt: skip
    tables = tables_of(result)
    assert reader.cells == [c for t in tables for line in (t.header, *t.rows) for c in line]


def test_nothing_enters_a_notebook_unescaped():
    config = CONFIG.replace(slices=(HOSTILE,))
    hostile = make_result(config, columns={HOSTILE: [HOSTILE, "a"] * 100}, reasons=(HOSTILE,))
    page = summary_html(hostile)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert") >= 3
    Reader(page)


def test_a_model_that_could_not_be_run_has_its_reason_alone():
    result = RobustnessResult(Verdict.INCONCLUSIVE, ("No signature.",), CONFIG)
    assert summarize(result) == "Verdict: inconclusive\n  No signature."
    assert Reader(summary_html(result)).cells == []
