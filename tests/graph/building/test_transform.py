"""The Beam transform that builds a graph, against the kernels that it calls."""

import os

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from nsl_tfx.configs import Similarity, SimilarityGraphConfig
from nsl_tfx.graph import (
    build_similarity_graph,
    measure_graph,
    read_edges,
    read_graph_info,
)
from nsl_tfx.graph.building import cutting, finding, searching
from nsl_tfx.graph.building.bucketing import make_plan
from nsl_tfx.graph.building.leaders import along_a_path
from nsl_tfx.graph.building.transform import BuildGraph
from nsl_tfx.graph.files import edge_table
from nsl_tfx.graph.reporting.headlines import headline_numbers
from nsl_tfx.graph.search.points import Points
from nsl_tfx.io.storage import read_bytes

CONFIG = SimilarityGraphConfig(
    embedding_feature="x", label_feature="y", num_neighbors=3, similarity_threshold=0.2
)


def rows(count: int = 30, seed: int = 0, dimension: int = 4):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(5, dimension))
    return [
        (
            [b"%d" % i],
            (centers[i % 5] + rng.normal(size=dimension)).astype(np.float32).tolist(),
            [i % 3] if i % 2 else None,
        )
        for i in range(count)
    ]


def batches(data, size: int):
    parts = [(begin, data[begin : begin + size]) for begin in range(0, len(data), size)]
    return [
        (
            ("some.gz", begin, []),
            pa.record_batch(
                [
                    pa.array([row[0] for row in part], pa.large_list(pa.large_binary())),
                    pa.array([row[1] for row in part], pa.large_list(pa.float32())),
                    pa.array([row[2] for row in part], pa.large_list(pa.int64())),
                ],
                ["id", "x", "y"],
            ),
        )
        for begin, part in parts
    ]


def build(data, folder, size: int = 7, config=CONFIG):
    splits = data if isinstance(data, dict) else {"train": data}
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        inputs = {
            split: pipeline | f"Create[{split}]" >> beam.Create(batches(part, size))
            for split, part in splits.items()
        }
        _ = inputs | BuildGraph(config, str(folder))
    return str(folder)


def files_of(folder):
    return {name: read_bytes(f"{folder}/{name}") for name in sorted(os.listdir(folder))}


def in_memory(data, config=CONFIG):
    return build_similarity_graph([row[0][0] for row in data], [row[1] for row in data], config)


@pytest.mark.parametrize("symmetrize", ["union", "mutual", "none"])
@pytest.mark.parametrize("similarity", ["cosine", "inner_product", "euclidean"])
def test_equals_the_kernels(symmetrize, similarity, tmp_path):
    config = CONFIG.replace(symmetrize=symmetrize, similarity=similarity)
    data = rows()
    folder = build(data, tmp_path / "graph", config=config)
    graph = in_memory(data, config)
    assert read_edges(folder).equals(edge_table(graph.ids, graph.edges))
    labels = [data[row][2] for row in graph.order]
    labels = [None if label is None else b"%d" % label[0] for label in labels]
    info = read_graph_info(folder)
    agreement = measure_graph(30, graph.edges, labels).to_dict()["label_agreement"]
    for name in ("pairs", "share", "low", "high", "chance", "labeled_nodes"):
        assert info["metrics"]["label_agreement"][name] == agreement[name]
    assert info["drops"].items() >= graph.drops.items()
    assert SimilarityGraphConfig.from_dict(info["config"]) == config
    assert info["config_hash"] == config.fingerprint()
    assert info["directed"] == (symmetrize == "none")
    assert (info["method"], info["recall"]["share"]) == ("exact", 1)


def test_bytes_do_not_depend_on_order_or_batches(tmp_path):
    data = rows()
    expected = files_of(build(data, tmp_path / "graph"))
    assert files_of(build(data[::-1], tmp_path / "other", size=1)) == expected


def test_several_splits_make_one_graph_and_tell_of_edges_between_them(tmp_path):
    data = rows()
    info = read_graph_info(build({"train": data[:20], "eval": data[20:]}, tmp_path))
    assert info["nodes"] == 30
    between = info["metrics"]["split_edges"]
    assert between["train"]["eval"] == between["eval"]["train"] > 0
    assert info["metrics"]["cross_split_edges"] == 2 * between["train"]["eval"]


def test_headline_numbers_are_of_types_that_metadata_holds(tmp_path):
    numbers = headline_numbers(read_graph_info(build(rows(), tmp_path)))
    assert {type(value) for value in numbers.values()} == {int, float, str}
    assert (numbers["nodes"], numbers["num_neighbors"], numbers["method"]) == (30, 3, "exact")
    assert {"edges", "mean_degree", "isolated_share", "similarity_threshold"} <= set(numbers)
    assert {"label_agreement", "label_agreement_chance", "recall"} <= set(numbers)


def test_without_labels_there_is_no_agreement(tmp_path):
    info = read_graph_info(build(rows(), tmp_path, config=CONFIG.replace(label_feature=None)))
    assert info["metrics"]["label_agreement"] is None
    assert "label_agreement" not in headline_numbers(info)


def test_no_examples_write_nothing(tmp_path):
    build([], tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


def test_one_node_is_a_graph(tmp_path):
    info = read_graph_info(build(rows(1), tmp_path))
    assert (info["nodes"], info["edges"]) == (1, 0)


ODD = {
    "duplicate": (([b"7"], [1.0] * 4, None), "every id once.*: '7'"),
    "missing_id": ((None, [1.0] * 4, None), r"an id in the feature 'id'.*record 30, .* of some.gz"),
    "missing_vector": (([b"new"], None, None), r"a vector in the feature 'x'.*'new' .*record 30"),
    "other_dimension": (
        ([b"new"], [1.0] * 3, None),
        "Expected the same number of values.*3 for 'new'; 4 for '.*invalid_examples",
    ),
    "not_finite": (([b"new"], [float("nan")] * 4, None), r"NaN or infinity.*'new' .*record 30"),
    "zero": (([b"new"], [0.0] * 4, None), r"zeros for 'new' \(first in record 30"),
}


@pytest.mark.slow
@pytest.mark.parametrize("cause", ODD)
def test_errors_reach_the_caller_and_no_graph_is_left(cause, tmp_path):
    odd_row, message = ODD[cause]
    with pytest.raises(Exception, match=message):
        build([*rows(), odd_row], tmp_path / "graph", size=1)
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize("size", [1, 100])
def test_odd_examples_are_dropped_and_counted_where_asked(size, tmp_path):
    config = CONFIG.replace(invalid_examples="drop")
    odd = {cause: row for cause, (row, _) in ODD.items() if cause != "duplicate"}
    info = read_graph_info(build([*rows(), *odd.values()], tmp_path, size, config))
    assert {cause: info["drops"].get(cause) for cause in odd} == dict.fromkeys(odd, 1)
    assert info["nodes"] == 30
    clean = in_memory(rows())
    assert read_edges(str(tmp_path)).equals(edge_table(clean.ids, clean.edges))


def test_a_zero_vector_has_neighbors_by_distance(tmp_path):
    config = CONFIG.replace(similarity="euclidean")
    assert read_graph_info(build([*rows(), ODD["zero"][0]], tmp_path, 7, config))["nodes"] == 31


# Vectors so long that one MiB holds some 160 of them, by the plan's reckoning.
LARGE = rows(700, dimension=200)
SMALL_BUDGET = CONFIG.replace(worker_memory_mb=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build(LARGE, tmp_path_factory.mktemp("cut") / "graph", 50, SMALL_BUDGET)


@pytest.mark.slow
class TestMoreThanOneWorkerHolds:
    def test_is_a_part_of_the_exact_graph_with_equal_weights(self, folder):
        # Directed, since a missed edge may let another one in.
        exact = in_memory(LARGE, CONFIG.replace(num_neighbors=699, symmetrize="none"))
        table = edge_table(exact.ids, exact.edges).to_pylist()
        weights = {(row["source"], row["target"]): row["weight"] for row in table}
        for row in read_edges(folder).to_pylist():
            assert weights[row["source"], row["target"]] == row["weight"]

    def test_says_how_it_was_cut_and_what_it_found(self, folder):
        info = read_graph_info(folder)
        assert info["method"] == "approximate"
        buckets = info["buckets"]
        assert buckets["rounds"] == info["rounds"] == 4
        assert buckets["buckets"] >= 4 * 2
        assert buckets["max_rows"] <= 170
        assert info["nodes"] == 700
        assert info["recall"]["nodes"] == 700  # the sample is everything here

    def test_recall_is_what_it_is(self, folder, tmp_path):
        # Without a threshold every node has all its neighbors, so that they can be counted.
        config = SMALL_BUDGET.replace(symmetrize="none", similarity_threshold=None)
        info = read_graph_info(build(LARGE, tmp_path, 50, config))
        exact = in_memory(LARGE, config.replace(worker_memory_mb=2048))
        truth = edge_table(exact.ids, exact.edges).to_pylist()
        truth = {(row["source"], row["target"]) for row in truth}
        found = {(row["source"], row["target"]) for row in read_edges(str(tmp_path)).to_pylist()}
        assert len(found) == len(truth) == 2100
        assert info["recall"]["share"] == pytest.approx(len(found & truth) / len(truth))
        assert info["recall"]["share"] > 0.9

    @pytest.mark.parametrize(("size", "rows_in_block"), [(1000, 1 << 16), (33, 40)])
    def test_bytes_do_not_depend_on_order_batches_or_blocks(
        self, folder, size, rows_in_block, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(cutting, "ROWS_IN_BLOCK", rows_in_block)
        monkeypatch.setattr(finding, "_EDGES_BEFORE_MERGING", rows_in_block)
        other = build(LARGE[::-1], tmp_path, size, SMALL_BUDGET)
        assert files_of(other) == files_of(folder)

    @pytest.mark.parametrize("rows_in_block", [1 << 16, 40])
    def test_is_what_is_built_in_memory(self, folder, rows_in_block, monkeypatch):
        monkeypatch.setattr(searching, "ROWS_IN_BLOCK", rows_in_block)
        shares = []
        ids, vectors = [row[0][0] for row in LARGE], [row[1] for row in LARGE]
        graph = build_similarity_graph(ids, vectors, SMALL_BUDGET, shares.append)
        assert read_edges(folder).equals(edge_table(graph.ids, graph.edges))
        info = read_graph_info(folder)
        assert {key: info[key] for key in graph.search} == graph.search
        assert info["drops"].items() >= graph.drops.items()
        assert sum(shares) == pytest.approx(1)

    def test_exact_does_not_fit(self, tmp_path):
        with pytest.raises(Exception, match=r"all vectors to fit one worker.*Raise worker_memory"):
            build(LARGE, tmp_path / "graph", 50, SMALL_BUDGET.replace(method="exact"))
        assert not (tmp_path / "graph").exists()

    def test_equal_vectors_are_split_by_force_and_counted(self, tmp_path):
        data = [([b"%d" % i], [1.0] * 200, None) for i in range(700)]
        info = read_graph_info(build(data, tmp_path, 50, SMALL_BUDGET))
        assert info["buckets"]["forced_splits"] > 0
        assert info["metrics"]["isolated_nodes"] == 0
        assert info["recall"]["share"] == 1  # whichever of the equal ones were found

    def test_duplicates_are_found_across_buckets(self, tmp_path):
        with pytest.raises(Exception, match=r"every id once.*: '7'"):
            build([*LARGE, ([b"7"], [-1.0] * 200, None)], tmp_path / "graph", 50, SMALL_BUDGET)
        assert not (tmp_path / "graph").exists()


def test_more_neighbors_than_there_are_rows_cost_no_memory():
    assert not make_plan(1000, 64, CONFIG.replace(num_neighbors=10**6)).is_cut


@pytest.mark.parametrize(
    ("rows_in_all", "dimension", "is_cut"),
    [
        (1_000_000, 128, False),  # the default holds a million of usual length
        (150_000, 1024, False),  # more than are compared pair by pair, which would not fit
        (2_000_000, 128, True),
    ],
)
def test_what_fits_the_default_budget_is_not_cut(rows_in_all, dimension, is_cut):
    config = SimilarityGraphConfig(embedding_feature="x")
    assert make_plan(rows_in_all, dimension, config).is_cut == is_cut


# Counts tie, so that the last bits of a product decide where it is asked.
COUNTS = np.random.default_rng(0).poisson(0.6, (9000, 16)).astype(np.float32)
COUNTS[:, 0] += 1


@pytest.mark.slow
def test_approximate_buckets_are_the_same_on_any_number_of_threads_and_in_beam(tmp_path):
    config = CONFIG.replace(worker_memory_mb=3, method="approximate", similarity_threshold=None)
    ids = [b"%04d" % row for row in range(len(COUNTS))]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(build_similarity_graph(ids, COUNTS, config))
    assert found[0].search == found[1].search
    assert found[0].search["buckets"]["max_rows"] > 3 * 256  # of which not all pairs are compared
    first = edge_table(found[0].ids, found[0].edges)
    assert first.equals(edge_table(found[1].ids, found[1].edges))
    data = [([name], vector.tolist(), None) for name, vector in zip(ids, COUNTS, strict=True)]
    assert read_edges(build(data, tmp_path, 500, config)).equals(first)


def test_the_path_does_not_depend_on_the_threads_of_products():
    paths = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            points = Points(np.tile(COUNTS, 4), Similarity.EUCLIDEAN)
            paths.append(along_a_path(points, np.arange(1500)))
    assert np.array_equal(*paths)
