"""NSL's dicts and TSV files: what holds of them, and which lines are refused."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx import tools

# A byte-order mark at the start of a file is no part of an id.
IDS = st.text(
    st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]), min_size=1
)
EDGES = st.lists(st.tuples(IDS, IDS, st.integers(-(10**6), 10**6)), max_size=8)


def graph_of(edges):
    graph = {}
    for source, target, millionths in edges:
        tools.add_edge(graph, [source, target, millionths / 1e6])
    return graph


def test_the_first_edge_is_new_and_the_larger_weight_stays():
    graph = {}
    assert tools.add_edge(graph, ["a", "b"])
    assert graph == {"a": {"b": 1.0}}
    assert not tools.add_edge(graph, ("a", "b", 0.5))
    assert not tools.add_edge(graph, ("a", "b", "2.5"))
    assert tools.add_edge(graph, ("b", "a", "-1"))
    assert graph == {"a": {"b": 2.5}, "b": {"a": -1.0}}


@pytest.mark.parametrize("edge", [["a"], ["a", "b", 1, 2], [], ["a", "b", "x"], ["a", "b", None],
                                  ["a", "b", "nan"], ["a", "b", float("inf")]])  # fmt: skip
def test_no_edge(edge):
    with pytest.raises(ValueError, match="Expected"):
        tools.add_edge({}, edge)


@given(EDGES)
def test_undirected_edges_hold_the_larger_weight(edges):
    graph = graph_of(edges)
    both = {source: dict(targets) for source, targets in graph.items()}
    assert tools.add_undirected_edges(both) is None
    pairs = {(s, t) for s, targets in graph.items() for t in targets}
    assert {(s, t) for s, targets in both.items() for t in targets} == {
        *pairs, *((t, s) for s, t in pairs),
    }  # fmt: skip
    for source, targets in both.items():
        for target, weight in targets.items():
            weights = [graph.get(a, {}).get(b) for a, b in ((source, target), (target, source))]
            assert weight == max(one for one in weights if one is not None)


@given(EDGES)
@pytest.mark.parametrize("name", ["graph.tsv", "graph.tsv.gz"])
def test_files_hold_the_graph(tmp_path_factory, name, edges):
    path = str(tmp_path_factory.mktemp("graph") / name)
    graph = graph_of(edges)
    tools.write_tsv_graph(path, graph)
    assert tools.read_tsv_graph(path) == graph


def test_files_are_sorted_and_have_six_decimals(tmp_path):
    path = tmp_path / "graph.tsv"
    tools.write_tsv_graph(path, {"b": {"a": 0.1}, "a": {"c": 1, "b": 1e-9, "\udcff": 0}})
    assert path.read_bytes() == (
        b"a\tb\t1e-09\na\tc\t1.000000\na\t\xff\t0.000000\nb\ta\t0.100000\n"
    )
    assert tools.read_tsv_graph(path)["a"] == {"b": 1e-9, "c": 1, "\udcff": 0}


def test_a_compressed_file_is_the_same_at_any_time(tmp_path):
    for name in ("a.gz", "b.gz"):
        tools.write_tsv_graph(tmp_path / name, {"a": {"b": 0.5}})
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"a\tb\t0.500000\n"


@pytest.mark.parametrize("content", [
    b"a\tb\t0.5\nb\tc\n",
    b"\n\na\tb\t.5\n\nb\tc",
    b"\xef\xbb\xbfa\tb\t5e-1\r\nb\tc\t1\r\n\r\n",
    b"a\tb\t0.25\na\tb\t0.5\na\tb\t-3\nb\tc\t0\nb\tc",
    gzip.compress(b"a\tb\t0.5\nb\tc\n", mtime=0) + gzip.compress(b"", mtime=0),
])  # fmt: skip
def test_lines_of_every_kind(tmp_path, content):
    (tmp_path / "graph").write_bytes(content)
    assert tools.read_tsv_graph(tmp_path / "graph") == {"a": {"b": 0.5}, "b": {"c": 1.0}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"source\ttarget\tweight", "finite number as weight. Received: 'weight'"),
        (b"a", "source<TAB>target"),
        (b"a\tb\t1\t2", "source<TAB>target"),
        (b"\tb\t1", "nothing of it empty"),
        (b"a\tb\t", "nothing of it empty"),
        (b"a b 0.5", "Received: 'a b 0.5'"),
        (b"a\tb\tnan", "Received: 'nan'"),
        (b"a\tb\t0,5", "Received: '0,5'"),
    ],
)
def test_an_odd_line_is_named(tmp_path, line, message):
    (tmp_path / "graph").write_bytes(b"a\tb\n\n" + line + b"\n")
    with pytest.raises(ValueError, match=f"graph, line 3: Expected.*{message}"):
        tools.read_tsv_graph(tmp_path / "graph")


def test_a_file_that_was_cut_off_is_an_error(tmp_path):
    lines = b"".join(b"%d\t%d\n" % (i, i * i) for i in range(999))
    (tmp_path / "graph.gz").write_bytes(gzip.compress(lines)[:-20])
    with pytest.raises(ValueError, match=r"graph.gz.*cut off or damaged"):
        tools.read_tsv_graph(tmp_path / "graph.gz")


def test_an_empty_file_is_an_empty_graph(tmp_path):
    (tmp_path / "graph").touch()
    assert tools.read_tsv_graph(str(tmp_path / "graph")) == {}
    with pytest.raises(FileNotFoundError):
        tools.read_tsv_graph(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "graph", [{"a\tb": {"c": 1}}, {"a": {"b\n": 1}}, {"a": {"": 1}}, {"a": {"b": float("nan")}}]
)
def test_what_a_file_cannot_hold_leaves_the_former_file(tmp_path, graph):
    path = tmp_path / "graph.tsv"
    tools.write_tsv_graph(path, {"x": {"y": 1}})
    with pytest.raises(ValueError, match="Expected"):
        tools.write_tsv_graph(path, {"A": {"B": 1}, **graph})
    assert [file.name for file in tmp_path.iterdir()] == ["graph.tsv"]
    assert tools.read_tsv_graph(path) == {"x": {"y": 1}}


def test_remote_files():
    path = "ram://nsl_tfx/tools/graph.tsv.gz"
    tools.write_tsv_graph(path, {"a": {"b": 0.5}})
    assert tools.read_tsv_graph(path) == {"a": {"b": 0.5}}
