"""The files of an evaluation: whole, escaped, and saying the same."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import json
import math
import os
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.io import staging
from nsl_tfx.robustness import (
    CurvePoint,
    Fragile,
    ModelUnderTest,
    Proportion,
    RobustnessResult,
    Verdict,
    chart,
    evaluate,
    files,
    formatting,
    pictures,
    report,
)

EVIL = '<script>alert("&")</script>'


class Page(html.parser.HTMLParser):
    """Collects a page's text and tags, and that every tag is closed."""

    VOID = frozenset({"meta", "img", "br", "line", "circle", "polygon", "polyline"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def result():
    """Names, ids and reasons hold markup."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (60, 5)).astype(np.float32)
    weights = rng.normal(size=(5, 3)).astype(np.float32)
    model = ModelUnderTest(
        lambda f: f[EVIL] @ weights, {EVIL: tf.TensorSpec([None, 5], tf.float32)}
    )
    config = RobustnessConfig(
        features=(EVIL,), label_feature="y", id_feature="id", epsilon=0.2, curve=(0.05,), steps=3,
        restarts=0, clip_value_min=0.0, clip_value_max=1.0,
    )  # fmt: skip
    data = {EVIL: x, "y": (x @ weights).argmax(axis=1), "id": [f"{EVIL}{i}" for i in range(60)]}
    return evaluate(model, data, config, baseline=model)


def test_files_say_the_same(result, tmp_path):
    files.save(result, str(tmp_path / "new" / "folder"))
    folder = tmp_path / "new" / "folder"
    assert sorted(os.listdir(folder)) == ["examples.parquet", "metrics.json", "report.html"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics == result.to_dict()
    table = pq.read_table(folder / "examples.parquet")
    assert table.num_rows == metrics["examples"] == 60
    rows = table.to_pydict()
    assert rows["label"] == result.labels.tolist()
    assert rows["id"][3] == f"{EVIL}3"
    robust = sum(e is None or e > 0.2 for e in rows["smallest_epsilon"])
    assert robust == metrics["model"]["robust_accuracy"]["count"]
    for attack in metrics["model"]["attacks"]:
        left = 60 - sum(rows[f"fooled_by_{attack['name']}"])
        assert left == attack["accuracy"]["count"]
    assert rows["baseline_smallest_epsilon"] == rows["smallest_epsilon"]
    page = Page((folder / "report.html").read_text()).words
    assert f"{100 * metrics['model']['robust_accuracy']['value']:.1f} %" in page


@pytest.mark.parametrize(
    ("verdict", "blessed", "words"),
    [
        (Verdict.PASS, None, "Pass"),
        (Verdict.PASS, True, "Pass: blessed"),
        (Verdict.PASS, False, "Pass, but not blessed"),
        (Verdict.FAIL, False, "Fail: not blessed"),
        (Verdict.INCONCLUSIVE, None, "Inconclusive"),
        (Verdict.INCONCLUSIVE, False, "Inconclusive: not blessed"),
    ],
)
def test_every_file_tells_the_decision(result, tmp_path, verdict, blessed, words):
    decided = dataclasses.replace(result, verdict=verdict, blessed=blessed, reasons=("Because.",))
    files.save(decided, str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert f"<strong>{words}</strong>" in page
    assert f"<title>Robustness: {words}</title>" in page
    # A model that is not to be pushed never looks like one that is.
    tone = "fail" if (verdict, blessed) == (Verdict.PASS, False) else verdict.value
    assert f'class="verdict {tone}"' in page
    assert json.loads((tmp_path / "metrics.json").read_text())["blessed"] is blessed
    assert decided.headline().get("blessed") == blessed


def test_every_attack_says_its_settings(result):
    page = report.render_report(result)
    assert "one step of epsilon" in Page(page).words
    cells = page.split('<td class="soft line">')[1:]
    assert len(cells) == len(result.model.attacks)
    assert all(len(cell.partition("<")[0]) > 1 for cell in cells)


def test_checks_are_in_the_order_of_their_numbers(result):
    numbers = [int(n) for check in result.model.checks for n in re.findall(r"^C(\d+)", check.name)]
    assert numbers == [1, 2, 3, 5, 6, 10, 12]
    page = Page(report.render_report(result)).words
    places = [page.index(check.name) for check in result.model.checks]
    assert places == sorted(places)


def test_tables_of_many_columns_stack_on_phones(result):
    page = report.render_report(result)
    tables = [table.partition("</table>")[0] for table in page.split("<table")[1:]]
    wide = [table for table in tables if table.partition("</thead>")[0].count("<th") > 4]
    assert len(wide) == 2
    for table in wide:
        assert table.startswith(' class="stacked"')
        assert all(re.search(r'class="[^"]*\bline\b', row) for row in table.split("<tr>")[1:])


def test_json_has_null_for_what_is_not_finite(result):
    attack = dataclasses.replace(
        result.model.attacks[0], settings={"step_size": math.inf}, seconds=math.nan
    )
    difference = dataclasses.replace(result.comparison.accuracy, p_value=math.nan, low=-math.inf)
    odd = dataclasses.replace(
        result,
        model=dataclasses.replace(result.model, attacks=(attack,)),
        comparison=dataclasses.replace(result.comparison, accuracy=difference),
    )

    def refuse(name):
        raise AssertionError(name)

    found = json.loads(odd.to_json(), parse_constant=refuse)
    assert found["model"]["attacks"][0]["settings"] == {"step_size": None}
    assert found["model"]["attacks"][0]["seconds"] is None
    assert found["comparison"]["accuracy"]["p_value"] is None
    assert found["comparison"]["accuracy"]["low"] is None
    assert found["model"]["accuracy"] == result.to_dict()["model"]["accuracy"]


def test_numbers_are_written_in_one_way():
    assert formatting.percent(1 / 3) == "33.3 %"
    assert formatting.interval(0.0, 1.0) == "0.0 to 100.0 %"
    assert (formatting.points(0.0211), formatting.points(-0.5)) == ("+2.1", "\N{MINUS SIGN}50.0")


def test_nothing_enters_the_page_unescaped(result):
    page = Page(report.render_report(result))
    assert not page.open
    assert "script" not in dict(page.tags)
    assert EVIL in page.text
    # Self-contained: nothing is fetched.
    for _, attributes in page.tags:
        assert "href" not in attributes
        assert attributes.get("src", "data:image/png").startswith("data:image/png")


def test_a_failure_leaves_no_half(result, tmp_path, monkeypatch):
    files.save(result, str(tmp_path))
    kept = (tmp_path / "metrics.json").read_bytes()

    def fail(*_):
        raise RuntimeError("no report")

    monkeypatch.setattr(files, "render_report", fail)
    with pytest.raises(RuntimeError):
        files.save(result, str(tmp_path))
    assert (tmp_path / "metrics.json").read_bytes() == kept


def test_a_failing_disk_leaves_no_metrics(result, tmp_path, monkeypatch):
    files.save(result, str(tmp_path))
    move = staging.move

    def full(source, target):
        if target.endswith("report.html"):
            raise OSError("disk full")
        move(source, target)

    monkeypatch.setattr(staging, "move", full)
    with pytest.raises(OSError, match="disk full"):
        files.save(result, str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["examples.parquet", "report.html"]


def test_a_model_that_could_not_run_has_a_report(tmp_path):
    config = RobustnessConfig(features=("x",), label_feature="y", epsilon=0.1)
    result = RobustnessResult(Verdict.INCONCLUSIVE, (f"No signature {EVIL}.", "Cure."), config)
    files.save(result, str(tmp_path))
    page = Page((tmp_path / "report.html").read_text())
    assert "Inconclusive" in page.words
    assert EVIL in page.text
    assert "svg" not in dict(page.tags)
    assert pq.read_table(tmp_path / "examples.parquet").num_rows == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((64,), (8, 8, 1)),
        ((12,), None),
        ((9,), None),
        ((5, 6), (5, 6, 1)),
        ((28, 28, 1), (28, 28, 1)),
        ((8, 8, 3), (8, 8, 3)),
        ((8, 8, 2), None),
        ((2, 32), None),
        ((), None),
    ],
)
def test_what_looks_like_an_image(shape, image):
    found = pictures.as_image(np.zeros(shape))
    assert (None if found is None else found.shape) == image


@pytest.mark.parametrize("shape", [(16,), (6, 5), (4, 4, 3)])
def test_pictures_are_of_the_features_size(shape):
    before = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    after = before.copy()
    after.flat[0] += 0.2
    after.flat[-1] -= 0.1
    drawn = pictures.draw(fragile(before, after), config())
    for uri in (drawn.original, drawn.adversarial, drawn.difference):
        pixels = decode(uri)
        assert pixels.shape[:2] == pictures.as_image(before).shape[:2]
    difference = decode(drawn.difference).astype(int)
    red, blue = difference[0, 0], difference[-1, -1]
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 50
    assert (difference[1, 1] == 255).all()


def test_other_features_become_a_table_of_the_largest_changes():
    before = np.arange(10.0)
    after = before + np.array([0, 0.1, -0.5, 0, 0, 0.3, 0, 0, 0, 0])
    drawn = pictures.draw(fragile(before, after), config())
    assert [change.name for change in drawn.changes] == ["x[2]", "x[5]", "x[1]"]
    assert drawn.original == ""


def fragile(before, after):
    return Fragile("a", 0, 1, 2, 0.1, "pgd", {"x": before}, {"x": after})


def config():
    return RobustnessConfig(features=("x",), label_feature="y", epsilon=0.1)


def decode(uri):
    return tf.io.decode_png(base64.b64decode(uri.partition(",")[2])).numpy()


@pytest.mark.parametrize("largest", [1e-4, 0.03, 0.1, 0.25, 0.3, 1.0, 8.0, 300.0])
def test_axes_have_few_round_ticks(largest):
    ticks = chart.round_steps(largest)
    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert 0.6 * largest <= ticks[-1] <= largest * (1 + 1e-9)


def test_the_chart_stays_in_its_frame():
    points = [CurvePoint(e, Proportion(1, 2, v, low, high)) for e, v, low, high in CURVE]
    found = chart.lay_out([("model", EVIL, points)], 0.1, 10)
    for dot in found.lines[0].dots:
        assert found.left <= dot.x <= found.right
        assert found.top <= dot.high <= dot.y <= dot.low <= found.bottom
    assert found.lines[0].dots[0].x == found.left
    assert found.lines[0].dots[-1].x == found.right
    assert found.verdict_x == pytest.approx((2 * found.left + found.right) / 3, abs=0.1)


CURVE = [(0.0, 1.0, 0.9, 1.0), (0.1, 0.5, 0.4, 0.6), (0.3, 0.0, 0.0, 0.1)]
