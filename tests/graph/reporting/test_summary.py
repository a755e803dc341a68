"""The table about a graph: what it tells, and what it leaves out where nothing is known."""

import pytest
from rich.console import Console

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import (
    EdgeList,
    Graph,
    build_similarity_graph,
    measure_graph,
    read_graph,
    write_graph,
)
from nsl_tfx.graph.reporting.summary import Summary, summarize, summary_rows

EDGE_OF_NODES = ["without", "an", "edge"]
EDGES = EdgeList([0, 1, 0, 2], [1, 0, 2, 0], [0.5, 0.5, 0.25, 0.25])
INFO = {
    "config": {"similarity": "cosine", "num_neighbors": 5, "similarity_threshold": 0.2},
    "drops": {"below_threshold": 1234, "not_mutual": 0, "nodes_at_cap": 1},
    "method": "exact",
    "recall": {"share": 0.987, "low": 0.98, "high": 0.99},
}


def described(labels=None, **info):
    metrics = measure_graph(4, EDGES, labels).to_dict()
    return {"nodes": 4, "edges": 4, "metrics": metrics, **INFO, **info}


def test_it_tells_all_that_is_known():
    assert dict(summary_rows(described(labels=["cat", "cat", "dog", None]))) == {
        "nodes": "4, of which 1 (25.0 %) without an edge",
        "edges": "4, joining 2 pairs both ways",
        "edges of a node": "mean 1, median 1, 99 % 2, max 2",
        "components": "2, the largest of 3 nodes (75.0 %)",
        "weights": "min 0.25, 5 % 0.25, median 0.375, 95 % 0.5, max 0.5",
        "label agreement": "50.0 % (9.5 to 90.5 %); by chance 33.3 %; 2 labeled pairs",
        "recall": "98.7 % (98.0 to 99.0 %)",
        "dropped": "below threshold 1,234",
        "at the cap": "1 node whose nearest neighbors all reach the threshold",
        "method": "exact, similarity cosine, num neighbors 5, similarity threshold 0.2",
    }


def test_directed_graphs_and_loops():
    metrics = measure_graph(3, EdgeList([0, 1, 2], [1, 2, 2], [1, 1, 1])).to_dict()
    rows = dict(summary_rows({"nodes": 3, "edges": 3, "metrics": metrics}))
    assert rows["edges"] == ("3, joining 2 pairs; 0 % have a reverse; 1 edge from a node to itself")
    assert rows["edges to a node"].endswith("max 2")


@pytest.mark.parametrize(
    ("info", "row", "text"),
    [
        ({"recall": 0.5, "recall_low": 0.25, "recall_high": 1}, "recall", "50.0 % (25.0 to 100 %)"),
        ({"recall": 0.5}, "recall", "50.0 %"),
        ({"recall": {"share": 1.0, "low": 1.0, "high": 1.0}}, "recall", "100 %"),
        ({"recall": {"share": 0.9999, "low": 0.9, "high": 1.0}}, "recall", ">99.9 % (90.0 to "),
        ({"recall": {"share": 1.0, "low": 0.9996, "high": 1.0}}, "recall", "100 %"),
        ({"recall": 0.0001}, "recall", "<0.1 %"),
        (
            {"config": {"method": "approximate"}},
            "method",
            "exact (4 nodes are too few to approximate)",
        ),
        ({"metrics": {**described()["metrics"], "components": 1}}, "components", "1"),
        (
            {"nodes": 50_001, "metrics": {**described()["metrics"],
                                          "largest_component_share": 50_000 / 50_001}},
            "components",
            "2, the largest of 50,000 nodes (>99.9 %)",
        ),
        ({"recall": {"share": 0.5, "nodes": 1000}}, "recall", "50.0 %; measured on 1,000 nodes"),
        ({"recall": {"share": 1.0, "low": 0.0, "high": 1.0, "nodes": 1}}, "recall", "not measured"),
        (
            {"metrics": {**described()["metrics"], "weight_quantiles": {"0.0": 1.0, "1.0": 1.0}}},
            "weights",
            "all 1",
        ),
        (
            {"metrics": {**described()["metrics"], "weight_quantiles": {"0.0": 0.5,
                                                                        "1.0": 12345.0}}},
            "weights",
            "min 0.5, max 12,345",
        ),
        (
            {"metrics": {**described()["metrics"], "mean_degree": 1234.5}},
            "edges of a node",
            "mean 1,234, median",
        ),
        ({"config": {"num_neighbors": 1000}}, "method", "exact, num neighbors 1,000"),
        ({"recall": {"share": None}, "method": "exact"}, "method", "exact, similarity cosine"),
        (
            {"method": "approximate", "rounds": 6, "config": {"random_seed": 3}},
            "method",
            "approximate in 6 rounds, seed 3",
        ),
        (
            {"metrics": {**described()["metrics"], "cross_split_edges": 1,
                         "split_edges": {"eval": {"eval": 9, "train": 1}, "train": {"eval": 0}}}},
            "across splits",
            "1 edge (25.0 %): eval to train 1",
        ),
        (
            {"metrics": {**described()["metrics"], "dangling": {"ids": 2, "names": ["x", "y"],
                                                                "edges": 3}}},
            "unknown ids",
            "2, at 3 edges, such as x, y",
        ),
        (
            {"metrics": {**described()["metrics"], "components": None,
                         "not_measured": {"components": "too large"}}},
            "not measured",
            "components (too large)",
        ),
    ],
)  # fmt: skip
def test_further_rows(info, row, text):
    found = dict(summary_rows(described(**info)))[row]
    assert found.startswith(text)
    assert "(100" not in found


def test_one_split_has_no_edges_across_splits():
    metrics = {**described()["metrics"], "cross_split_edges": 0, "split_edges": {"a": {"a": 4}}}
    assert "across splits" not in dict(summary_rows(described(metrics=metrics)))


def test_what_is_not_known_is_left_out():
    rows = summary_rows({"nodes": 4, "edges": 0})
    assert rows == [("nodes", "4"), ("edges", "0")]
    empty = measure_graph(1, EdgeList.concatenate([])).to_dict()
    names = dict(summary_rows({"nodes": 1, "edges": 0, "metrics": empty}))
    assert list(names) == ["nodes", "edges", "edges of a node", "components"]
    assert names["edges"] == "0"


def texts_of(graph):
    """The words of each line of a graph's summary, or of a summary's rows."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(Summary(graph) if isinstance(graph, tuple) else summarize(graph))
    return [line.split() for line in capture.get().splitlines()]


def test_graphs_in_memory_tell_what_their_files_would(tmp_path):
    graph = Graph.from_edges(["a", "b"], ["b", "a"], [0.5, 0.5], nodes=["c"])
    graph.write(str(tmp_path / "x"))
    assert texts_of(graph) == texts_of(tmp_path / "x")
    read = read_graph(str(tmp_path / "x"))
    assert read.ids == [b"a", b"b"]  # its files do not name the node without an edge
    assert texts_of(read) == texts_of(graph)


def test_a_graph_that_was_just_built():
    config = SimilarityGraphConfig(embedding_feature="x", num_neighbors=1)
    graph = build_similarity_graph([b"a", b"b"], [[1.0, 2.0], [2.0, 1.0]], config)
    texts = texts_of(graph)
    assert texts[:2] == [["nodes", "2"], ["edges", "2,", "joining", "1", "pair", "both", "ways"]]
    assert ["method", "exact"] in texts


@pytest.mark.parametrize(
    ("graph", "error", "text"),
    [
        (None, TypeError, "Expected a graph: .* Received: NoneType"),
        (Graph.from_edges([], []), ValueError, "Expected at least one node"),
    ],
)
def test_what_cannot_be_summarized(graph, error, text):
    with pytest.raises(error, match=text):
        summarize(graph)


def test_a_summary_shows_itself_everywhere():
    summary = summarize(Graph.from_edges(["a", "[b]"], ["[b]", "a"]))
    lines = str(summary).splitlines()
    assert lines[:2] == ["nodes             2", "edges             2, joining 1 pair both ways"]
    assert repr(summary) == str(summary)
    assert [line.split() for line in lines] == texts_of(summary.rows)
    notebook = summary._repr_mimebundle_()
    assert "joining 1 pair" in notebook["text/plain"]
    assert "joining 1 pair" in notebook["text/html"]


def test_names_that_look_like_tags_are_shown():
    assert texts_of((("unknown ids", "1, such as '[bold]'"),))[0][-1] == "'[bold]'"


def test_the_table_of_a_folder(tmp_path):
    info = {**INFO, "metrics": described()["metrics"]}
    write_graph(str(tmp_path), [b"a", b"b", b"c", b"d"], EDGES, info)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(summarize(str(tmp_path)))
    lines = capture.get().splitlines()
    assert lines[0].split() == ["nodes", "4,", "of", "which", "1", "(25.0", "%)", *EDGE_OF_NODES]
    assert all(len(line) <= 80 for line in lines)
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        summarize(str(tmp_path / "none"))
