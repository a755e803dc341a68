"""A graph's files: whole, readable by anyone, refused when damaged."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsl_tfx.graph import EdgeList, read_edges, read_graph_info, storage, write_graph

IDS = [b"a", b"b", b"\xff", b"d" * 40]
EDGES = EdgeList([1, 0, 0, 3, 0], [0, 3, 1, 2, 2], [0.5, 0.25, 0.75, -1.0, 0.25])
ROWS = [
    (b"a", b"b", 0.75),
    (b"a", b"\xff", 0.25),
    (b"a", b"d" * 40, 0.25),
    (b"b", b"a", 0.5),
    (b"d" * 40, b"\xff", -1.0),
]


def rows_of(table: pa.Table) -> list[tuple[bytes, bytes, float]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.fixture
def folder(tmp_path):
    path = str(tmp_path / "graph [1]")  # what a glob would take for a pattern
    write_graph(path, IDS, EDGES, {"method": "exact"}, edges_in_shard=2)
    return path


def test_reads_what_was_written_in_order(folder):
    table = read_edges(folder)
    assert rows_of(table) == ROWS
    assert [str(field.type) for field in table.schema] == ["binary", "binary", "float"]


def test_description(folder):
    info = read_graph_info(folder)
    assert {key: info[key] for key in ("format_version", "nodes", "edges", "method")} == {
        "format_version": 1,
        "nodes": 4,
        "edges": 5,
        "method": "exact",
    }
    assert [shard["edges"] for shard in info["shards"]] == [2, 2, 1]


def test_files_are_plain_parquet_named_by_shard(folder):
    names = sorted(os.listdir(folder))
    assert names == [*(f"edges-0000{i}-of-00003.parquet" for i in range(3)), "graph.json"]
    tables = [pq.read_table(os.path.join(folder, name)) for name in names[:3]]
    assert [row for table in tables for row in rows_of(table)] == ROWS


def test_equal_graphs_have_equal_bytes(folder, tmp_path):
    order = np.random.default_rng(0).permutation(len(EDGES))
    other = str(tmp_path / "other")
    write_graph(other, IDS, EDGES.select(order), {"method": "exact"}, edges_in_shard=2)
    for name in os.listdir(folder):
        left, right = (storage.read_bytes(f"{path}/{name}") for path in (folder, other))
        assert left == right


def test_a_graph_without_edges(tmp_path):
    write_graph(str(tmp_path), IDS, EdgeList.concatenate([]), {})
    assert rows_of(read_edges(str(tmp_path))) == []
    assert read_graph_info(str(tmp_path))["nodes"] == 4


def test_writing_again_leaves_nothing_of_the_former_graph(folder):
    write_graph(folder, IDS, EDGES, {})
    assert sorted(os.listdir(folder)) == ["edges-00000-of-00001.parquet", "graph.json"]
    assert rows_of(read_edges(folder)) == ROWS


def test_a_run_that_dies_leaves_no_graph(folder, monkeypatch):
    write = storage.write_bytes

    def die_at_the_second_shard(path, content):
        if "edges-00001" in path:
            raise OSError("disk full")
        write(path, content)

    monkeypatch.setattr(storage, "write_bytes", die_at_the_second_shard)
    with pytest.raises(OSError, match="disk full"):
        write_graph(folder, IDS, EDGES, {}, edges_in_shard=2)
    with pytest.raises(FileNotFoundError, match=r"graph.json is missing"):
        read_edges(folder)


def test_remote_paths_go_through_tensorflow():
    folder = "ram://nsl_tfx/graph"
    for _ in range(2):
        write_graph(folder, IDS, EDGES, {}, edges_in_shard=2)
        assert rows_of(read_edges(folder)) == ROWS


def cut(path):
    with open(path, "rb+") as file:
        file.truncate(os.path.getsize(path) // 2)


def empty(path):
    open(path, "wb").close()


def garble(path):
    with open(path, "rb+") as file:
        file.seek(4)
        file.write(b"\xff" * 40)


def rewrite_without_weight(path):
    pq.write_table(pq.read_table(path).drop(["weight"]), path)


def rewrite_shorter(path):
    pq.write_table(pq.read_table(path).slice(0, 1), path)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (os.remove, FileNotFoundError, "which graph.json lists; it is missing"),
        (cut, ValueError, "cut off or damaged"),
        (empty, ValueError, "cut off or damaged"),
        (garble, ValueError, "cut off or damaged"),
        (rewrite_without_weight, ValueError, "2 edges with the columns source and target"),
        (rewrite_shorter, ValueError, "Received 1 rows"),
    ],
)
def test_a_damaged_shard_is_named(folder, damage, error, message):
    path = f"{folder}/edges-00001-of-00003.parquet"
    damage(path)
    with pytest.raises(error, match=message) as raised:
        read_edges(folder)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ('{"format_version": 1', "damaged"),
        ("[]", "damaged"),
        ('{"format_version": 1}', "damaged"),
        (json.dumps({"format_version": 2, "shards": []}), "format version 1. Received: 2"),
    ],
)
def test_a_damaged_description_is_named(folder, text, message):
    path = f"{folder}/graph.json"
    storage.write_bytes(path, text.encode())
    with pytest.raises(ValueError, match=message) as raised:
        read_edges(folder)
    assert path in str(raised.value)


def test_numbers_that_json_lacks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_graph(str(tmp_path), IDS, EDGES, {"share": float("nan")})
    with pytest.raises(FileNotFoundError):
        read_edges(str(tmp_path))


def test_files_that_are_no_shards_of_a_graph_are_left_alone(tmp_path):
    names = ["edges-2024.parquet", "edges-00000-of-00001.parquet.bak", "edges-a-of-b.parquet"]
    for name in names:
        (tmp_path / name).write_text("mine")
    for _ in range(2):
        write_graph(str(tmp_path), [b"a", b"b"], EdgeList([0], [1], [0.5]), {})
    assert all((tmp_path / name).read_text() == "mine" for name in names)
