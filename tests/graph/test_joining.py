"""Joining neighbors with Beam, against the same done with dictionaries."""

import gzip
import itertools
import json
from collections import defaultdict

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.graph import EdgeList, joining, write_graph
from nsl_tfx.graph.joining import (
    AttachNeighbors,
    PackNothing,
    ReadEdges,
    WriteCounts,
    WriteShards,
)
from nsl_tfx.graph.packing import pack_example, project_example
from nsl_tfx.io import read_records

NAMES = GraphNeighborConfig(max_neighbors=2)


def record(identity: bytes, value: float = 0.0) -> bytes:
    example = tf.train.Example()
    example.features.feature["id"].bytes_list.value.append(identity)
    example.features.feature["x"].float_list.value.append(value)
    return example.SerializeToString(deterministic=True)


def rows_of(ids: str, split: str = "train"):
    return [(split, one.encode(), record(one.encode(), float(ord(one)))) for one in ids]


def edges_of(text: str):
    """From "ab.5 ba.5": source, target and weight of each edge."""
    return [(e[0].encode(), e[1].encode(), float(e[2:])) for e in text.split()]


def joined_with_dictionaries(rows, edges, features, names):
    """The definition, with everything in memory."""
    known = {identity: data for _, identity, data in rows}
    outgoing = defaultdict(list)
    for source, target, weight in edges:
        if target in known:
            outgoing[source].append((-weight, target))
    result = []
    for split, identity, data in rows:
        best = sorted(outgoing[identity])[: names.max_neighbors]
        neighbors = [(-weight, project_example(known[target], features)) for weight, target in best]
        result.append((split, identity, pack_example(data, neighbors, names)))
    return result


def run_attach(rows, edges, features, names, check_rows, check_counts=None):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        inputs = (
            pipeline | "Rows" >> beam.Create(rows),
            pipeline | "Edges" >> beam.Create(edges),
        )
        packed, counts = inputs | AttachNeighbors(features, names)
        assert_that(packed, check_rows, label="rows")
        if check_counts is not None:
            assert_that(counts | beam.CombinePerKey(sum), check_counts, label="counts")


# Ids are single letters here; each case's are set apart by its name, so that one pipeline, which
# takes about a second to start, serves them all.
CASES = {
    "no_edges": ("abc", ""),
    "order_by_weight": ("abcd", "ab.25 ac.75 ad.5"),
    "ties_by_id": ("abcd", "ad.5 ac.5 ab.5"),
    "unknown_targets_leave_room": ("abc", "ax.9 ay.8 az.7 ab.25 ac.125"),
    "unknown_sources": ("ab", "xa.5 xb.5 ab.25"),
    "self_loop": ("ab", "aa.5 ab.25"),
    "hub": ("abcdefgh", "ba1 ca1 da1 ea1 fa1 ga1 ha1 ab.5"),
    "negative_weight": ("abc", "ab-.5 ac-.25"),
    "one": ("a", ""),
}


def all_cases():
    rows, edges = [], []
    for name, (ids, text) in CASES.items():
        prefix = name.encode() + b"/"
        rows += [(split, prefix + one, record(prefix + one)) for split, one, _ in rows_of(ids)]
        edges += [(prefix + source, prefix + target, w) for source, target, w in edges_of(text)]
    return rows, edges


@pytest.mark.parametrize("features", [("id", "x"), ()])
def test_equals_dictionaries(features):
    rows, edges = all_cases()
    expected = joined_with_dictionaries(rows, edges, features, NAMES)
    run_attach(rows, edges, features, NAMES, equal_to(expected))


def test_equals_dictionaries_on_a_random_graph_in_any_order():
    rng = np.random.default_rng(0)
    rows = rows_of("abcdefghijklmnopqrst")
    ids = [b"%c" % c for c in b"abcdefghijklmnopqrstuvwxyz"]
    pairs = rng.choice(26 * 26, size=150, replace=False)
    edges = [(ids[p // 26], ids[p % 26], float(rng.integers(4)) / 4) for p in pairs]
    expected = joined_with_dictionaries(rows, edges, ("x",), NAMES)
    rng.shuffle(edges)
    rng.shuffle(rows)
    rows = [(split, bytes(identity), bytes(data)) for split, identity, data in rows]
    run_attach(rows, edges, ("x",), NAMES, equal_to(expected))


def test_counts():
    rows = rows_of("ab", "train") + rows_of("c", "more")
    edges = edges_of("ax.9 ay.8 ab.5 ac.25 aa.125 bc.5 xa.5")
    expected = {
        "graph_edges": 7,
        "edges_to_unknown": 2,
        "neighbors": 3,
        "examples_with_neighbors": 2,
        "unknown_sources": 1,
    }
    packed = joined_with_dictionaries(rows, edges, ("x",), NAMES)
    run_attach(rows, edges, ("x",), NAMES, equal_to(packed), equal_to(list(expected.items())))


@pytest.mark.parametrize(
    ("step", "key", "values"),
    [
        (joining._keep_known, b"t", [("edge", b"a", 0.5), ("edge", b"b", 0.25), ("node",)]),
        (
            joining._answer,
            b"t",
            [("request", b"a", 0, 0.5), ("request", b"b", 1, 0.25), ("features", b"")],
        ),
        (
            lambda group: joining._pack(group, NAMES),
            b"s",
            [("answer", 0, 0.5, b""), ("answer", 1, 0.25, b""), ("seed", "train", b"")],
        ),
    ],
)
def test_groups_are_read_once_in_any_order(step, key, values):
    # A runner may hand out a group's values in any order, and only once.
    results = {
        tuple(sorted(repr(result) for result in step((key, iter(order))) if not is_count(result)))
        for order in itertools.permutations(values)
    }
    assert len(results) == 1
    assert results != {()}


def is_count(result) -> bool:
    return isinstance(result, beam.pvalue.TaggedOutput)


def test_two_examples_of_one_id_are_refused():
    rows = [(split, b"a", record(b"a")) for split in ("train", "more")]
    with pytest.raises(Exception, match=r"every id once.*2 examples with the id b'a'"):
        run_attach(rows, [], (), NAMES, equal_to([]))


def test_reads_every_edge_of_every_shard(tmp_path):
    edges = EdgeList([0, 0, 1], [1, 2, 0], [0.5, 0.25, 0.5])
    write_graph(str(tmp_path), [b"a", b"b", b"\xff"], edges, {}, edges_in_shard=1)
    expected = [(b"a", b"b", 0.5), (b"a", b"\xff", 0.25), (b"b", b"a", 0.5)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        assert_that(pipeline | ReadEdges(str(tmp_path)), equal_to(expected))


def test_missing_graph_is_found_before_the_pipeline_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"graph\.json is missing"):
        ReadEdges(str(tmp_path))


def test_pack_nothing():
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        packed = pipeline | beam.Create(rows_of("ab")) | PackNothing(NAMES)
        expected = joined_with_dictionaries(rows_of("ab"), [], (), NAMES)
        assert_that(packed, equal_to(expected))


def write_shards(folder, rows, splits, bytes_in_shard=None):
    options = {} if bytes_in_shard is None else {"bytes_in_shard": bytes_in_shard}
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(rows) | WriteShards(str(folder), splits, **options)
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_shards_hold_every_row_once_in_a_shuffled_order_that_repeats(tmp_path):
    rows = [("train", b"%03d" % i, record(b"%03d" % i)) for i in range(100)]
    rows += [("test", b"", record(b"%03d" % i)) for i in range(50)]  # these have no ids
    splits = ["train", "test", "empty"]
    first = write_shards(tmp_path / "first", rows, splits, 700)
    again = write_shards(tmp_path / "again", rows[::-1], splits, 700)
    assert first == again
    assert {name.split("-of-")[1] for name in first if "train" in name} == {"00005.gz"}
    one = write_shards(tmp_path / "one", rows, splits)
    assert set(one) == {f"Split-{name}/data_tfrecord-00000-of-00001.gz" for name in splits}
    assert gzip.decompress(one["Split-empty/data_tfrecord-00000-of-00001.gz"]) == b""
    for split in ("train", "test"):
        expected = [data for name, _, data in rows if name == split]
        read = [
            [r.numpy() for r in read_records(str(tmp_path / run / f"Split-{split}" / "*"))]
            for run in ("first", "one")
        ]
        assert read[0] == read[1]
        assert sorted(read[0]) == sorted(expected)
        assert read[0] != sorted(read[0])


@pytest.mark.parametrize("counts", [[], [("a", 1), ("b", 2), ("a", 3)]])
def test_counts_are_added_up(counts, tmp_path):
    path = str(tmp_path / "counts.json")
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(counts) | WriteCounts(path)
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == ({"a": 4, "b": 2} if counts else {})
