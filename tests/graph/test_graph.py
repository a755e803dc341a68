"""A graph to other libraries' forms and back, exactly; and what no graph can be made of."""

import os
import tempfile

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from nsl_tfx.graph import EdgeList, write_graph
from nsl_tfx.graph.graph import Graph, read_graph
from nsl_tfx.io.storage import read_bytes

WEIGHTS = st.floats(width=32, allow_nan=False, allow_infinity=False)
IDS = st.binary(min_size=1, max_size=4)


@st.composite
def graphs(draw, ids=IDS) -> Graph:
    names = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    ends = st.sampled_from(names)
    pairs = draw(st.lists(st.tuples(ends, ends), unique=True, max_size=12))
    weights = [draw(WEIGHTS) for _ in pairs]
    return Graph.from_edges([s for s, _ in pairs], [t for _, t in pairs], weights, names)


def content(graph: Graph):
    edges = graph.edges
    # As bits, so that -0.0 differs from 0.0.
    return graph.ids, *(a.tolist() for a in (edges.source, edges.target, edges.weight.view("i4")))


def through_files(graph):
    with tempfile.TemporaryDirectory() as folder:
        graph.write(folder)
        return Graph.from_arrow(read_graph(folder).to_arrow(), nodes=graph.ids)


def triples(*columns):
    return set(zip(*columns, strict=True))


ROUND_TRIPS = {
    "arrow": lambda graph: Graph.from_arrow(graph.to_arrow(), nodes=graph.ids),
    "pandas": lambda graph: Graph.from_pandas(graph.to_pandas(), nodes=graph.ids),
    "csr": lambda graph: Graph.from_csr(*graph.to_csr()),
    "networkx": lambda graph: Graph.from_networkx(graph.to_networkx(directed=True)),
    "networkx, as it comes": lambda graph: Graph.from_networkx(graph.to_networkx()),
    "files": through_files,
}


@pytest.mark.parametrize("form", ROUND_TRIPS)
@settings(max_examples=50, deadline=None)
@given(graph=graphs())
def test_round_trips_are_exact(form, graph):
    assert content(ROUND_TRIPS[form](graph)) == content(graph)


@settings(max_examples=50, deadline=None)
@given(
    graph=graphs(
        ids=st.text(min_size=1, max_size=3).map(lambda text: text.encode("utf-8", "ignore") or b"x")
    )
)
def test_round_trips_as_text(graph):
    frame = graph.to_pandas(decode=True)
    assert all(isinstance(name, str) for name in frame["source"])
    assert content(Graph.from_pandas(frame, nodes=graph.names(decode=True))) == content(graph)
    assert content(Graph.from_networkx(graph.to_networkx(True, decode=True))) == content(graph)


@settings(max_examples=50, deadline=None)
@given(graph=graphs())
def test_edges_lie_where_they_belong(graph):
    names, edges = np.array([*graph.ids, None], object), graph.edges
    expected = triples(names[edges.source], names[edges.target], edges.weight)
    matrix, ids = graph.to_csr()
    entries = matrix.tocoo()
    assert triples(ids[entries.row], ids[entries.col], entries.data) == expected
    assert set(graph.to_networkx(directed=True).edges(data="weight")) == expected
    frame = graph.to_pandas()
    assert triples(frame["source"], frame["target"], frame["weight"]) == expected
    assert frame["weight"].dtype == np.float32


@pytest.mark.parametrize(
    "ids",
    [
        ["a", "b"],
        [b"a", b"b"],
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        pd.Series(["a", "b"]),
        pd.Series(["a", "b"], dtype="string"),
        pd.Series(["a", "b"], dtype="category"),
        pa.array(["a", "b"]),
        pa.array(["a", "b"], pa.large_string()),
        pa.array([b"a", b"b"], pa.large_binary()),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.chunked_array([["a"], ["b"]]),
        pa.chunked_array([["a"], ["b"]]).dictionary_encode(),
    ],
    ids=lambda ids: type(ids).__name__ + str(getattr(ids, "dtype", getattr(ids, "type", ""))),
)
def test_ids_of_any_form(ids):
    graph = Graph.from_edges(ids, [b"c", "\N{SNOWMAN}"])
    assert graph.ids == [b"a", b"b", b"c", "\N{SNOWMAN}".encode()]
    assert graph.edges.weight.tolist() == [1, 1]


@pytest.mark.parametrize(
    "ids",
    [[10, 9], np.array([10, 9]), np.array([10, 9], "u1"), pd.Series([10, 9]), pa.array([10, 9]),
     [10, "9"], np.array([10, 9], object), pd.Series([10, 9], dtype="Int64")],
)  # fmt: skip
def test_integers_become_digits(ids):
    assert Graph.from_edges(ids, ["x", "x"]).ids == [b"10", b"9", b"x"]


def test_ids_that_end_in_zeros_keep_them():
    assert Graph.from_edges([b"a\0", b"a"], [b"b", b"b"]).ids == [b"a", b"a\0", b"b"]


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (["a", None], ValueError, "Received: None in row 1. Remove such rows."),
        (["a", ""], ValueError, "Received: b'' in row 1"),
        (["a", np.nan], ValueError, "Received: None in row 1"),
        (pd.Series(["a", pd.NA], dtype="string"), ValueError, "None in row 1"),
        (pa.array(["a", None]), ValueError, "None in row 1"),
        ([1.5, 2.5], TypeError, "row 0 of the edges' sources. Received: 1.5 \\(a float\\)"),
        (np.array([1.0, 2.0]), TypeError, "Received: 1.0 \\(a float\\)"),
        (pd.Series([1.0, np.nan]), TypeError, "astype\\('int64'\\)"),
        ([True, False], TypeError, "Received: True \\(a bool\\)"),
        (pa.array([1.0, 2.0]), TypeError, "Received: double"),
        ([["a"], ["b"]], TypeError, "Received: \\['a'\\] \\(a list\\)"),
        (["a", "\udcff"], ValueError, "text that UTF-8 can write"),
        (["a"], ValueError, "Received lengths: 1, 2, 1"),
    ],
)
def test_ids_that_are_none(ids, error, message):
    with pytest.raises(error, match=message):
        Graph.from_edges(ids, ["x", "y"])


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([0.5, np.nan], ValueError, "Received: nan in row 1, and 0 more"),
        ([0.5, np.inf], ValueError, "Received: inf in row 1"),
        ([0.5, 1e39], ValueError, "Received: 1e\\+39 in row 1"),
        ([0.5, None], ValueError, "Received: nan in row 1"),
        (pa.array([0.5, None]), ValueError, "Received: nan in row 1"),
        (["a", "b"], TypeError, "Expected numbers as weights. Received: <U1"),
        (pd.Series(["a", "b"]), TypeError, "Expected numbers as weights. Received: str"),
        ([True, False], TypeError, "Received: bool"),
        ([1.0], ValueError, "Received lengths: 2, 2, 1"),
    ],
)
def test_weights_that_are_none(weights, error, message):
    with pytest.raises(error, match=message):
        Graph.from_edges(["a", "b"], ["x", "y"], weights)


def test_an_edge_given_twice_is_an_error():
    with pytest.raises(ValueError, match=r"several times: 'a' to 'b'. Merge them first"):
        Graph.from_edges(["a", "a", b"a"], ["b", "b", "c"], [1, 2, 3])


def test_missing_columns_are_named():
    frame = pd.DataFrame({"from": ["a"], "to": ["b"]})
    with pytest.raises(ValueError, match=r"'source', 'target', 'weight'. Received: 'from', 'to'"):
        Graph.from_pandas(frame)
    with pytest.raises(ValueError, match="Received: none"):
        Graph.from_arrow(pa.table({}))
    assert Graph.from_pandas(frame, "from", "to", None).edges.weight.tolist() == [1]


def test_undirected_edges_get_the_larger_weight_both_ways():
    graph = Graph.from_edges("aab", "bcb", [0.5, 0.25, 1.0], directed=False)
    both = Graph.from_edges("aabbc", "bcaba", [0.5, 0.25, 0.125, 1.0, 0.25], directed=False)
    assert content(graph) == content(both)
    assert not graph.is_directed
    result = graph.to_networkx()
    assert not result.is_directed()
    assert result.number_of_edges() == 3


def test_a_directed_graph_is_not_made_undirected():
    graph = Graph.from_edges(["a", "b"], ["b", "a"], [0.5, 0.75])
    with pytest.raises(ValueError, match="Leave the argument out to get a DiGraph"):
        graph.to_networkx(directed=False)
    assert graph.to_networkx().is_directed()


def test_networkx_graphs_of_every_kind():
    plain = nx.path_graph(3)
    plain.add_node("alone")
    graph = Graph.from_networkx(plain)
    assert graph.ids == [b"0", b"1", b"2", b"alone"]
    assert len(graph.edges) == 4
    assert set(graph.edges.weight) == {1}
    twice = nx.MultiDiGraph([("a", "b"), ("a", "b")])
    with pytest.raises(ValueError, match="each edge once"):
        Graph.from_networkx(twice)
    assert Graph.from_networkx(nx.Graph(), weight=None).ids == []


def test_csr_of_wrong_shape_or_kind():
    with pytest.raises(TypeError, match=r"scipy.sparse.csr_array\(matrix\)"):
        Graph.from_csr(np.eye(2))
    with pytest.raises(ValueError, match=r"Received shape \[2, 2\] and 3 ids"):
        Graph.from_csr(sparse.eye(2), "abc")
    with pytest.raises(ValueError, match="2 ids, of which 1 are different"):
        Graph.from_csr(sparse.csr_array((2, 2)), ["a", b"a"])
    with pytest.raises(ValueError, match=r"Received shape \[2, 3\]"):
        Graph.from_csr(sparse.csr_array((2, 3)))


def test_csr_rows_without_ids_are_numbered():
    matrix = sparse.coo_array(([0.5], ([10], [9])), shape=(11, 11))
    graph = Graph.from_csr(matrix)
    assert graph.ids == sorted(b"%d" % row for row in range(11))
    assert graph.to_arrow().to_pydict() == {
        "source": [b"10"], "target": [b"9"], "weight": [0.5],
    }  # fmt: skip


def test_ids_that_are_no_text_stay_bytes():
    graph = Graph.from_edges([b"\xff"], [b"a"])
    for convert in (graph.to_pandas, graph.to_networkx):
        with pytest.raises(ValueError, match=r"Received: b'.xff'. Leave out decode=True"):
            convert(decode=True)
    assert set(graph.to_networkx()) == {b"\xff", b"a"}


def test_writing_what_was_read_gives_the_same_bytes(tmp_path):
    info = {"method": "exact", "metrics": {"x": 1}, "directed": False}
    write_graph(str(tmp_path / "a"), [b"a", b"b", b"c"], EdgeList([0, 1], [1, 0], [0.5, 0.5]), info)
    graph = read_graph(str(tmp_path / "a"))
    assert graph.unnamed_nodes in (0, 1)  # one, where the files name only nodes with edges
    graph.write(str(tmp_path / "b"))
    assert sorted(os.listdir(tmp_path / "a")) == sorted(os.listdir(tmp_path / "b"))
    for name in os.listdir(tmp_path / "a"):
        assert read_bytes(str(tmp_path / "a" / name)) == read_bytes(str(tmp_path / "b" / name))


def test_a_new_graph_is_written_with_its_metrics(tmp_path):
    Graph.from_edges(["a"], ["b"]).write(str(tmp_path))
    info = read_graph(str(tmp_path)).info
    assert info["directed"]
    assert info["metrics"]["nodes"] == 2
    with pytest.raises(ValueError, match="at least one node"):
        Graph.from_edges([], []).write(str(tmp_path))
    assert read_graph(str(tmp_path)).ids == [b"a", b"b"]


def test_empty_graphs_have_every_form():
    graph = Graph.from_edges([], [])
    assert len(graph.to_pandas()) == len(graph.to_arrow()) == len(graph.to_networkx()) == 0
    assert graph.to_csr()[0].shape == (0, 0)
    assert list(graph.to_pandas().columns) == ["source", "target", "weight"]


def test_a_graph_is_shown_as_its_size_and_not_its_content(tmp_path):
    graph = Graph.from_edges(range(1000), range(1, 1001), nodes=["x"])
    assert repr(graph) == "Graph(nodes=1002, edges=1000)"
    assert repr(graph.edges) == "EdgeList(edges=1000)"
    graph.write(str(tmp_path))
    assert repr(read_graph(str(tmp_path))) == repr(graph)
