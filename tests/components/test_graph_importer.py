"""GraphImporter's contract: what it reads, writes, records and refuses."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.graph import read_edges, read_graph_info
from nsl_tfx.graph.importing.whole import import_graph

pytestmark = pytest.mark.tfx

CORA = Path(__file__).parents[2].parent / "shared" / "data" / "cora"
EXAMPLES = {
    "train": [[{"id": [b"a"], "label": [1]}, {"id": [b"b"], "label": [1]}]],
    "eval": [[{"id": [b"c"], "label": [0]}], [{"id": [b"alone"]}]],
}
EDGES = "a\tb\t0.5\nb\ta\t0.75\nb\tc\t0.25\nc\tx\t1\n"


@pytest.fixture
def run(artifacts, execute):
    """Imports a file of edges; returns the graph's artifact."""

    def import_edges(text=EDGES, examples=None, name="graph", file="e.tsv", **settings):
        from nsl_tfx.components.graph_importer import Executor

        path = artifacts.folder / file
        if text is not None:
            path.write_text(text)
        inputs = {}
        if examples is not None:
            inputs["examples"] = artifacts.examples(f"{name}-examples", examples)
        graph = artifacts.empty("NeighborGraph", name)
        config = GraphImportConfig(paths=(str(path),), **settings)
        execute(Executor, inputs, {"graph": graph}, config)
        return graph

    return import_edges


def test_without_examples_it_is_what_import_graph_makes(run, artifacts, files_of):
    graph = run()
    folder = str(artifacts.folder / "in-memory")
    import_graph(GraphImportConfig(paths=(str(artifacts.folder / "e.tsv"),))).write(folder)
    assert files_of(graph.uri) == files_of(folder)
    assert sorted(files_of(folder)) == ["edges-00000-of-00001.parquet", "graph.json"]
    assert graph.get_int_custom_property("nodes") == 4
    assert graph.get_int_custom_property("edges") == 6
    assert graph.get_string_custom_property("method") == "imported"
    assert not graph.has_custom_property("similarity_threshold")


def test_a_graph_in_parts_is_the_same(run, files_of):
    lines = "".join(f"{i * 7919 % 500}\t{i * 104729 % 499}\t{i % 8}\n" for i in range(40_000))
    whole = files_of(run(lines, name="whole").uri)
    parts = files_of(run(lines, name="parts", worker_memory_mb=1).uri)
    # Components are the one thing that a small budget may leave out.
    assert parts == whole


def test_examples_give_nodes_labels_and_splits(run):
    graph = run(examples=EXAMPLES, label_feature="label")
    info = read_graph_info(graph.uri)
    metrics = info["metrics"]
    assert info["nodes"] == 5
    assert metrics["isolated_nodes"] == 1
    assert metrics["label_agreement"]["share"] == 0.5
    assert metrics["split_edges"] == {
        "eval": {"eval": 0, "train": 1},
        "train": {"eval": 1, "train": 2},
    }
    assert metrics["cross_split_edges"] == 2
    dangling = {"ids": 1, "names": ["x"], "edges": 2, "sources": 1, "targets": 1}
    assert metrics["dangling"] == dangling
    assert graph.get_int_custom_property("dangling_ids") == 1
    assert graph.get_int_custom_property("cross_split_edges") == 2
    assert graph.get_float_custom_property("label_agreement") == 0.5


@pytest.mark.parametrize("directed", [False, True])
def test_dangling_ids_can_be_dropped(run, directed):
    graph = run(examples=EXAMPLES, dangling="drop", directed=directed)
    info = read_graph_info(graph.uri)
    assert info["nodes"] == 4
    assert info["drops"]["dangling"] == (1 if directed else 2)
    assert b"x" not in read_edges(graph.uri)["target"].to_pylist()


def test_labels_of_other_splits_are_none_but_known(run):
    examples = {"train": [[{"id": [b"a"]}]], "eval": [[{"id": [b"c"], "label": [0]}]]}
    graph = run(examples=examples, label_feature="label", splits=("train",))
    assert read_graph_info(graph.uri)["metrics"]["label_agreement"]["labeled_nodes"] == 0


@pytest.mark.parametrize(
    ("settings", "examples", "error", "message"),
    [
        ({"dangling": "error"}, EXAMPLES, ValueError, r"between ids of examples.*'x'.*dangling"),
        ({"splits": ("test",)}, EXAMPLES, ValueError, r"GraphImportConfig\.splits.*test"),
        ({"id_feature": "key"}, EXAMPLES, ValueError, r"an id in the feature 'key'"),
        ({"label_feature": "Label"}, EXAMPLES, ValueError, r"feature 'Label' in .*'id', 'label'"),
        ({"text": "a\tb\t-1\n"}, None, ValueError, r"the weight -1\.0, in line 1 of"),
        ({"text": ""}, None, ValueError, r"at least one edge"),
        ({"text": None, "file": "no.tsv"}, None, FileNotFoundError, r"no such file"),
        ({}, {"train": [[{"id": [b"a"]}] * 2]}, ValueError, r"every id once.*'a'"),
    ],
)
def test_refuses(run, artifacts, settings, examples, error, message):
    with pytest.raises(Exception, match=f"(?s){message}"):
        run(examples=examples, **settings)
    graph = artifacts.folder / "graph"
    assert not graph.exists() or not os.listdir(graph)
    assert error


def test_no_edges_among_examples_is_a_graph(run):
    info = read_graph_info(run("", examples=EXAMPLES).uri)
    assert (info["nodes"], info["edges"]) == (4, 0)


def test_cora(run, artifacts):
    if not CORA.is_dir():
        pytest.skip(f"Cora is not there: {CORA}")
    with gzip.open(CORA / "nodes.tsv.gz", "rt") as file:
        nodes = [line.rstrip("\n").split("\t") for line in file]
    splits: dict = {}
    for identity, label, split, *_ in nodes:
        row = {"id": [identity.encode()], "label": [label.encode()]}
        splits.setdefault(split, [[]])[0].append(row)
    content = (CORA / "edges.tsv.gz").read_bytes()
    (artifacts.folder / "cora.tsv.gz").write_bytes(content)
    graph = run(None, examples=splits, file="cora.tsv.gz", label_feature="label", dangling="error")
    metrics = read_graph_info(graph.uri)["metrics"]
    assert (metrics["nodes"], metrics["pairs"], metrics["edges"]) == (2708, 5278, 10556)
    assert metrics["components"] == 78
    assert metrics["label_agreement"]["share"] == pytest.approx(0.81, abs=0.005)

    lines = [line.split("\t") for line in gzip.decompress(content).decode().splitlines()]
    table = pa.table({"source": [e[0] for e in lines], "target": [e[1] for e in lines]})
    pq.write_table(table, artifacts.folder / "cora.parquet")
    again = run(None, examples=splits, name="parquet", file="cora.parquet", label_feature="label")
    assert read_edges(again.uri).equals(read_edges(graph.uri))


@pytest.mark.slow
def test_a_cached_graph_is_used_until_its_files_change(tmp_path):
    from ml_metadata.proto import metadata_store_pb2
    from tfx.orchestration import metadata
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.pipeline import Pipeline

    from nsl_tfx.components import GraphImporter

    edges = tmp_path / "e.tsv"
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
    config = GraphImportConfig(paths=(str(edges),))

    def pipeline():
        return Pipeline(
            "cached",
            str(tmp_path / "pipeline"),
            components=[GraphImporter(config)],
            enable_cache=True,
            metadata_connection_config=connection,
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local"],
        )

    def states():
        with metadata.Metadata(connection) as store:
            executions = store.store.get_executions()
        return [
            metadata_store_pb2.Execution.State.Name(e.last_known_state)
            for e in sorted(executions, key=lambda e: e.id)
        ]

    # Made before its file is there, as where another node of the pipeline writes it.
    early = pipeline()
    edges.write_text("a\tb\n")
    LocalDagRunner().run(early)
    LocalDagRunner().run(pipeline())
    late = pipeline()
    edges.write_text("a\tb\nb\tc\n")
    LocalDagRunner().run(late)
    assert states() == ["COMPLETE", "CACHED", "COMPLETE"]
