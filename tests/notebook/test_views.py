"""What a notebook is shown, made without one."""

import base64
import json
import re
import shutil
import sys
from html import unescape

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import notebook
from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import write_graph
from nsl_tfx.io.records import write_records
from nsl_tfx.notebook.features import find_features
from nsl_tfx.notebook.sampling import sample_neighborhoods
from nsl_tfx.robustness import RobustnessResult, Verdict
from nsl_tfx.robustness.reporting.files import save
from nsl_tfx.tools.imported_graph import import_graph_folder
from tests.robustness.results import CONFIG, make_result

EVIL = '<script>alert("x")</script>'


def make_graph(folder, edges):
    table = folder / "edges.tsv"
    table.write_text("".join(f"{a}\t{b}\t{weight}\n" for a, b, weight in edges))
    import_graph_folder(GraphImportConfig(paths=(str(table),)), (), str(folder / "graph"))
    return str(folder / "graph")


def make_example(id_, **features):
    example = tf.train.Example()
    example.features.feature["id"].bytes_list.value.append(id_.encode())
    for name, values in features.items():
        feature = example.features.feature[name]
        if isinstance(values[0], str):
            feature.bytes_list.value.extend(one.encode() for one in values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return example.SerializeToString()


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    edges = [("a", f"b{i}", 0.9 - 0.1 * i) for i in range(6)] + [("a", EVIL, 0.05)]
    return make_graph(folder, edges)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples") / "Split-train"
    folder.mkdir()
    records = [make_example("a", words=["Hello, world"], image=list(np.linspace(0, 1, 64)))]
    records += [make_example(f"b{i}", label=[i], words=["x" * 200]) for i in range(6)]
    records.append(make_example(EVIL, words=[EVIL]))
    write_records(str(folder / "data.gz"), records)
    return str(folder.parent)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    save(make_result(baseline=True, blessed=True), str(folder))
    return folder


def pictures(html):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [base64.b64decode(one) for one in found]


def test_a_sample_holds_the_nearest_neighbors_first(graph):
    (one,) = [one for one in sample_neighborhoods(graph, nodes=99, neighbors=3) if one.degree > 1]
    assert (one.node, one.degree) == (b"a", 7)
    assert [id_ for id_, _ in one.neighbors] == [b"b0", b"b1", b"b2"]
    np.testing.assert_allclose([weight for _, weight in one.neighbors], [0.9, 0.8, 0.7], rtol=1e-6)


def test_a_sample_is_chosen_by_its_seed(graph):
    nodes = {
        tuple(one.node for one in sample_neighborhoods(graph, 2, seed=seed)) for seed in range(9)
    }
    assert len(nodes) > 1
    assert all(len(one) == 2 for one in nodes)
    assert sample_neighborhoods(graph, 2, seed=3) == sample_neighborhoods(graph, 2, seed=3)


@pytest.mark.parametrize("name", ["nodes", "neighbors"])
def test_a_sample_holds_something(graph, name):
    with pytest.raises(ValueError, match=f"Expected {name} >= 1.*Received: -1"):
        sample_neighborhoods(graph, **{name: -1})


def test_features_are_found_by_id_and_told_shortly(examples):
    found = find_features(examples, [b"a", b"b3", b"nobody"], "id")
    assert set(found) == {b"a", b"b3"}
    assert found[b"a"] == "words: Hello, world; image: 0, 0.0159, 0.0317, 0.0476, ... (64 values)"
    assert found[b"b3"].startswith("label: 3; words: xxx")
    assert len(found[b"b3"]) < 90


def test_features_of_numbered_examples_are_found(tmp_path):
    (tmp_path / "Split-train").mkdir()
    record = make_example("x", number=[7], label=[1])
    write_records(str(tmp_path / "Split-train" / "data"), [record])
    assert find_features(str(tmp_path), [b"7"], "number") == {b"7": "id: x; label: 1"}


def test_a_graph_is_shown_with_histograms_and_neighbors(graph, examples):
    html = notebook.graph_html(graph, examples, nodes=99)
    (picture,) = pictures(html)
    assert picture.startswith(b"\x89PNG")
    assert "Hello, world" in html
    assert "<b>8</b>nodes" in html
    assert "7 edges" in html
    assert ">0.9<" in html
    assert html == notebook.graph_html(graph, examples, nodes=99)


def test_without_examples_ids_alone_are_shown(graph, tmp_path):
    for examples in (None, str(tmp_path / "gone")):
        html = notebook.graph_html(graph, examples)
        assert "Some nodes" in html
        assert "words" not in html


def test_a_graph_without_edges_says_so(tmp_path):
    write_graph(tmp_path, [b"alone"], EdgeList([], [], []), {"metrics": {}})
    html = notebook.graph_html(str(tmp_path))
    assert "The graph has no edges." in html
    # Written without metrics, it has no histograms either.
    assert "Expected a graph whose metrics are known." in html


def test_no_value_of_a_graph_becomes_a_part_of_the_page(graph, examples):
    html = notebook.graph_html(graph, examples, nodes=99, neighbors=99)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_an_evaluation_is_shown_with_verdict_curve_and_report(evaluation):
    html = notebook.evaluation_html(str(evaluation))
    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert "Pass, blessed" in html
    assert metrics["reasons"][0] in html
    assert f"{100 * metrics['model']['robust_accuracy']['value']:.1f} % (" in html
    assert "baseline, under attack" in html
    assert len(pictures(html)) == 1
    assert f'href="{(evaluation / "report.html").as_uri()}"' in html
    assert "<iframe sandbox" in html
    (report,) = re.findall(r'srcdoc="([^"]+)"', html)
    assert unescape(report) == (evaluation / "report.html").read_text()


def test_without_a_report_none_is_linked(evaluation, tmp_path):
    shutil.copy(evaluation / "metrics.json", tmp_path)
    html = notebook.evaluation_html(str(tmp_path))
    assert "report.html" not in html


def test_a_model_that_could_not_be_run_has_its_reasons_shown(tmp_path):
    save(RobustnessResult(Verdict.INCONCLUSIVE, (EVIL,), CONFIG), str(tmp_path))
    html = notebook.evaluation_html(str(tmp_path))
    assert "Inconclusive" in html
    assert "there is no curve" in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, FileNotFoundError, "has the run of RobustnessEvaluator ended"),
        ("{", ValueError, "Expected JSON"),
        ("{}", ValueError, "without a verdict"),
        ("[]", ValueError, "without a verdict"),
        ('{"verdict": "pass"}', ValueError, "without a verdict and a config"),
    ],
)
def test_what_is_no_evaluation_is_told(tmp_path, content, error, message):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(error, match=message):
        notebook.evaluation_html(str(tmp_path))


def test_what_is_no_graph_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="graph"):
        notebook.graph_html(str(tmp_path))


def test_without_matplotlib_the_rest_is_shown(graph, evaluation, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for html in (notebook.graph_html(graph), notebook.evaluation_html(str(evaluation))):
        assert "Install Matplotlib to see" in html
        assert pictures(html) == []


def test_without_ipython_its_absence_is_told(graph, evaluation, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    for show in (lambda: notebook.show_graph(graph), lambda: notebook.show_evaluation(evaluation)):
        with pytest.raises(ImportError, match=r"nsl-tfx\[notebook\]"):
            show()
