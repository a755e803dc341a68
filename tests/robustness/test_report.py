"""The files of an evaluation: whole, escaped, and saying the same."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import itertools
import json
import math
import os
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.io import staging
from nsl_tfx.robustness import (
    CurvePoint,
    Fragile,
    Proportion,
    RobustnessResult,
    Verdict,
    formatting,
    images,
)
from nsl_tfx.robustness.attacking.suite import make_attack
from nsl_tfx.robustness.reporting import chart, files, pictures, report
from nsl_tfx.robustness.result import Point
from tests.robustness.results import CONFIG, make_result

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


EVERYTHING = RobustnessConfig(
    features=(EVIL,),
    label_feature="y",
    epsilon=0.2,
    clip_value_min=0.0,
    clip_value_max=1.0,
    corruptions=("missing", "swap"),
    edits=("missing", "scale_error"),
    max_edits=2,
    slices=(EVIL, "city"),
)


@pytest.fixture(scope="module")
def result():
    """Names, values, ids and reasons hold markup."""
    rng = np.random.default_rng(0)
    columns = {EVIL: rng.choice([EVIL, "b", ""], 60), "city": rng.integers(0, 50, 60)}
    return make_result(
        EVERYTHING,
        60,
        columns=columns,
        shape=(5,),
        baseline=True,
        ids=tuple(f"{EVIL}{i}" for i in range(60)),
        reasons=(f"Since {EVIL}.", "And more."),
        examples_seen=5000,
        examples_left_out=440,
    )


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
    for prefix, scores in (("", metrics["model"]), ("baseline_", metrics["baseline"])):
        left = np.array(rows[f"{prefix}correct"])
        for attack in scores["attacks"]:
            # Null where it was not told the example.
            fooled = rows[f"{prefix}fooled_by_{attack['name']}"]
            assert sum(found is not None for found in fooled) == attack["attacked"]
            assert sum(found is True for found in fooled) == attack["fooled"]
            left = left & ~np.array([found is True for found in fooled])
            assert left.sum() == attack["left"]["count"]
    assert len(rows["baseline_smallest_epsilon"]) == 60
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


NUMBER = re.compile(r"[+\N{MINUS SIGN}-]?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


def numbers_in(value):
    """Every number in JSON, in each form in which a page may write it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(numbers_in, value))
    if isinstance(value, str):
        return set(NUMBER.findall(value))
    if value is None or isinstance(value, bool):
        return set()
    signed = formatting.points(value)
    forms = (f"{value:g}", f"{value:,}", f"{value:.2g}", f"{value:.4g}", f"{value:+.2g}", signed)
    return {*forms, f"{100 * value:.1f}", str(value)}


@pytest.mark.parametrize("kind", ["image", "table"])
def test_every_number_of_the_tables_is_in_the_metrics(result, kind):
    if kind == "image":
        result = make_result(CONFIG, baseline=True)
    metrics = json.loads(result.to_json())
    model = metrics["model"]
    known = numbers_in(metrics)
    # What the row of the union is reckoned from.
    known.add(str(model["accuracy"]["count"] - model["robust_accuracy"]["count"]))
    known.add(f"{sum(attack['queries'] for attack in model['attacks']):,}")
    seen = 0
    for table in report.render_report(result).split("<table")[1:]:
        for cell in re.findall(r'<td class="number[^>]*>(.*?)</td>', table, re.DOTALL):
            found = NUMBER.findall(re.sub("<[^>]*>", " ", cell))
            assert set(found) <= known, cell
            seen += len(found)
    assert seen > 200


def test_what_is_not_in_the_metrics_would_be_seen(result):
    known = numbers_in(json.loads(result.to_json()))
    shifted = dataclasses.replace(result.model.accuracy, value=0.123456)
    assert not {formatting.percent(shifted.value).split()[0]} & known


def test_slices_that_are_lower_say_so_in_words(result):
    first, second, *others = result.model.slices
    lower = dataclasses.replace(first, p_value=0.05, value="Rome")
    other = dataclasses.replace(second, p_value=0.0501, value="Oslo")
    model = dataclasses.replace(result.model, slices=(lower, other, *others))
    page = report.render_report(dataclasses.replace(result, model=model))
    assert '<bdi>Rome</bdi><span class="tag">lower</span>' in page
    assert "Less robust than the other examples: " + EVIL + " = Rome." in Page(page).words
    assert page.count(">lower<") == 1
    assert f"all {len(model.slices)} slices at once" in Page(page).words
    level = result.config.replace(confidence=0.9)
    page = report.render_report(dataclasses.replace(result, model=model, config=level))
    assert page.count(">lower<") == 2
    assert "at most 0.1," in Page(page).words
    alike = tuple(dataclasses.replace(one, p_value=1.0) for one in model.slices)
    page = report.render_report(
        dataclasses.replace(result, model=dataclasses.replace(model, slices=alike))
    )
    assert "None of the slices" in Page(page).words


@pytest.mark.parametrize(
    ("left_out", "words"),
    [(440, "60 examples of 500 were evaluated and 440 left out"), (0, None)],
)
def test_an_early_end_is_told_before_any_number(result, left_out, words):
    page = Page(report.render_report(dataclasses.replace(result, examples_left_out=left_out))).words
    if words is None:
        assert "Ended early" not in page
    else:
        assert page.index(words) < page.index("Clean accuracy")


def test_sections_are_only_of_what_was_measured(result):
    headings = {
        "slices": "By features' values",
        "corruptions": "Under corruption",
        "edits": "With a few values replaced",
        "neighbors": "With other neighbors",
    }
    page = Page(report.render_report(result)).words
    for name, heading in headings.items():
        assert heading in page
        less = dataclasses.replace(result, model=dataclasses.replace(result.model, **{name: ()}))
        assert heading not in Page(report.render_report(less)).words


def test_a_corruption_has_a_chart_and_a_row_for_each_model(result):
    page = report.render_report(result)
    section = page.partition("<h2>Under corruption")[2].partition("<h2>")[0]
    assert section.count("<svg") == 2
    assert section.count('<th scope="row"') == 4
    assert section.count('data-label="Severity 5"') == 4
    point = result.baseline.corruptions[1].points[2].accuracy
    assert f"baseline: {formatting.percent(point.value)} at 3" in section
    # A chart of a single point shows nothing.
    short = tuple(dataclasses.replace(c, points=c.points[:1]) for c in result.model.edits)
    less = dataclasses.replace(result, model=dataclasses.replace(result.model, edits=short))
    section = report.render_report(less).partition("<h2>With a few")[2].partition("<h2>")[0]
    assert "<svg" not in section
    assert 'data-label="Up to 1"' in section


@pytest.mark.parametrize("name", list(AttackName))
@pytest.mark.parametrize("norm", ["infinity", "l2"])
def test_every_attack_says_its_settings(name, norm):
    config = CONFIG.replace(norm=norm, attacks="thorough")
    if name not in config.attack_names:
        pytest.skip("not in this norm")
    words = report._settings(make_attack(name, config).settings)
    assert words
    assert "None" not in words
    assert "_" not in words
    if name is AttackName.FGSM:
        assert words == "one step of epsilon"


def test_how_to_reproduce_is_complete(result):
    page = Page(report.render_report(result))
    assert "nsl-tfx robustness evaluate MODEL EXAMPLES --config config.json" in page.words
    config = page.text[page.text.index('{\n  "') : page.text.rindex("\n}") + 2]
    assert RobustnessConfig.from_json(config) == result.config
    for text in (result.data_fingerprint, result.config.fingerprint(), tf.__version__, "Seed"):
        assert text in page.words


def test_checks_keep_their_order(result):
    page = Page(report.render_report(result)).words
    places = [page.index(check.name) for check in result.model.checks]
    assert places == sorted(places)


def test_tables_of_many_columns_stack_on_phones(result):
    page = report.render_report(result)
    tables = [table.partition("</table>")[0] for table in page.split("<table")[1:]]
    wide = [
        table for table in tables if len(re.findall(r"<th\b", table.partition("</thead>")[0])) > 4
    ]
    assert len(wide) == 5
    for table in wide:
        assert table.startswith(' class="stacked')
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


def assert_harmless(text):
    page = Page(text)
    assert not page.open
    names = [tag for tag, _ in page.tags]
    assert not {"script", "iframe", "link", "object", "base", "form"} & set(names)
    # Self-contained: nothing is fetched, and the browser is told to fetch nothing.
    for tag, attributes in page.tags:
        assert not {"href", "srcset", "action", "style"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/png").startswith("data:image/png")
        assert tag != "meta" or attributes.get("http-equiv") in (None, "Content-Security-Policy")
    assert "url(" not in text
    assert "@import" not in text
    return page


def test_nothing_enters_the_page_unescaped(result):
    page = assert_harmless(report.render_report(result))
    assert page.text.count(EVIL) > 10
    assert "default-src 'none'" in page.tags[3][1]["content"]


# Markup, quotes, other directions of writing, characters that do not show.
HOSTILE = st.text(
    st.characters() | st.sampled_from("<>&\"'/=`{}%\u202e\u2066\x00\x1b"), max_size=12
)


@settings(max_examples=25, deadline=None)
@given(name=HOSTILE.filter(bool), value=HOSTILE, reason=HOSTILE)
def test_no_text_changes_the_page(name, value, reason):
    config = CONFIG.replace(
        features=(name,), label_feature=f"{name}y", slices=(name,), clip_value_min={name: 0.0},
        clip_value_max=None,
    )  # fmt: skip
    columns = {name: np.array([value] * 15 + [f"{value}z"] * 5, object)}
    result = make_result(
        config, 20, columns=columns, shape=(2,), reasons=(reason,), ids=(value,) * 20, baseline=True
    )
    harmless = make_result(
        config.replace(
            features=("a",), label_feature="y", slices=("a",), clip_value_min={"a": 0.0}
        ),
        20,
        columns={"a": np.array(["b"] * 15 + ["c"] * 5)},
        shape=(2,),
        baseline=True,
    )
    text = report.render_report(result)
    tags = [tag for tag, _ in assert_harmless(text).tags]
    wanted = [tag for tag, _ in Page(report.render_report(harmless)).tags]
    # Values that are shown alike, such as an empty text and "(missing)", share a slice.
    skipped = {"tr", "th", "td", "bdi", "small", "svg", "line", "circle", "br", "span"}
    assert [t for t in tags if t not in skipped] == [t for t in wanted if t not in skipped]
    assert text.encode().isascii() or all(c.isprintable() or c in "\n\xa0" for c in text)


def test_the_page_is_well_formed(result):
    etree = pytest.importorskip("lxml.etree")
    page = report.render_report(result)
    parser = etree.HTMLParser(recover=False)
    etree.fromstring(page.encode(), parser)
    # It knows HTML 4 alone, to which these are new.
    new = re.compile("Tag (main|section|figure|figcaption|article|details|summary|bdi|svg|line|text"
                     "|polygon|polyline|circle|g) invalid")  # fmt: skip
    assert [str(e) for e in parser.error_log if not new.search(e.message)] == []


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


def luminance(colour):
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    levels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(levels <= 0.03928, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", range(3), ids=["light", "dark", "print"])
def test_every_colour_of_text_is_readable(result, scheme):
    blocks = re.findall(r":root {(.*?)}", report.render_report(result), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6});", blocks[scheme]))
    assert len(colours) == 10
    for name in set(colours) - {"paper", "card", "line"}:
        for ground in ("paper", "card"):
            dark, light = sorted(luminance(colours[key]) for key in (name, ground))
            # What WCAG 2.1 asks for at level AA.
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


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
    found = images.as_image(np.zeros(shape))
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
        assert pixels.shape[:2] == images.as_image(before).shape[:2]
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


def test_what_is_far_follows_feature_scale():
    before = np.arange(10.0)
    after = before + np.array([0, 0.1, -0.5, 0, 0, 0.3, 0, 0, 0, 0])
    scale = [1.0, 0.1, 10.0, 1, 1, 1, 1, 1, 1, 1]
    drawn = pictures.draw(fragile(before, after), config(feature_scale=scale))
    assert [change.name for change in drawn.changes] == ["x[1]", "x[5]", "x[2]"]
    np.testing.assert_allclose([change.scaled for change in drawn.changes], [1.0, 0.3, -0.05])


def fragile(before, after):
    return Fragile("a", 0, 1, 2, 0.1, "pgd", {"x": before}, {"x": after})


def config(**changes):
    return RobustnessConfig(features=("x",), label_feature="y", epsilon=0.1, **changes)


def decode(uri):
    return tf.io.decode_png(base64.b64decode(uri.partition(",")[2])).numpy()


@pytest.mark.parametrize("largest", [1e-4, 0.03, 0.1, 0.25, 0.3, 1.0, 8.0, 300.0])
def test_axes_have_few_round_ticks(largest):
    ticks = chart.round_steps(largest)
    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert 0.6 * largest <= ticks[-1] <= largest * (1 + 1e-9)


CURVE = [(0.0, 1.0, 0.9, 1.0), (0.1, 0.5, 0.4, 0.6), (0.3, 0.0, 0.0, 0.1)]


def assert_in_frame(found):
    frame = found.frame
    for line in found.lines:
        for dot in line.dots:
            assert frame.left <= dot.x <= frame.right
            assert frame.top <= dot.high <= dot.y <= dot.low <= frame.bottom
    places = [tick.at for tick in found.x_ticks]
    assert places == sorted(places)
    # At 24 units, of which a character takes about 0.6, no label touches another or the edge.
    ends = [(t.at - 7.2 * len(t.text), t.at + 7.2 * len(t.text)) for t in found.x_ticks]
    assert all(left[1] < right[0] for left, right in itertools.pairwise(ends))
    assert all(low >= 0 and high <= frame.width for low, high in ends)


def test_the_chart_stays_in_its_frame():
    points = [CurvePoint(e, Proportion(1, 2, v, low, high)) for e, v, low, high in CURVE]
    found = chart.lay_out([("model", EVIL, points)], 0.1, 10)
    assert_in_frame(found)
    assert found.lines[0].dots[0].x == found.frame.left
    assert found.lines[0].dots[-1].x == found.frame.right
    middle = (2 * found.frame.left + found.frame.right) / 3
    assert found.verdict_x == pytest.approx(middle, abs=0.1)
    assert found.linear_up_to is None


@pytest.mark.parametrize("epsilon", [1e-300, 1.2345678e-7, 0.1, 8 / 255, 1.0, 3.3333e9, 1e300])
@pytest.mark.parametrize("factors", [(0.25, 0.5, 1, 2, 4, 8), (1,), (1, 1.1, 1.2), (0.001, 1)])
def test_charts_of_any_epsilons_are_readable(epsilon, factors):
    share = Proportion(1, 2, 0.5, 0.1, 0.9)
    points = [CurvePoint(0.0, share), *(CurvePoint(f * epsilon, share) for f in factors)]
    found = chart.lay_out([("model", "model", points)], epsilon, 2)
    assert_in_frame(found)
    assert len(found.x_ticks) >= 2
    assert len({dot.x for dot in found.lines[0].dots}) == len(points)
    if max(factors) > 8 * min(factors):
        assert found.linear_up_to == min(factors) * epsilon
        # The verdict's epsilon and both ends always have a label.
        assert {0.0, found.verdict_x} <= {t.at for t in found.x_ticks} | {0.0}


def test_doublings_are_as_wide_as_the_linear_part():
    share = Proportion(1, 2, 0.5, 0.1, 0.9)
    points = [CurvePoint(e, share) for e in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)]
    (line,) = chart.lay_out([("model", "model", points)], 1.0, 2).lines
    steps = np.diff([dot.x for dot in line.dots])
    np.testing.assert_allclose(steps, steps[0], atol=0.11)


@pytest.mark.parametrize("severities", [(1, 2, 3, 4, 5), (5,), (1, 3), tuple(range(1, 40))])
def test_charts_of_severities_begin_at_the_clean_accuracy(severities):
    clean, share = Proportion(9, 10, 0.9, 0.8, 1.0), Proportion(1, 2, 0.5, 0.1, 0.9)
    points = [Point(k, share) for k in severities]
    found = chart.lay_out_severities([("model", "model", clean, points)], 0.25)
    assert_in_frame(found)
    (line,) = found.lines
    assert line.dots[0].text == "model: 90.0 % at 0 (80.0 to 100.0 %)"
    assert len(line.dots) == len(points) + 1
    assert line.dots[-1].x == found.frame.right
    bottom, top = (tick.at for tick in (found.y_ticks[0], found.y_ticks[-1]))
    assert found.level_y == pytest.approx(bottom + 0.25 * (top - bottom), abs=0.1)
