"""The Beam transform that builds a graph, against the kernels that it calls."""

import os

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import build_similarity_graph, measure_graph, read_edges, read_graph_info
from nsl_tfx.graph.building import BuildGraph
from nsl_tfx.graph.description import headline_numbers
from nsl_tfx.graph.files import edge_table
from nsl_tfx.graph.storage import read_bytes

CONFIG = SimilarityGraphConfig(
    embedding_feature="x", label_feature="y", num_neighbors=3, similarity_threshold=0.2
)


def rows(count: int = 30, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [
        ([b"%d" % i], rng.normal(size=4).astype(np.float32).tolist(), [i % 3] if i % 2 else None)
        for i in range(count)
    ]


def batches(data, size: int):
    return [
        pa.record_batch(
            [
                pa.array([row[0] for row in part], pa.large_list(pa.large_binary())),
                pa.array([row[1] for row in part], pa.large_list(pa.float32())),
                pa.array([row[2] for row in part], pa.large_list(pa.int64())),
            ],
            ["id", "x", "y"],
        )
        for part in (data[begin : begin + size] for begin in range(0, len(data), size))
    ]


def build(data, folder, size: int = 7, config=CONFIG):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(batches(data, size)) | BuildGraph(config, str(folder))
    return str(folder)


def files_of(folder):
    return {name: read_bytes(f"{folder}/{name}") for name in sorted(os.listdir(folder))}


def test_equals_the_kernels(tmp_path):
    data = rows()
    folder = build(data, tmp_path / "graph")
    graph = build_similarity_graph([row[0][0] for row in data], [row[1] for row in data], CONFIG)
    assert read_edges(folder).equals(edge_table(graph.ids, graph.edges))
    labels = [data[row][2] for row in graph.order]
    labels = [None if label is None else b"%d" % label[0] for label in labels]
    info = read_graph_info(folder)
    agreement = measure_graph(30, graph.edges, labels).to_dict()["label_agreement"]
    assert info["metrics"]["label_agreement"] == agreement
    assert info["drops"] == graph.drops
    assert SimilarityGraphConfig.from_dict(info["config"]) == CONFIG
    assert info["config_hash"] == CONFIG.fingerprint()


def test_bytes_do_not_depend_on_order_or_batches(tmp_path):
    data = rows()
    expected = files_of(build(data, tmp_path / "graph"))
    assert files_of(build(data[::-1], tmp_path / "other", size=1)) == expected


def test_headline_numbers_are_of_types_that_metadata_holds(tmp_path):
    numbers = headline_numbers(read_graph_info(build(rows(), tmp_path)))
    assert {type(value) for value in numbers.values()} == {int, float, str}
    assert (numbers["nodes"], numbers["num_neighbors"], numbers["method"]) == (30, 3, "exact")
    assert {"edges", "mean_degree", "isolated_share", "similarity_threshold"} <= set(numbers)
    assert {"label_agreement", "label_agreement_chance"} <= set(numbers)


def test_without_labels_there_is_no_agreement(tmp_path):
    info = read_graph_info(build(rows(), tmp_path, config=CONFIG.replace(label_feature=None)))
    assert info["metrics"]["label_agreement"] is None
    assert "label_agreement" not in headline_numbers(info)


def test_directed_graphs_say_so(tmp_path):
    directed = CONFIG.replace(symmetrize="none")
    assert read_graph_info(build(rows(), tmp_path / "a", config=directed))["directed"]
    assert not read_graph_info(build(rows(), tmp_path / "b"))["directed"]


def test_no_examples_write_nothing(tmp_path):
    build([], tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize(
    ("odd_row", "message"),
    [
        (([b"7"], [1.0] * 4, None), "every id once.*b'7'"),
        (([b"new"], [1.0] * 3, None), "Expected the same number of values.*3 for b'new'; 4 for b"),
        (([b"new"], [0.0] * 4, None), "zeros for b'new'"),
        ((None, [1.0] * 4, None), "an id in the feature 'id'"),
    ],
)
def test_errors_reach_the_caller_and_no_graph_is_left(odd_row, message, tmp_path):
    with pytest.raises(Exception, match=message):
        build([*rows(), odd_row], tmp_path / "graph", size=1)
    assert not (tmp_path / "graph").exists()
