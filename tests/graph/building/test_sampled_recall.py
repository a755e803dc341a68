"""Recall of edges between ids: what counts as found, and of which nodes."""

import numpy as np
import pyarrow as pa
import pytest

from nsl_tfx.graph.building.sampled_recall import compare_edges
from nsl_tfx.graph.building.vector_batches import vector_batch
from nsl_tfx.graph.files import EDGE_SCHEMA

SAMPLE = vector_batch([b"n", b"a"], np.ones((2, 1), np.float32))
TRUTH = ["n>b 0.9", "a>n 0.9", "n>c 0.5", "a>c 0.3"]


def edges(texts):
    rows = []
    for text in texts:
        ends, weight = text.split()
        source, target = ends.encode().split(b">")
        rows.append({"source": source, "target": target, "weight": float(weight)})
    return pa.Table.from_pylist(rows, EDGE_SCHEMA)


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (TRUTH, 1),
        (TRUTH[::-1], 1),
        (["n>b 0.9", "n>z 0.5", "a>n 0.9", "a>c 0.3"], 1),  # weighs as much as the last true one
        (["n>y 0.5", "n>z 0.5", "a>n 0.9", "a>c 0.3"], 1),
        (["n>b 0.9", "n>z 0.4", "a>n 0.9", "a>c 0.3"], 0.75),  # would do for the other node alone
        (["n>b 0.9", "n>c 0.5", "n>z 0.5"], 0.5),  # more than wanted make up for nothing
        (["a>n 0.9"], 0.25),
        ([], 0),
    ],
)
def test_an_edge_is_as_good_as_its_weight(found, share):
    recall = compare_edges(edges(found), edges(TRUTH), SAMPLE, 2)
    assert (recall.nodes, recall.pairs, recall.share) == (2, 4, share)


def test_nodes_without_true_edges_miss_none():
    assert compare_edges(edges([]), edges([]), SAMPLE, 2).pairs == 0
    assert compare_edges(edges([]), edges(TRUTH[::2]), SAMPLE, 2).pairs == 2
