"""Pictures of graphs: whole, the same each time, and telling what is there."""

import re
import subprocess
import sys

import numpy as np
import pytest

from nsl_tfx.graph import EdgeList, measure_graph, write_graph
from nsl_tfx.graph.graph import Graph
from nsl_tfx.graph.reporting.plots import bars_between, degree_bins, plot_graph, weight_counts


def star(leaves: int) -> Graph:
    """A node in the middle, and two nodes without an edge."""
    names = [b"%d" % i for i in range(leaves)]
    return Graph.from_edges(["hub"] * leaves, names, np.linspace(0.25, 1, leaves), ["x", "y"])


GRAPHS = {
    "few degrees": star(20),
    "many degrees": star(200),
    "undirected": Graph.from_edges(*zip(*[(i, i + 1) for i in range(9)]), directed=False),  # noqa: B905
    "a hub": Graph.from_edges(["hub"] * 300, list(range(300)), directed=False),
    "one weight": Graph.from_edges(["a"], ["b"], [1.0]),
    "weights far apart": Graph.from_edges("abc", "bca", [1e-30, 1.0, 1e30]),
    "negative weights": Graph.from_edges("abc", "bca", [-3.0, -2.0, -1.0]),
    "no edges": Graph.from_edges([], [], nodes=["a", "b"]),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("form", ["png", "svg"])
def test_pictures_of_all_kinds_of_graphs(tmp_path, name, form):
    folder = str(tmp_path / "graph")
    GRAPHS[name].write(folder)
    contents = set()
    for path in (tmp_path / f"a.{form}", tmp_path / "new" / f"b.{form.upper()}"):
        plot_graph(folder, str(path))
        contents.add(path.read_bytes())
    (content,) = contents
    assert content.startswith(b"\x89PNG" if form == "png" else b"<?xml")
    assert not list(tmp_path.rglob("*.part"))


def texts_of(path):
    # Matplotlib draws text as outlines and names it in a comment.
    return re.findall("<!-- (.*?) -->", path.read_text(), re.DOTALL)


def test_numbers_of_nodes_and_edges_are_whole(tmp_path):
    plot_graph(GRAPHS["no edges"], str(tmp_path / "x.svg"))
    texts = texts_of(tmp_path / "x.svg")
    assert [text for text in texts if not text.isalpha() and " " not in text] == [*"01", *"012"]


@pytest.mark.parametrize("form", ["png", "svg"])
def test_graphs_in_memory_look_like_their_files(tmp_path, form):
    graph = GRAPHS["many degrees"]
    graph.write(str(tmp_path / "graph"))
    for name, one in {"a": graph, "b": tmp_path / "graph"}.items():
        plot_graph(one, str(tmp_path / f"{name}.{form}"))
    assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_titles_count_and_isolated_nodes_are_named(tmp_path):
    GRAPHS["many degrees"].write(str(tmp_path / "graph"))
    plot_graph(str(tmp_path / "graph"), str(tmp_path / "x.svg"))
    texts = texts_of(tmp_path / "x.svg")
    for text in ("Degrees of 203 nodes", "Weights of 200 edges", "weight", "edges from a node"):
        assert text in texts
    assert any("not shown: 202 from, 3 to" in text for text in texts)


def test_titles_of_one(tmp_path):
    plot_graph(Graph.from_edges(["a"], ["a"]), tmp_path / "x.svg")
    assert {"Degrees of 1 node", "Weights of 1 edge"} <= {*texts_of(tmp_path / "x.svg")}


def test_a_folder_without_metrics_is_named(tmp_path):
    write_graph(tmp_path / "graph", [b"a"], EdgeList.concatenate([]), {})
    with pytest.raises(ValueError, match="without degree_histogram"):
        plot_graph(tmp_path / "graph", tmp_path / "x.svg")


@pytest.mark.parametrize("largest", [1, 2, 60, 61, 1000, 10**7])
def test_bins_hold_every_degree_once(largest):
    bins = degree_bins(largest)
    assert bins[0] == 0.5
    assert bins[-1] > largest
    assert np.all(np.diff(bins) >= 1)
    assert np.array_equal(bins % 1, np.full(len(bins), 0.5))


@pytest.mark.parametrize("largest", [61, 10**7])
def test_bars_on_a_logarithmic_axis_hold_their_degrees_and_shrink(largest):
    bars = bars_between(degree_bins(largest))
    widths = np.diff(np.log(bars))
    assert np.all(bars[:3] < [1, 2, 3])
    assert np.all(bars[1:4] > [1, 2, 3])
    assert widths[0] < 2 * widths[1]
    assert bars[-1] > largest


def test_weights_of_all_files_are_counted(tmp_path):
    weights = np.random.default_rng(0).random(999).astype(np.float32)
    edges = EdgeList(np.arange(999), np.arange(999)[::-1], weights)
    info = {"metrics": measure_graph(999, edges).to_dict()}
    write_graph(str(tmp_path), [b"%03d" % i for i in range(999)], edges, info, edges_in_shard=100)
    counts, ends = weight_counts(str(tmp_path), 0, 1, bins=7)
    assert counts.tolist() == np.histogram(weights, ends)[0].tolist()
    assert counts.sum() == 999
    # Those outside are in the first and the last range.
    narrow, _ = weight_counts(str(tmp_path), 0.4, 0.6, bins=2)
    assert narrow.tolist() == [(weights < 0.5).sum(), (weights >= 0.5).sum()]


@pytest.mark.parametrize("name", ["graph.pdf", "graph", "png", ".svg.gz"])
def test_other_endings_are_refused_before_anything_is_read(name, tmp_path):
    with pytest.raises(ValueError, match=r"end in .png or .svg"):
        plot_graph(str(tmp_path / "none"), str(tmp_path / name))


def test_a_picture_of_no_graph(tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_graph(str(tmp_path), str(tmp_path / "x.png"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_no_display_is_asked_for_and_nothing_of_pyplot_is_loaded(tmp_path):
    GRAPHS["one weight"].write(str(tmp_path / "graph"))
    code = (
        "import os, sys\n"
        "from nsl_tfx.graph.reporting.plots import plot_graph\n"
        f"plot_graph({str(tmp_path / 'graph')!r}, {str(tmp_path / 'x.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/bin", "MPLBACKEND": "tkagg", "HOME": str(tmp_path), "LC_ALL": "tr_TR.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
