"""Finishing a graph with Beam: the same files however the edges come and are cut."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph import read_edges, read_graph_info
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.finishing import FinishGraph
from nsl_tfx.graph.nodes import node_batch

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
