"""A graph's files: whole, readable by anyone, refused when damaged."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsl_tfx.graph import (
    EdgeList,
    Graph,
    export_graph,
    files,
    plot_graph,
    read_edges,
    read_graph,
    read_graph_info,
    write_graph,
)
from nsl_tfx.graph.files import check_files
from nsl_tfx.io import staging, storage

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
        "format_version": 2,
        "nodes": 4,
        "edges": 5,
        "method": "exact",
    }
    assert [shard["edges"] for shard in info["shards"]] == [2, 2, 1]


def test_the_description_tells_of_these_files_alone(folder, tmp_path):
    other = str(tmp_path / "other")
    write_graph(other, IDS, EDGES, read_graph_info(folder) | {"nodes": 9})
    assert rows_of(read_edges(other)) == ROWS
    assert [shard["edges"] for shard in read_graph_info(other)["shards"]] == [5]
    assert read_graph_info(other)["nodes"] == 9  # those that no file names count too


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


def test_a_run_that_fails_leaves_the_former_graph(folder, monkeypatch):
    names = sorted(os.listdir(folder))
    write = storage.write_bytes

    def die_at_the_second_shard(path, content):
        if "edges-00001" in path:
            raise OSError("disk full")
        write(path, content)

    monkeypatch.setattr(storage, "write_bytes", die_at_the_second_shard)
    with pytest.raises(OSError, match="disk full"):
        write_graph(folder, IDS, OTHER_EDGES, {}, edges_in_shard=2)
    assert rows_of(read_edges(folder)) == ROWS
    assert sorted(os.listdir(folder)) == names


def test_a_run_that_fails_leaves_no_folder_that_was_not_there(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_graph(str(tmp_path / "new" / "graph"), IDS, EDGES, {"share": float("nan")})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("step", "has_graph"),
    [("files.write_info", True), ("staging._publish", True), ("staging.move", False)],
)
def test_a_run_that_is_killed_at_a_step(folder, tmp_path, step, has_graph):
    code = (
        "import os, signal, sys\n"
        "from nsl_tfx.graph import EdgeList, files\n"
        "from nsl_tfx.io import staging\n"
        f"step = {step}\n"
        "def die(*values):\n"
        "    if step.__name__ != 'move' or values[1].endswith('graph.json'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    step(*values)\n"
        f"{step} = die\n"
        "files.write_graph(sys.argv[1], [b'x', b'y'], EdgeList([0], [1], [0.5]), {})\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    if has_graph:
        assert rows_of(read_edges(folder)) == ROWS
    else:
        with pytest.raises(FileNotFoundError, match=r"graph.json is missing"):
            read_edges(folder)
    write_graph(folder, IDS, EDGES, {"method": "exact"}, edges_in_shard=2)
    write_graph(str(tmp_path / "other"), IDS, EDGES, {"method": "exact"}, edges_in_shard=2)
    assert sorted(os.listdir(folder)) == sorted(os.listdir(tmp_path / "other"))
    assert rows_of(read_edges(folder)) == ROWS


OTHER_EDGES = EdgeList(EDGES.source, EDGES.target, EDGES.weight / 2)
OTHER_ROWS = [(source, target, weight / 2) for source, target, weight in ROWS]


@pytest.mark.parametrize("in_shard", [2, 3])
@pytest.mark.parametrize(
    ("holder", "step"), [(files, "write_info"), (staging, "_others_wait")], ids=["begun", "written"]
)
def test_two_runs_at_once(tmp_path, monkeypatch, holder, step, in_shard):
    """Another run goes from its begin to its end within one's; that of the last to end remains."""
    folder = str(tmp_path)
    take_step = getattr(holder, step)

    def let_another_run(*values):
        monkeypatch.setattr(holder, step, take_step)
        write_graph(folder, IDS, OTHER_EDGES, {}, in_shard)
        assert rows_of(read_edges(folder)) == OTHER_ROWS
        return take_step(*values)

    monkeypatch.setattr(holder, step, let_another_run)
    write_graph(folder, IDS, EDGES, {}, 2)
    assert rows_of(read_edges(folder)) == ROWS
    assert len(os.listdir(folder)) == 4


def test_many_runs_at_once(tmp_path):
    folder = str(tmp_path)

    def run(number):
        write_graph(folder, IDS, EDGES, {"number": number}, edges_in_shard=1 + number % 3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(60)))
    info = check_files(folder)
    assert rows_of(read_edges(folder)) == ROWS
    assert len(os.listdir(folder)) == len(info["shards"]) + 1
    assert len(info["shards"]) == -(-len(EDGES) // (1 + info["number"] % 3))


@pytest.mark.parametrize("read", [read_edges, check_files])
@pytest.mark.parametrize("name", ["edges-00001-of-00003.parquet", "graph.json"])
def test_files_of_different_runs_are_no_graph(folder, tmp_path, name, read):
    other = str(tmp_path / "other")
    write_graph(other, IDS, OTHER_EDGES, {}, edges_in_shard=2)
    shutil.copy(f"{other}/{name}", folder)
    with pytest.raises(ValueError, match="another run has written it since; build") as raised:
        read(folder)
    assert f"{folder}/edges-0000" in str(raised.value)


def test_equal_sizes_do_not_deceive(tmp_path):
    folders = [str(tmp_path / name) for name in "ab"]
    for folder, weight in zip(folders, (0.5, 0.25), strict=True):
        write_graph(folder, [b"a", b"b"], EdgeList([0], [1], [weight]), {})
    paths = [f"{folder}/edges-00000-of-00001.parquet" for folder in folders]
    assert os.path.getsize(paths[0]) == os.path.getsize(paths[1])
    shutil.copy(*paths)
    for read in (read_edges, check_files):
        with pytest.raises(ValueError, match=r"of the checksum .* Received: [0-9a-f]{8}\. "):
            read(folders[1])


def test_shards_of_another_number_are_not_missed(folder):
    # As where another run's clearing away comes between two moves of this one.
    os.remove(f"{folder}/edges-00002-of-00003.parquet")
    with pytest.raises(FileNotFoundError, match=r"00002-of-00003.parquet, which graph.json lists"):
        check_files(folder)


def test_remote_paths_go_through_tensorflow():
    folder = "ram://nsl_tfx/graph"
    for _ in range(2):
        write_graph(folder, IDS, EDGES, {}, edges_in_shard=2)
        assert rows_of(read_edges(folder)) == ROWS
        assert check_files(folder) == read_graph_info(folder)
    storage.write_bytes(f"{folder}/edges-00000-of-00003.parquet", b"half")
    for read in (read_edges, check_files):
        with pytest.raises(ValueError, match=r"Received: 4\. The file is cut off or damaged"):
            read(folder)
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        read_graph_info("ram://nsl_tfx/none")


def cut(path):
    with open(path, "rb+") as file:
        file.truncate(os.path.getsize(path) // 2)


def empty(path):
    open(path, "wb").close()


def garble(path):
    with open(path, "rb+") as file:
        file.seek(4)
        file.write(b"\xff" * 40)


@pytest.mark.parametrize("read", [read_edges, check_files])
@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (os.remove, FileNotFoundError, "which graph.json lists; it is missing"),
        (cut, ValueError, "cut off or damaged"),
        (empty, ValueError, "cut off or damaged"),
        (garble, ValueError, "cut off or damaged"),
    ],
)
def test_a_damaged_shard_is_named(folder, damage, error, message, read):
    path = f"{folder}/edges-00001-of-00003.parquet"
    damage(path)
    with pytest.raises(error, match=message) as raised:
        read(folder)
    assert path in str(raised.value)


def rewrite_as_text(path):
    storage.write_bytes(path, b"a\tb\t1")


def rewrite_without_weight(path):
    pq.write_table(pq.read_table(path).drop(["weight"]), path)


def rewrite_shorter(path):
    pq.write_table(pq.read_table(path).slice(0, 1), path)


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        (rewrite_as_text, "to be a Parquet file"),
        (rewrite_without_weight, "2 edges with the columns source and target"),
        (rewrite_shorter, "Received 1 rows"),
    ],
)
def test_files_that_another_program_wrote(folder, rewrite, message):
    path = f"{folder}/edges-00001-of-00003.parquet"
    rewrite(path)
    info, content = read_graph_info(folder), storage.read_bytes(path)
    info["shards"][1] |= {"bytes": len(content), "crc32": files._checksum(content)}
    storage.write_bytes(f"{folder}/graph.json", json.dumps(info).encode())
    with pytest.raises(ValueError, match=message) as raised:
        read_edges(folder)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("none", FileNotFoundError, "Received: '.*/none', which does not exist"),
        ("none/below", FileNotFoundError, "which does not exist"),
        ("file", NotADirectoryError, "Received: '.*/file', which is a file"),
        ("", FileNotFoundError, "graph.json is missing"),
    ],
)
def test_where_there_is_no_graph(tmp_path, path, error, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=message):
        read_edges(f"{tmp_path}/{path}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ('{"format_version": 2', "damaged"),
        ("[]", "damaged"),
        ("{}", "a count as format_version. Received: None. The file is damaged"),
        ('{"format_version": 2}', "damaged"),
        ('{"format_version": 2, "shards": [{"file": "x", "edges": 1}]}', "damaged"),
        ('{"format_version": 1, "shards": []}', "format version 2. Received: 1"),
    ],
)
def test_a_damaged_description_is_named(folder, text, message):
    path = f"{folder}/graph.json"
    storage.write_bytes(path, text.encode())
    with pytest.raises(ValueError, match=message) as raised:
        read_edges(folder)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodes", "many"),
        ("nodes", None),
        ("nodes", -1),
        ("edges", 4),
        ("shards", {}),
        ("shards", ["x"]),
        ("shards", [{"file": 1, "edges": 5, "bytes": 1, "crc32": "0"}]),
        ("shards", [{"file": "x", "edges": True, "bytes": 1, "crc32": "0"}]),
        ("method", 1),
        ("rounds", 0.5),
        ("directed", "no"),
        ("config", []),
        ("drops", 1),
        ("recall", "all"),
        ("recall", {"share": "all"}),
        ("metrics", "good"),
        ("metrics", {"pairs": 0.5}),
        ("metrics", {"degree_histogram": [1]}),
        ("metrics", {"degree_histogram": {"0": "x"}}),
        ("metrics", {"weight_quantiles": {"0.0": []}}),
        ("metrics", {"label_agreement": "x"}),
        ("metrics", {"label_agreement": {"share": "x"}}),
        ("metrics", {"split_edges": {"train": 1}}),
        ("metrics", {"dangling": {"names": "x"}}),
    ],
)
def test_a_damaged_field_is_named(folder, field, value):
    path = f"{folder}/graph.json"
    info = read_graph_info(folder)
    storage.write_bytes(path, json.dumps({**info, field: value}).encode())
    with pytest.raises(ValueError, match=f"{field}.* Received: .*damaged; build") as raised:
        read_edges(folder)
    assert str(raised.value).startswith(f"Expected {path} to hold ")


def test_what_is_not_known_may_be_null(folder):
    info = {**read_graph_info(folder), "recall": None, "metrics": {"label_agreement": None}}
    storage.write_bytes(f"{folder}/graph.json", json.dumps(info).encode())
    assert read_graph_info(folder) == info


def test_paths_in_every_form(tmp_path):
    folder, other = tmp_path / "graph", tmp_path / "other"
    write_graph(folder, IDS, EDGES, {})
    assert rows_of(read_edges(folder)) == ROWS
    assert check_files(folder) == read_graph_info(folder)
    read_graph(folder).write(other)
    assert sorted(rows_of(read_edges(other))) == sorted(ROWS)
    export_graph(folder, tmp_path / "graph.parquet", "parquet")
    assert rows_of(pq.read_table(tmp_path / "graph.parquet")) == ROWS
    plot_graph(other, tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").exists()


@pytest.mark.parametrize("path", [None, 3, b"graph"])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("folder", read_edges),
        ("folder", read_graph),
        ("folder", read_graph_info),
        ("folder", check_files),
        ("folder", lambda path: write_graph(path, IDS, EDGES, {})),
        ("folder", Graph(IDS, EDGES).write),
        ("folder", lambda path: export_graph(path, "x", "tsv")),
        ("path", lambda path: export_graph("x", path, "tsv")),
        ("path", lambda path: plot_graph(Graph(IDS, EDGES), path)),
    ],
)
def test_what_is_no_path_is_refused(path, name, call):
    with pytest.raises(TypeError, match=rf"Expected {name} to be a path: .* Received: {path!r} \("):
        call(path)


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
