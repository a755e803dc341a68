"""Joining neighbors, files to files, against the same done with dictionaries and protobufs."""

import gzip
import itertools
import json
import os
import sys
from collections import Counter, defaultdict

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from nsl_tfx.configs import AugmentConfig, GraphNeighborConfig
from nsl_tfx.graph import EdgeList, write_graph
from nsl_tfx.graph.examples.writing import WriteCounts
from nsl_tfx.graph.joining import transform
from nsl_tfx.graph.joining.augmenting import Job
from nsl_tfx.graph.joining.matching import COUNTS
from nsl_tfx.graph.joining.transform import JoinNeighbors
from nsl_tfx.io.record_writer import write_record_file
from nsl_tfx.io.tfrecords import read_record_blocks
from tests.tf_examples import make_example, values_of

CONFIG = AugmentConfig(neighbors=GraphNeighborConfig(max_neighbors=2), features=("id", "x"))
BOTH_SPLITS = {"train": ("train", "more"), "more": ("train",)}


def record(identity: bytes | None, value: float = 0.0, label: int | None = None) -> bytes:
    features = {"id": identity, "x": float(value), "y": label}
    return make_example(**{name: [one] for name, one in features.items() if one is not None})


def edges_of(text: str):
    """From "ab.5 ba.5": source, target and weight of each edge."""
    return [(e[0].encode(), e[1].encode(), float(e[2:])) for e in text.split()]


def is_written(row, split, config):
    label = row.get(config.label_feature, [])
    return (
        split not in config.neighbors_from
        or config.label_feature is None
        or (label != [] and label[0] != config.no_label)
    )


def best_edges(identity, split, outgoing, split_of, config):
    """The definition: drop, merge, order, cut."""
    eligible: dict[bytes, float] = {}
    for target, weight in outgoing[identity]:
        if split_of.get(target) in config.neighbors_from[split]:
            eligible[target] = max(weight, eligible.get(target, -np.inf))
    ascending = sorted(eligible.items())
    if config.tie_order == "highest_id":
        ascending.reverse()
    return sorted(ascending, key=lambda edge: -edge[1])[: config.neighbors.max_neighbors]


def joined_with_dictionaries(splits, edges, config):
    """Each split's rows with neighbors, in any order."""
    rows = {split: [values_of(one) for one in records] for split, records in splits.items()}
    split_of = {row["id"][0]: split for split in config.splits for row in rows[split]}
    by_id = {row["id"][0]: row for split in config.splits for row in rows[split]}
    outgoing = defaultdict(list)
    for source, target, weight in edges:
        ways = [(source, target), (target, source)][: 1 + config.add_undirected_edges]
        for start, end in ways:
            if not (config.drop_self_loops and start == end):
                outgoing[start].append((end, weight))
    result = {}
    for split, originals in rows.items():
        result[split] = []
        for row in originals:
            if not is_written(row, split, config):
                continue
            best = (
                best_edges(row["id"][0], split, outgoing, split_of, config)
                if split in config.neighbors_from
                else []
            )
            packed = {**row, "NL_num_nbrs": [len(best)]}
            for rank, (target, weight) in enumerate(best):
                packed[f"NL_nbr_{rank}_weight"] = [weight]
                for name, values in by_id[target].items():
                    if config.features is None or name in config.features:
                        packed[f"NL_nbr_{rank}_{name}"] = values
            result[split].append(packed)
    return result


class Folder:
    """Files of examples and a graph, and what becomes of them."""

    def __init__(self, path):
        self.path = path
        self.runs = itertools.count()

    def join(
        self,
        splits,
        edges,
        config=CONFIG,
        parts=None,
        files=1,
        bytes_in_shard=1 << 27,
        options=(),
    ):
        """Returns content by split, counts, and files' bytes by name."""
        base = self.path / f"run-{next(self.runs)}"
        listed = {}
        for split, records in splits.items():
            listed[split] = [str(base / "in" / f"{split}-{part}.gz") for part in range(files)]
            os.makedirs(base / "in", exist_ok=True)
            for part, path in enumerate(listed[split]):
                write_record_file(path, records[part::files])
        ids = sorted({end for source, target, _ in edges for end in (source, target)})
        numbers = {identity: number for number, identity in enumerate(ids)}
        write_graph(
            str(base / "graph"),
            ids,
            EdgeList(
                [numbers[source] for source, _, _ in edges],
                [numbers[target] for _, target, _ in edges],
                [weight for *_, weight in edges],
            ),
            {},
            edges_in_shard=max(1, len(edges) // files),
        )
        features = ("id", "x", "y") if config.features is None else config.features
        job = Job(listed, str(base / "graph"), config, features, str(base / "out"), bytes_in_shard)
        given = PipelineOptions(["--runner=FnApiRunner", *options])
        with beam.Pipeline(options=given) as pipeline:
            _ = pipeline | JoinNeighbors(job, parts) | WriteCounts(str(base / "counts.json"))
        found = json.loads((base / "counts.json").read_text())
        written = {
            path.relative_to(base / "out").as_posix(): path.read_bytes()
            for path in sorted((base / "out").rglob("*.gz"))
        }
        rows = {
            split: [
                values_of(one)
                for path in sorted((base / "out" / f"Split-{split}").iterdir())
                for _, _, block in read_record_blocks(str(path))
                for one in block
            ]
            for split in splits
        }
        return rows, {name: found.get(name, 0) for name in COUNTS}, written


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def ordered(rows):
    return {split: sorted(map(repr, map(sorted_items, all_))) for split, all_ in rows.items()}


def sorted_items(row):
    return sorted(row.items())


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
    "both_ways": ("ab", "ab.25 ba.75"),
    "negative_weight": ("abc", "ab-.5 ac-.25"),
    "infinite_weight": ("abc", "abinf ac.5"),
    "one": ("a", ""),
}
CONFIGS = {
    "plain": CONFIG,
    "every_feature": CONFIG.replace(features=None),
    "no_feature": CONFIG.replace(features=()),
    "nsl": CONFIG.replace(tie_order="highest_id", add_undirected_edges=True),
    "no_loops": CONFIG.replace(drop_self_loops=True),
    "no_loops_both_ways": CONFIG.replace(drop_self_loops=True, add_undirected_edges=True),
    "labeled": CONFIG.replace(label_feature="y", no_label=-1),
    "splits": CONFIG.replace(neighbors_from=BOTH_SPLITS),
    "supply_only": CONFIG.replace(neighbors_from={"train": ("more",)}),
    "many": CONFIG.replace(neighbors=GraphNeighborConfig(max_neighbors=12)),
}


def all_cases():
    splits, edges = {"train": [], "more": [], "bare": []}, []
    for name, (letters, text) in CASES.items():
        prefix = name.encode() + b"/\xff"
        for place, letter in enumerate(letters.encode()):
            label = [None, -1, 0, 1][place % 4]
            one = record(prefix + bytes([letter]), float(letter), label)
            splits["more" if letter == ord("c") else "train"].append(one)
        edges += [(prefix + source, prefix + target, w) for source, target, w in edges_of(text)]
    splits["bare"] = [record(None, value) for value in (1.0, 2.0, 2.0)]
    return splits, edges


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("name", CONFIGS)
def test_equals_dictionaries(folder, name, parts):
    splits, edges = all_cases()
    rows, counts, _ = folder.join(splits, edges, CONFIGS[name], parts)
    expected = joined_with_dictionaries(splits, edges, CONFIGS[name])
    assert ordered(rows) == ordered(expected)
    gets = [row for split in CONFIGS[name].neighbors_from for row in expected[split]]
    assert counts["examples"] == len(gets)
    assert counts["neighbors"] == sum(row["NL_num_nbrs"][0] for row in gets)
    assert counts["examples_with_neighbors"] == sum(row["NL_num_nbrs"] > [0] for row in gets)
    assert counts["graph_edges"] == len(edges)
    assert counts["self_loops_dropped"] == (1 if CONFIGS[name].drop_self_loops else 0)


@pytest.mark.parametrize("parts", [1, 3])
def test_counts(folder, parts):
    splits = {
        "train": [record(b"a", label=1), record(b"b", label=2), record(b"d", label=-1)],
        "more": [record(b"c", label=1)],
        # Of a split without part in the graph, ids may be missing, repeated, or another's.
        "bare": [record(b"e"), record(None), record(b"e"), record(b"b")],
    }
    edges = edges_of("ax.9 ay.8 ab.5 ac.25 aa.125 bc.5 xa.5 xb.5 ya.5 da1 ae1 de1 ea1")
    config = CONFIG.replace(
        neighbors_from={"train": ("train",), "more": ("more",)}, label_feature="y", no_label=-1
    )
    assert folder.join(splits, edges, config, parts)[1] == {
        "examples": 3,
        "examples_with_neighbors": 1,
        "neighbors": 2,
        "unlabeled_examples": 1,
        "graph_edges": 13,
        "self_loops_dropped": 0,
        "edges_to_unknown": 2,
        "edges_across_splits": 3,
        "unknown_sources": 2,
    }


def random_graph(nodes, edges, seed=0):
    rng = np.random.default_rng(seed)
    ids = [b"%03d" % i for i in range(nodes + 6)]
    pairs = rng.choice(len(ids) ** 2, size=edges, replace=False)
    return [
        (ids[p // len(ids)], ids[p % len(ids)], float(rng.integers(4)) / 4) for p in pairs.tolist()
    ]


def test_bytes_do_not_depend_on_parts_files_or_order(folder):
    splits = {
        "train": [record(b"%03d" % i, float(i)) for i in range(60)],
        "more": [record(b"%03d" % i, float(i)) for i in range(60, 80)],
        "bare": [record(None, float(i // 2)) for i in range(90)],
        "empty": [],
    }
    edges = random_graph(80, 900)
    config = CONFIG.replace(neighbors_from=BOTH_SPLITS)
    results = [
        folder.join(splits, edges, config, parts=1, bytes_in_shard=700),
        folder.join(splits, edges, config, parts=2, bytes_in_shard=700),
        folder.join(
            {split: records[::-1] for split, records in splits.items()},
            edges[::-1],
            config,
            parts=7,
            files=3,
            bytes_in_shard=700,
        ),
    ]
    rows, counts, written = results[0]
    assert ordered(rows) == ordered(joined_with_dictionaries(splits, edges, config))
    assert [one[1:] for one in results] == [(counts, written)] * 3
    shards = Counter(name.split("/")[0] for name in written)
    assert shards["Split-train"] > 7 > shards["Split-bare"] > 1 == shards["Split-empty"]
    assert gzip.decompress(written["Split-empty/data_tfrecord-00000-of-00001.gz"]) == b""
    values = [row["x"][0] for row in rows["train"]]
    assert values != sorted(values)


@pytest.mark.slow
@pytest.mark.skipif(" " in sys.executable, reason="Beam starts workers by an unquoted command")
def test_workers_do_not_matter(folder):
    splits = {"train": [record(b"%03d" % i, float(i)) for i in range(60)]}
    edges = random_graph(60, 400)
    two = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    expected = folder.join(splits, edges)[1:]
    found = folder.join(splits, edges, parts=3, files=2, options=two)[1:]
    assert found == expected


@pytest.mark.parametrize(
    ("megabytes", "edges", "budget", "parts"),
    [(100, 10**5, 2048, 1), (2000, 0, 2048, 5), (100, 10**8, 2048, 10), (10**7, 0, 1, 1 << 14)],
)
def test_the_budget_decides_about_parts(tmp_path, megabytes, edges, budget, parts):
    job = Job({}, "", CONFIG.replace(worker_memory_mb=budget), (), "")
    assert transform._num_parts(megabytes << 20, edges, job) == parts


def test_a_small_budget_cuts(folder, monkeypatch):
    splits = {"train": [record(b"%03d" % i, float(i)) for i in range(60)]}
    edges = random_graph(60, 400)
    expected = folder.join(splits, edges)[1:]
    monkeypatch.setattr(transform, "_BYTES_PER_EDGE", 10 << 10)
    # Only the path of several parts can do without it.
    monkeypatch.setattr(transform, "augment_whole", None)
    assert folder.join(splits, edges, CONFIG.replace(worker_memory_mb=2))[1:] == expected


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("splits", [{"train": []}, {"train": [], "bare": [record(None)]}])
def test_without_examples_there_are_empty_files(folder, splits, parts):
    rows, counts, _ = folder.join(splits, edges_of("ab1"), parts=parts)
    assert rows["train"] == []
    assert counts["edges_to_unknown"] == 1


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(
    ("splits", "edges", "message"),
    [
        (
            {"train": [record(b"a"), record(b"b"), record(b"a")]},
            "",
            r"every id once.*2 examples with the id b?'a': "
            r"\S+train-0\.gz, record 0 and \S+train-0\.gz, record 2 \(from 0\)",
        ),
        (
            {"train": [record(b"a")], "more": [record(b"b"), record(b"a")]},
            "",
            r"every id once.*b?'a': \S+train-0\.gz, record 0 and \S+more-0\.gz, record 1 ",
        ),
        ({"train": [record(b"a"), record(None)]}, "", r"train-0\.gz, record 1 .*an id in the"),
        ({"train": [record(b"a"), b"junk"]}, "", r"train-0\.gz, record 1 .*a serialized tf"),
        (
            {"train": [record(b"a"), record(b"b")]},
            "ba1 abnan",
            r"Received NaN at 1 edge.*b?'a' to b?'b', row 0 \(.*/edges-00000-of-",
        ),
        (
            {"train": [record(b"a"), record(b"b")]},
            "xy1 yz1",
            r"none of whose .*b?'x', b?'y'; .*b?'a'",
        ),
    ],
)
def test_bad_input_is_named(folder, splits, edges, message, parts):
    config = CONFIG.replace(neighbors_from={split: tuple(splits) for split in splits})
    with pytest.raises(Exception, match=message):
        folder.join(splits, edges_of(edges), config, parts)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("edges", ["", "ax1", "xa1", "ex1", "xe1", "xx1"])
def test_one_id_that_the_graph_and_the_examples_share_is_enough(folder, edges, parts):
    splits = {"train": [record(b"a")], "bare": [record(b"e")]}
    config = CONFIG.replace(drop_self_loops=True)
    assert folder.join(splits, edges_of(edges), config, parts)[1]["neighbors"] == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_a_label_that_no_example_has_is_an_error(folder, parts):
    splits = {"train": [record(b"a")], "bare": [record(b"e", label=1)]}
    config = CONFIG.replace(label_feature="y")
    assert folder.join(splits, [], config, parts)[1]["unlabeled_examples"] == 1
    with pytest.raises(Exception, match=r"the feature 'Y' in .*train-0\.gz.*'id', 'x'.* holds the"):
        folder.join(splits, [], config.replace(label_feature="Y"), parts)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_hub_is_one_of_many(folder, parts):
    count = 50_000
    ids = [b"%d" % i for i in range(count)]
    splits = {"train": [record(identity, float(i)) for i, identity in enumerate(ids)]}
    # The hub is everyone's neighbor, and everyone the hub's; the last ones are its best.
    edges = [(identity, b"0", 0.5) for identity in ids[1:]]
    edges += [(b"0", identity, i / count) for i, identity in enumerate(ids)]
    rows, counts, _ = folder.join(splits, edges, parts=parts)
    assert (counts["graph_edges"], counts["neighbors"]) == (2 * count - 1, count + 1)
    by_id = {row["id"][0]: row for row in rows["train"]}
    assert len(by_id) == count
    hub = by_id.pop(b"0")
    assert [hub[f"NL_nbr_{i}_id"] for i in range(2)] == [[b"49999"], [b"49998"]]
    assert all(row["NL_num_nbrs"] == [1] and row["NL_nbr_0_x"] == [0.0] for row in by_id.values())


def test_a_hub_is_sent_once_to_each_part(monkeypatch):
    requests = [(part, [b"hub"]) for part in range(50)]
    answers = list(transform._answer((0, iter([*requests, ([b"hub"], [b"record"])]))))
    assert answers == [(part, ([b"hub"], [b"record"])) for part in range(50)]


def test_answers_come_in_blocks(monkeypatch):
    monkeypatch.setattr(transform, "_BLOCK_BYTES", 10)
    ids = [b"%d" % i for i in range(7)]
    group = (0, iter([(ids, [b"four"] * 7), (5, ids)]))
    assert [len(block[0]) for _, block in transform._answer(group)] == [3, 3, 1]


def test_missing_graph_is_found_before_the_pipeline_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"graph\.json is missing"):
        JoinNeighbors(Job({}, str(tmp_path), CONFIG, (), str(tmp_path)))
