"""The lineage's picture as text, and as a browser lays it out on a phone and on a desk."""

import xml.etree.ElementTree as ET

import pytest

from nsl_tfx.metadata import lineage
from nsl_tfx.metadata.drawing import MOST_NODES, render_page, render_svg, report_of
from nsl_tfx.metadata.records import ArtifactRecord
from tests.browser import measure_pages, needs_browser
from tests.metadata.stores import Writer, write_run

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>document.title = "gone"</script></svg>"\'&'
LONG = "AnArtifact" * 12
WIDE = "WWWWMMMM@@@@%%%%" * 4
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}מדינה مدينة 図書館"


def make_lineages(folder):
    """Returns lineages by a name: a usual one, one of many runs, one of bad names, one of one."""
    usual = Writer(folder / "usual.sqlite")
    made = write_run(usual)
    many = Writer(folder / "many.sqlite")
    first = write_run(many, run="2026-01-01T00:00:00.1")
    kept = {name: first[name] for name in ("examples", "graph")}
    for day in range(2, 6):
        state = "failed" if day == 4 else "complete"
        write_run(
            many,
            run=f"2026-01-0{day}T00:00:00.1",
            data=kept,
            blessed=day % 2,
            until="RobustnessEvaluator" if day == 4 else None,
            state=state,
        )
    bad = Writer(folder / "bad.sqlite")
    start = bad.artifact(EVIL, uri=f"javascript:{EVIL}", **{EVIL: EVIL})
    bad.execute(EVIL, RIGHT_TO_LEFT, f"{EVIL}.{LONG}", {}, {RIGHT_TO_LEFT: start})
    for name in (LONG, WIDE, RIGHT_TO_LEFT):
        new = bad.artifact("nsl_tfx.NeighborGraph", nodes=10**18, label_agreement=0.1, text=name)
        bad.execute(EVIL, name, name, {name: start}, {f"{name}.{EVIL}": new})
    alone = Writer(folder / "alone.sqlite")
    (number,) = alone.store.put_artifacts([alone.artifact("Examples")])
    return {
        "usual": lineage(usual.store, made["model"].id),
        "many": lineage(many.store, first["examples"].id),
        "bad": lineage(bad.store, start.id),
        "alone": lineage(alone.store, number),
    }


@pytest.fixture(scope="module")
def lineages(tmp_path_factory):
    return make_lineages(tmp_path_factory.mktemp("lineages"))


@pytest.mark.parametrize("name", ["usual", "many", "bad", "alone"])
def test_the_picture_holds_every_artifact_and_execution(lineages, name):
    found = lineages[name]
    root = ET.fromstring(render_svg(found))
    kinds = [group.get("class").split()[0] for group in root.iter(f"{SVG}g")]
    assert kinds.count("artifact") == len(found.artifacts)
    assert kinds.count("execution") == len(found.executions)
    paths = root.findall(f"{SVG}path")
    assert len(paths) == len({(one.artifact, one.execution) for one in found.links})
    asked = [one for one in root.iter(f"{SVG}g") if "asked" in one.get("class")]
    assert len(asked) == 1
    assert f"artifact {found.artifact}" in "".join(asked[0].itertext())


def test_states_and_decisions_have_a_tone(lineages):
    text = render_svg(lineages["many"])
    assert text.count('class="execution fail') == 1
    assert text.count('class="artifact fail') > 0
    assert text.count('class="artifact pass') > 0


@pytest.mark.parametrize("render", [render_page, render_svg])
def test_no_value_becomes_a_part_of_it(lineages, render):
    text = render(lineages["bad"])
    assert "<script" not in text
    assert "javascript:" not in text.replace("javascript:&lt;", "")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    assert "href=" not in text


def test_the_page_needs_nothing_else(lineages):
    text = render_page(lineages["usual"])
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in text


def test_it_is_the_same_each_time(lineages):
    assert render_page(lineages["many"]) == render_page(lineages["many"])


def test_a_report_is_linked_where_it_lies(tmp_path):
    folder = tmp_path / "an evaluation & more"
    folder.mkdir()
    writer = Writer(tmp_path / "metadata.sqlite")
    made = writer.artifact("nsl_tfx.RobustnessEvaluation", uri=str(folder), verdict="pass")
    writer.execute("p", "r", "RobustnessEvaluator", {}, {"evaluation": made})
    found = lineage(writer.store, made.id)
    assert "href" not in render_page(found)
    (folder / "report.html").touch()
    address = (folder / "report.html").as_uri()
    assert render_page(found).count(f'href="{address}"') == 2
    assert render_svg(found).count(f'href="{address}"') == 1


@pytest.mark.parametrize("uri", ["", "relative/folder", "gs://bucket/folder", "javascript:1"])
def test_no_other_place_is_linked(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").touch()
    assert report_of(ArtifactRecord(uri, {})) is None


def test_too_much_for_a_picture_is_told(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    examples = writer.artifact("Examples")
    writer.execute("p", "r", "Gen", {}, {"examples": examples})
    for i in range(MOST_NODES):
        writer.execute("p", "r", f"Check{i}", {"examples": examples}, {})
    with pytest.raises(ValueError, match=f"at most {MOST_NODES} .* Ask for something made later"):
        render_page(lineage(writer.store, examples.id))


WIDTHS = {"phone": 390, "desk": 1280}
MEASURE = """
const found = {};
for (const frame of document.querySelectorAll('iframe')) {
  const page = frame.contentDocument, root = page.documentElement, width = frame.clientWidth;
  for (const one of page.querySelectorAll('details')) one.open = true;
  const box = part => part.getBoundingClientRect();
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top ||
    b.bottom <= a.top;
  const svg = page.querySelector('svg');
  const texts = [...svg.querySelectorAll('text')], boxes = [...svg.querySelectorAll('g rect')];
  const rects = texts.map(box), frames = boxes.map(box);
  const edge = box(svg);
  found[frame.name] = {
    title: page.title,
    scripts: page.querySelectorAll('script').length,
    scrolled: Math.max(root.scrollWidth, page.body.scrollWidth) - width,
    outside: [...page.querySelectorAll('body *')].filter(part => !part.closest('.scroll') &&
      box(part).right > width + 1).map(part => part.outerHTML.slice(0, 90)),
    texts: texts.length,
    overlapping: rects.flatMap((a, i) => rects.slice(i + 1).filter(b =>
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3 && !apart(a, b))).length,
    boxes: frames.flatMap((a, i) => frames.slice(i + 1).filter(b => !apart(a, b))).length,
    leaving: texts.filter(text => {
      const a = box(text), b = box(text.closest('g').querySelector('rect'));
      return a.left < b.left || a.right > b.right || a.top < b.top || a.bottom > b.bottom;
    }).map(text => text.textContent),
    clipped: frames.filter(a => a.left < edge.left || a.right > edge.right).length,
    smallest: Math.min(...rects.map(a => a.height)),
    wide: svg.closest('.scroll').scrollWidth > svg.closest('.scroll').clientWidth,
    hint: box(page.querySelector('.hint')).height > 0,
    reachable: svg.closest('.scroll').scrollWidth >= edge.width,
  };
}
document.body.innerHTML = '';
document.body.textContent = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def measured(lineages, tmp_path_factory):
    """By lineage and width, what the browser made of it."""
    pages = {
        f"{name}, {medium}": (render_page(found), width)
        for name, found in lineages.items()
        for medium, width in WIDTHS.items()
    }
    return measure_pages(pages, MEASURE, tmp_path_factory.mktemp("browser"))


@needs_browser
@pytest.mark.parametrize(
    "page", [f"{name}, {medium}" for name in ("usual", "many", "bad", "alone") for medium in WIDTHS]
)
class TestInABrowser:
    def test_nothing_sticks_out(self, measured, page):
        found = measured[page]
        assert found["outside"] == []
        assert found["scrolled"] <= 0
        assert found["clipped"] == 0
        assert found["reachable"]
        # Who has to push the picture aside is told so.
        assert found["hint"] == found["wide"]

    def test_texts_lie_in_their_boxes_and_are_readable(self, measured, page):
        found = measured[page]
        assert found["texts"] > 0
        assert found["leaving"] == []
        assert found["overlapping"] == 0
        assert found["boxes"] == 0
        assert found["smallest"] >= 12

    def test_no_value_runs(self, measured, page):
        assert measured[page]["scripts"] == 0
        assert measured[page]["title"].startswith("Lineage of ")
