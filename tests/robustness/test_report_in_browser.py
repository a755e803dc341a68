"""The report as a browser lays it out, on a phone, on a desk and on paper."""

from __future__ import annotations

import dataclasses
import subprocess

import numpy as np
import pytest

from nsl_tfx.configs import CorruptionName, RobustnessConfig
from nsl_tfx.robustness import RobustnessResult, Verdict
from nsl_tfx.robustness.reporting.report import render_report
from tests.browser import BROWSER, measure_pages, needs_browser
from tests.robustness.results import CONFIG, make_result

pytestmark = needs_browser

EVIL = '<script>document.title = "gone"</script>'
RIGHT_TO_LEFT = '\N{RIGHT-TO-LEFT OVERRIDE}מדינה "x" مدينة'
LONG = "a_name_without_end_" * 6
WIDTHS = {"phone": 390, "desk": 1280, "paper": 718}


def make_pages():
    rng = np.random.default_rng(0)
    many = CONFIG.replace(
        slices=("city", EVIL, RIGHT_TO_LEFT, LONG),
        corruptions=tuple(name.value for name in CorruptionName)[:10],
        edits=("missing", "swap", "category"),
        max_edits=4,
        min_corrupted_accuracy=0.6,
    )
    columns = {
        "city": rng.choice(["Berlin", "x" * 90, "very " * 20, ""], 400),
        EVIL: rng.choice([EVIL, "'single' & \"double\""], 400),
        RIGHT_TO_LEFT: rng.choice([RIGHT_TO_LEFT, *(f"v{i}" for i in range(17))], 400),
        LONG: rng.integers(0, 90, 400),
    }
    everything = make_result(
        many,
        400,
        columns=columns,
        baseline=True,
        verdict=Verdict.FAIL,
        blessed=False,
        reasons=(f"The slice {EVIL} = {RIGHT_TO_LEFT} is low.", "x" * 400),
        examples_left_out=4600,
    )
    lower = tuple(dataclasses.replace(one, p_value=1e-9) for one in everything.model.slices)
    everything = dataclasses.replace(
        everything, model=dataclasses.replace(everything.model, slices=lower)
    )
    table = RobustnessConfig(
        features=("age", EVIL, LONG),
        label_feature="y",
        epsilon=1.2345e-7,
        norm="l2",
        feature_scale={"age": [1, 2, 3.14159, 4, 5], EVIL: 1e9},
        clip_value_min={"age": -1e-12},
    )
    wide = tuple(f"feature_{i}" for i in range(80))
    huge = RobustnessConfig(
        features=wide, label_feature="y", epsilon=3.21e30, clip_value_max=dict.fromkeys(wide, 9e30)
    )
    return {
        "everything": everything,
        "plain": make_result(),
        "table": make_result(table, shape=(5,), ids=(LONG * 3,) * 200),
        "huge": make_result(huge, 50, shape=()),
        "no model": RobustnessResult(Verdict.INCONCLUSIVE, (EVIL, LONG * 3), CONFIG),
    }


# Runs beside the report, which itself forbids scripts.
MEASURE = """
const inScroll = node => node.closest('.scroll, pre, svg');
const found = {};
for (const frame of document.querySelectorAll('iframe')) {
  const page = frame.contentDocument, root = page.documentElement, width = frame.clientWidth;
  const parts = [...page.querySelectorAll('body *')];
  const labels = [...page.querySelectorAll('svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(text => text.getBoundingClientRect());
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
  });
  const clipped = [...page.querySelectorAll('svg')].flatMap(svg => {
    const edge = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text, circle')].filter(part => {
      const box = part.getBoundingClientRect();
      return box.left < edge.left - .5 || box.right > edge.right + .5;
    });
  });
  found[frame.name] = {
    title: page.title,
    scripts: page.querySelectorAll('script').length,
    parts: parts.length,
    scrolled: Math.max(root.scrollWidth, page.body.scrollWidth) - width,
    outside: parts.filter(part => !inScroll(part) && part.getBoundingClientRect().right > width + 1)
      .map(part => part.outerHTML.slice(0, 90)),
    sideways: [...page.querySelectorAll('.scroll')].filter(part =>
      part.scrollWidth > part.clientWidth + 1).map(part => part.innerHTML.slice(0, 90)),
    labels: labels.length,
    clipped: clipped.map(part => part.outerHTML),
    smallest: Math.min(...[...page.querySelectorAll('svg text')].map(text =>
      text.getBoundingClientRect().height), 99),
  };
}
document.body.innerHTML = '';
document.body.textContent = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """By page and medium, what the browser made of it."""
    pages = {}
    for name, result in make_pages().items():
        text = render_report(result)
        for medium, width in WIDTHS.items():
            # Nothing but a printer applies the rules for print; on screen they lay out the same.
            shown = text.replace("@media print", "@media all") if medium == "paper" else text
            pages[f"{name}, {medium}"] = (shown, width)
    return measure_pages(pages, MEASURE, tmp_path_factory.mktemp("browser"))


PAGES = [f"{name}, {medium}" for name in ("everything", "plain", "table", "huge", "no model")
         for medium in WIDTHS]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_nothing_sticks_out(measured, page):
    found = measured[page]
    assert found["parts"] > 30
    assert found["outside"] == []
    assert found["scrolled"] <= 0
    # Tables fit as well: nobody has to push one aside to read it.
    assert found["sideways"] == []


@pytest.mark.parametrize("page", PAGES)
def test_labels_of_charts_are_readable(measured, page):
    found = measured[page]
    assert found["labels"] == 0
    assert found["clipped"] == []
    assert found["smallest"] >= 9


@pytest.mark.parametrize("page", PAGES)
def test_no_value_becomes_a_part_of_the_page(measured, page):
    assert measured[page]["scripts"] == 0
    assert measured[page]["title"].startswith("Robustness: ")


def test_it_prints(tmp_path):
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(render_report(make_result()), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={paper}"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert paper.read_bytes().startswith(b"%PDF")
