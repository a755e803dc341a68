"""A graph's other forms, read back by others' readers."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx import tools
from nsl_tfx.graph import EdgeList, write_graph
from nsl_tfx.graph.exporting.export import export_graph
from nsl_tfx.graph.graph import Graph
from nsl_tfx.io import read_record_blocks

FORMS = ["tsv", "csv", "parquet", "tfgnn"]
# Beyond its letters, CSV's quotes and separators.
NAMES = ["a", "b", 'q"uote', "com,ma", "\N{SNOWMAN}", " space "]
IDS = [name.encode() for name in NAMES]
GRAPH = Graph.from_edges(IDS, IDS[1:] + IDS[:1], [0.1, -1, 1e-9, 3e8, 0, 1 / 3])


@pytest.fixture
def folder(tmp_path):
    ids = sorted([*IDS, b"alone"])
    number = {name: place for place, name in enumerate(ids)}
    edges = EdgeList(
        [number[GRAPH.ids[s]] for s in GRAPH.edges.source],
        [number[GRAPH.ids[t]] for t in GRAPH.edges.target],
        GRAPH.edges.weight,
    )
    write_graph(str(tmp_path / "graph"), ids, edges, {}, edges_in_shard=2)
    return str(tmp_path / "graph")


def edges_of(graph):
    frame = graph.to_pandas()
    return {(s, t): w for s, t, w in frame.itertuples(index=False)}


def read_csv(path):
    return Graph.from_pandas(pd.read_csv(path, dtype={"weight": "f4"}, keep_default_na=False))


def features_of(path):
    import tensorflow as tf

    for _, _, records in read_record_blocks(str(path)):
        for record in records:
            yield tf.train.Example.FromString(record).features.feature


def read_tfgnn(path):
    edges = [edge for file in sorted(path.glob("edges.*")) for edge in features_of(file)]
    nodes = [node for file in sorted(path.glob("nodes.*")) for node in features_of(file)]
    assert all(sorted(node) == ["#id"] for node in nodes)
    assert all(sorted(edge) == ["#source", "#target", "weight"] for edge in edges)
    return Graph.from_edges(
        [edge["#source"].bytes_list.value[0] for edge in edges],
        [edge["#target"].bytes_list.value[0] for edge in edges],
        [edge["weight"].float_list.value[0] for edge in edges],
        [node["#id"].bytes_list.value[0] for node in nodes],
    )


READERS = {
    "csv": read_csv,
    "csv.gz": read_csv,
    "parquet": lambda path: Graph.from_arrow(pq.read_table(path)),
    "tfgnn": read_tfgnn,
}


@pytest.mark.parametrize("ending", READERS)
def test_exact_forms(folder, tmp_path, ending):
    path = tmp_path / "new" / f"graph.{ending}"
    export_graph(folder, str(path), ending.removesuffix(".gz"))
    assert edges_of(READERS[ending](path)) == edges_of(GRAPH)


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz"])
def test_tsv_has_six_decimals_or_as_many_as_needed(folder, tmp_path, ending):
    path = tmp_path / f"graph.{ending}"
    export_graph(folder, str(path), "tsv")
    graph = tools.read_tsv_graph(path)
    found = {(s, t): np.float32(w) for s, targets in graph.items() for t, w in targets.items()}
    assert found == {(s.decode(), t.decode()): w for (s, t), w in edges_of(GRAPH).items()}
    content = path.read_bytes()
    lines = (gzip.decompress(content) if ending.endswith("gz") else content).splitlines()
    assert lines[0] == b" space \ta\t0.33333334"
    assert any(line.endswith(b"\t0.100000") for line in lines)


def test_tfgnn_schema_names_what_is_there(folder, tmp_path):
    export_graph(folder, str(tmp_path / "out"), "tfgnn")
    assert sorted(os.listdir(tmp_path / "out")) == [
        "edges.tfrecords-00000-of-00001",
        "nodes.tfrecords-00000-of-00001",
        "schema.pbtxt",
    ]
    schema = (tmp_path / "out" / "schema.pbtxt").read_text()
    assert 'filename: "edges.tfrecords-?????-of-00001"\n      cardinality: 6' in schema
    assert 'filename: "nodes.tfrecords-?????-of-00001"\n      cardinality: 6' in schema
    assert schema.count("{") == schema.count("}")


def test_tfgnn_examples_are_those_that_protobuf_writes(folder, tmp_path):
    import tensorflow as tf

    export_graph(folder, str(tmp_path), "tfgnn")
    for _, _, records in read_record_blocks(str(tmp_path / "edges.tfrecords-00000-of-00001")):
        for record in records:
            example = tf.train.Example.FromString(record)
            assert record == example.SerializeToString(deterministic=True)


def test_tfgnn_files_are_sharded(folder, tmp_path, monkeypatch):
    from nsl_tfx.graph.exporting import tfgnn

    monkeypatch.setattr(tfgnn, "_RECORDS_IN_FILE", 4)
    monkeypatch.setattr(tfgnn, "_RECORDS_AT_ONCE", 2)
    export_graph(folder, str(tmp_path), "tfgnn")
    assert len(list(tmp_path.glob("edges.tfrecords-0000?-of-00002"))) == 2
    assert edges_of(read_tfgnn(tmp_path)) == edges_of(GRAPH)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_every_weight_passes_through_tsv(tmp_path_factory, weights):
    folder = tmp_path_factory.mktemp("graph")
    ids = [b"%d" % i for i in range(len(weights))]
    graph = Graph.from_edges(ids, ids, np.array(weights, np.float32))
    graph.write(str(folder / "graph"))
    export_graph(str(folder / "graph"), str(folder / "tsv"), "tsv")
    found = tools.read_tsv_graph(folder / "tsv")
    triples = [[name, name, weight] for name, row in found.items() for weight in row.values()]
    again = Graph.from_edges(*zip(*triples, strict=True))
    assert edges_of(again) == edges_of(graph)
    tools.write_tsv_graph(folder / "again", found)
    assert (folder / "again").read_bytes() == (folder / "tsv").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_a_graph_without_edges(tmp_path, form):
    write_graph(str(tmp_path / "graph"), [b"a"], EdgeList.concatenate([]), {})
    export_graph(str(tmp_path / "graph"), str(tmp_path / "out"), form)
    if form == "tfgnn":
        assert edges_of(read_tfgnn(tmp_path / "out")) == {}
    else:
        content = {"tsv": b"", "csv": b'"source","target","weight"\n'}
        assert form == "parquet" or (tmp_path / "out").read_bytes() == content[form]


@pytest.mark.parametrize("form", FORMS)
def test_equal_graphs_have_equal_bytes(folder, tmp_path, form):
    for name in ("a", "b"):
        export_graph(folder, str(tmp_path / name), form)
    files = [
        [path.read_bytes() for path in sorted([tmp_path / name, *(tmp_path / name).glob("*")])
         if path.is_file()]
        for name in ("a", "b")
    ]  # fmt: skip
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [
        ("tsv", b"a\tb", r"Received: b'a\\tb'. Export to Parquet"),
        ("tsv", b"a\n", "without tabs and line ends"),
        ("tsv", b"a\r", "without tabs and line ends"),
        ("csv", b"\xff", r"Expected ids in UTF-8.*Received: b'\\xff'. Export to Parquet"),
    ],
)
def test_ids_that_a_form_cannot_hold(tmp_path, form, name, message):
    Graph.from_edges([b"x", name], [b"y", b"z"]).write(str(tmp_path / "graph"))
    with pytest.raises(ValueError, match=message):
        export_graph(str(tmp_path / "graph"), str(tmp_path / "out" / "graph"), form)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("form", ["parquet", "tfgnn"])
def test_ids_of_any_bytes(tmp_path, form):
    graph = Graph.from_edges([b"\xff\n", b"\t"], [b'"', b"\0"], [0.5, 0.25])
    graph.write(str(tmp_path / "graph"))
    export_graph(str(tmp_path / "graph"), str(tmp_path / "out"), form)
    assert edges_of(READERS[form](tmp_path / "out")) == edges_of(graph)


def test_what_cannot_be_exported(folder, tmp_path):
    with pytest.raises(ValueError, match="Expected form to be one of tsv, csv, parquet, tfgnn"):
        export_graph(folder, str(tmp_path / "out"), "json")
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        export_graph(str(tmp_path / "none"), str(tmp_path / "out"), "tsv")


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_graph_leaves_the_former_file(folder, tmp_path, form):
    last = sorted(Path(folder).glob("edges-*"))[-1]
    last.write_bytes(last.read_bytes()[:-9])
    (tmp_path / "out").mkdir() if form == "tfgnn" else (tmp_path / "out").write_text("before")
    with pytest.raises(ValueError, match="cut off or damaged"):
        export_graph(folder, str(tmp_path / "out"), form)
    if form == "tfgnn":
        assert not list(tmp_path.glob("out/*"))
    else:
        assert (tmp_path / "out").read_text() == "before"
    assert not list(tmp_path.rglob("*.part"))


def test_remote_folders(folder, tmp_path):
    import tensorflow as tf

    GRAPH.write("ram://nsl_tfx/export/graph")
    for form in ("tsv", "csv", "parquet"):
        export_graph("ram://nsl_tfx/export/graph", f"ram://nsl_tfx/export/{form}.gz", form)
        export_graph(folder, str(tmp_path / f"{form}.gz"), form)
        with tf.io.gfile.GFile(f"ram://nsl_tfx/export/{form}.gz", "rb") as file:
            content = file.read()
        if form != "parquet":  # whose pages end with the shards
            assert content == (tmp_path / f"{form}.gz").read_bytes()
    export_graph("ram://nsl_tfx/export/graph", "ram://nsl_tfx/export/tfgnn", "tfgnn")
    assert len(tf.io.gfile.listdir("ram://nsl_tfx/export/tfgnn")) == 3


def test_links_stay_links_and_devices_are_refused(tmp_path):
    from nsl_tfx.io.publishing import published

    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with published(str(tmp_path / "link")) as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with (
            pytest.raises(ValueError, match="Expected the name of a file"),
            published(str(tmp_path / name)),
        ):
            pass
    assert (tmp_path / "pipe").is_fifo()
