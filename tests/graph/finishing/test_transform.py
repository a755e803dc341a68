"""Finishing a graph with Beam: the same files however the edges come and are cut."""

import json
import os
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph import (
    EdgeList,
    measure_graph,
    read_edges,
    read_graph_info,
    write_graph,
)
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.finishing import edge_shards, transform
from nsl_tfx.graph.finishing.nodes import code_labels, node_batch
from nsl_tfx.graph.finishing.ranges import ByRange
from nsl_tfx.graph.finishing.transform import FinishGraph
from nsl_tfx.graph.reporting.headlines import headline_numbers

SPLITS = ("train", "eval")


def random_edges(nodes=60, edges=400, seed=0, hub=True):
    """Edges with duplicates, loops, both directions of unequal weight, and a hub."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(nodes, size=(2, edges))
    if hub:
        target[: edges // 3] = 7
    weight = rng.integers(1, 8, edges) / 8
    return [
        (b"%02d\xff" % s, b"%02d\xff" % t, float(w))
        for s, t, w in zip(source, target, weight, strict=True)
    ]


def batches_of(rows, size):
    table = pa.Table.from_arrays(list(map(pa.array, zip(*rows, strict=True))), schema=EDGE_SCHEMA)
    return table.to_batches(max_chunksize=size)


def node_batches(nodes=50, size=7):
    """Two splits; every third node has no label."""
    batches = []
    for number, split in enumerate(SPLITS):
        ids = [b"%02d\xff" % i for i in range(number, nodes, 2)]
        labels = [b"%d" % (i % 2) if i % 3 else None for i in range(number, nodes, 2)]
        batches += [
            node_batch(ids[start : start + size], labels[start : start + size], split)
            for start in range(0, len(ids), size)
        ]
    return batches


def finish(folder, edges, nodes=None, info=None, **settings):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        inputs = {"edges": pipeline | "Edges" >> beam.Create(edges)}
        if nodes is not None:
            inputs["nodes"] = pipeline | "Nodes" >> beam.Create(nodes)
        if info is not None:
            inputs["info"] = pipeline | "Info" >> beam.Create([info])
        _ = inputs | FinishGraph(str(folder), **settings)
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def by_definition(rows, how, known=None, dangling=DanglingIds.KEEP):
    """The edges with dictionaries: (source, target, weight), sorted."""
    given = {}
    for source, target, weight in rows:
        given[source, target] = max(weight, given.get((source, target), weight))
    turned = {(target, source): weight for (source, target), weight in given.items()}
    pairs = {
        Symmetrize.UNION: given.keys() | turned.keys(),
        Symmetrize.MUTUAL: given.keys() & turned.keys(),
        Symmetrize.NONE: given.keys(),
    }[how]
    weights = {
        pair: given[pair]
        if how is Symmetrize.NONE
        else max(part[pair] for part in (given, turned) if pair in part)
        for pair in pairs
    }
    if dangling is DanglingIds.DROP:
        weights = {pair: w for pair, w in weights.items() if known >= set(pair)}
    return sorted(
        ((s, t, w) for (s, t), w in weights.items()), key=lambda edge: (edge[0], -edge[2], edge[1])
    )


@pytest.mark.parametrize("how", list(Symmetrize))
@pytest.mark.parametrize("dangling", [DanglingIds.KEEP, DanglingIds.DROP, None])
def test_any_cut_gives_the_same_files(how, dangling, tmp_path):
    rows = random_edges()
    nodes = None if dangling is None else node_batches()
    settings = {"symmetrize": how, "edges_in_shard": 100}
    if dangling is not None:
        settings["dangling"] = dangling
    whole = finish(tmp_path / "whole", batches_of(rows, 1000), nodes, {"method": "m"}, **settings)
    order = np.random.default_rng(1).permutation(len(rows))
    parts = finish(
        tmp_path / "parts",
        batches_of([rows[i] for i in order], 13),
        None if nodes is None else nodes[::-1],
        {"method": "m"},
        **settings,
        worker_memory_mb=0.05,
    )
    assert parts == whole

    known = {one for batch in nodes or [] for one in batch.column(0).to_pylist()}
    expected = by_definition(rows, how, known, dangling)
    table = read_edges(str(tmp_path / "whole"))
    assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == expected
    info = read_graph_info(str(tmp_path / "whole"))
    assert info["method"] == "m"
    assert info["edges"] == len(expected)
    assert len(info["shards"]) == -(-len(expected) // 100)
    ends = {end for edge in expected for end in edge[:2]}
    # What remains of ids without examples are those of edges that remain.
    nodes_expected = known if dangling is DanglingIds.DROP else known | ends
    assert info["nodes"] == len(nodes_expected)
    assert info["metrics"]["isolated_nodes"] == len(nodes_expected - ends)


def test_the_small_case_is_what_write_graph_writes(tmp_path):
    rows = [row for row in random_edges(hub=False) if row[0] != row[1]]
    ids = [b"%02d\xff" % i for i in range(60)]
    finished = finish(tmp_path / "beam", batches_of(rows, 50), [node_batch(ids)], edges_in_shard=90)
    expected = by_definition(rows, Symmetrize.UNION)
    place = {one: number for number, one in enumerate(ids)}
    edges = EdgeList(
        [place[s] for s, _, _ in expected],
        [place[t] for _, t, _ in expected],
        [w for _, _, w in expected],
    )
    info = read_graph_info(str(tmp_path / "beam"))
    write_graph(str(tmp_path / "memory"), ids, edges, info, edges_in_shard=90)
    assert {p.name: p.read_bytes() for p in (tmp_path / "memory").iterdir()} == finished
    metrics = json.loads(json.dumps(measure_graph(60, edges).to_dict()))
    assert info["metrics"] == metrics


@pytest.mark.parametrize("budget", [2048, 0.05])
@pytest.mark.parametrize("how", [Symmetrize.UNION, Symmetrize.NONE])
def test_metrics_equal_those_of_the_graph_in_memory(budget, how, tmp_path):
    rows = random_edges(nodes=50)
    finish(tmp_path, batches_of(rows, 31), node_batches(), symmetrize=how, worker_memory_mb=budget)
    ids = sorted(one for batch in node_batches() for one in batch.column(0).to_pylist())
    labels = {
        identity: label
        for batch in node_batches()
        for identity, label in zip(
            batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True
        )
    }
    place = {one: number for number, one in enumerate(ids)}
    table = read_edges(str(tmp_path)).to_pydict()
    edges = EdgeList(
        [place[one] for one in table["source"]],
        [place[one] for one in table["target"]],
        table["weight"],
    )
    metrics = measure_graph(
        len(ids),
        edges,
        [labels[one] for one in ids],
        [SPLITS[number % 2] for number in range(len(ids))],
        directed=how is Symmetrize.NONE,
    )
    found = read_graph_info(str(tmp_path))["metrics"]
    assert found == json.loads(json.dumps(metrics.to_dict()))


@pytest.mark.parametrize("budget", [2048, 0.001])
def test_nodes_without_edges_make_one_empty_file(budget, tmp_path):
    files = finish(tmp_path, [], node_batches(), worker_memory_mb=budget)
    assert sorted(files) == ["edges-00000-of-00001.parquet", "graph.json"]
    info = read_graph_info(str(tmp_path))
    assert (info["nodes"], info["edges"], info["metrics"]["isolated_nodes"]) == (50, 0, 50)


@pytest.mark.parametrize("nodes", [None, []])
def test_without_nodes_nothing_is_written(nodes, tmp_path):
    assert finish(tmp_path, [], nodes) == {}


@pytest.mark.parametrize("budget", [2048, 0.02])
def test_refusals_leave_no_graph(budget, tmp_path):
    nodes = node_batches()
    with pytest.raises(Exception, match=r"every id once.*1 of them several.*'07\\xff'"):
        finish(
            tmp_path / "a",
            batches_of(random_edges(), 50),
            [*nodes, node_batch([b"07\xff"])],
            worker_memory_mb=budget,
        )
    with pytest.raises(Exception, match=r"between ids of examples.*of 10 ids.*'50\\xff'"):
        finish(
            tmp_path / "b",
            batches_of(random_edges(), 50),
            nodes,
            dangling=DanglingIds.ERROR,
            worker_memory_mb=budget,
        )
    assert not list(tmp_path.rglob("graph.json"))


def test_drops_of_what_came_before_are_kept(tmp_path):
    info = {"drops": {"below_threshold": 3}, "recall": {"share": 0.9, "low": 0.8, "high": 0.95}}
    finish(tmp_path, batches_of([(b"a", b"b", 0.5)] * 2, 1), info=info)
    found = read_graph_info(str(tmp_path))
    assert found["drops"] == {"below_threshold": 3, "duplicates": 1, "not_mutual": 0}
    numbers = headline_numbers(found)
    assert (numbers["recall"], numbers["recall_low"], numbers["recall_high"]) == (0.9, 0.8, 0.95)
    assert numbers["dropped_duplicates"] == 1


def test_groups_are_read_once():
    # A Flink group may not be iterable twice.
    edges = batches_of(random_edges(), 50)
    nodes = [code_labels(batch) for batch in node_batches()]
    found = {
        tuple(table.num_rows for table in transform._parted(values, EDGE_SCHEMA, True))
        for values in (iter([*edges, *nodes]), iter([*nodes, *edges]))
    }
    assert found == {(400, 50)}


def test_what_a_failed_bundle_left_is_in_no_other():
    batch = batches_of(random_edges(), 50)[0]
    by_range = ByRange()
    for _ in range(2):  # the first one never ends
        by_range.start_bundle()
        assert not list(by_range.process(batch, []))
    (last,) = by_range.finish_bundle()
    assert last.value[1].num_rows == 50


def test_a_bundle_that_is_repeated_writes_the_same(tmp_path):
    batches = batches_of(sorted(random_edges()), 30)
    places = np.cumsum([0, *(batch.num_rows for batch in batches)]).tolist()
    blocks = list(zip(places, batches, strict=False))
    shards, contents = [], set()
    for values in ([*blocks, (0, None)], [(0, None), *blocks[::-1]]):
        offsets = {edge_shards._END: places[-1]}
        shards.append(edge_shards._write_shard((0, values), offsets, str(tmp_path), 1000))
        (path,) = tmp_path.iterdir()
        contents.add(path.read_bytes())
    assert shards[0] == shards[1]
    assert len(contents) == 1


def test_a_run_that_dies_while_it_writes_leaves_no_half_file(tmp_path, monkeypatch):
    replace = os.replace

    def die_at_the_second(source, target):
        if "00001-of" in target:
            raise OSError("disk full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", die_at_the_second)
    with pytest.raises(Exception, match="disk full"):
        finish(tmp_path, batches_of(random_edges(), 50), edges_in_shard=100)
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["edges-00000-"]


@pytest.mark.slow
def test_two_processes_give_the_same_files(tmp_path):
    rows = random_edges()
    one = finish(tmp_path / "one", batches_of(rows, 50), node_batches())
    options = PipelineOptions(
        direct_num_workers=2,
        direct_running_mode="multi_processing",
        sdk_container_image="local",
    )
    folder = tmp_path / "two"
    with beam.Pipeline(runner="FnApiRunner", options=options) as pipeline:
        inputs = {
            "edges": pipeline | "Edges" >> beam.Create(batches_of(rows, 50)),
            "nodes": pipeline | "Nodes" >> beam.Create(node_batches()),
        }
        _ = inputs | FinishGraph(str(folder), worker_memory_mb=0.05)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == one
