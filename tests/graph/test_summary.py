"""The table about a graph: what it tells, and what it leaves out where nothing is known."""

import pytest
from rich.console import Console

from nsl_tfx.graph import EdgeList, measure_graph, write_graph
from nsl_tfx.graph.summary import summarize, summary_rows

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
        "components": "2, the largest with 75.0 % of the nodes",
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
    assert rows["edges"] == (
        "3, joining 2 pairs; 0.0 % have a reverse; 1 edge from a node to itself"
    )
    assert rows["edges to a node"].endswith("max 2")


@pytest.mark.parametrize(
    ("info", "row", "text"),
    [
        ({"recall": 0.5, "recall_low": 0.25, "recall_high": 1}, "recall", "50.0 % (25.0 to 100.0"),
        ({"recall": 0.5}, "recall", "50.0 %"),
        ({"recall": {"share": 0.5, "nodes": 1000}}, "recall", "50.0 %; measured on 1,000 nodes"),
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
    assert dict(summary_rows(described(**info)))[row].startswith(text)


def test_what_is_not_known_is_left_out():
    rows = summary_rows({"nodes": 4, "edges": 0})
    assert rows == [("nodes", "4"), ("edges", "0")]
    empty = measure_graph(1, EdgeList.concatenate([])).to_dict()
    names = dict(summary_rows({"nodes": 1, "edges": 0, "metrics": empty}))
    assert list(names) == ["nodes", "edges", "edges of a node", "components"]


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
