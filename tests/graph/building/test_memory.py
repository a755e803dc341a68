"""What a search holds at its peak, beside what plans reckon with."""

import json
import os
import subprocess
import sys

import pytest

from nsl_tfx.graph.building.bucketing import search_bytes

# Searches in a process of its own, whose peak is this search's and nobody else's. A small search
# goes first: libraries take memory of their own when they are first used.
SCRIPT = """
import json, sys
import numpy as np
from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.sampled_recall import edge_batch
from nsl_tfx.graph.building.searching import search_whole
from nsl_tfx.graph.building.vector_batches import join_in_order, vector_batch

rows, dimension, neighbors, copies, method = json.loads(sys.argv[1])
config = SimilarityGraphConfig(embedding_feature="x", num_neighbors=neighbors, method=method)
rng = np.random.default_rng(0)


def batches(count):
    for begin in range(0, count, 4096):
        size = min(4096, count - begin)
        vectors = rng.normal(size=(size, dimension)).astype(np.float32)
        vectors[: int(size * copies)] = 1
        yield vector_batch([b"node-%07d" % (begin + i) for i in range(size)], vectors)


def search(count):
    waiting = list(batches(count))
    ids, vectors = join_in_order(waiting)
    found = search_whole(ids, vectors, config)
    for begin in range(0, count, 8192):
        edge_batch(ids, found.edges(begin, begin + 8192))


def memory(field):
    # What the system reports of a child's peak includes its parent's.
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


search(3000)
before = memory("VmRSS")
search(rows)
print(memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "dimension", "neighbors", "copies", "method"),
    [
        (40_000, 64, 10, 0, "exact"),
        (40_000, 16, 50, 0.5, "exact"),
        (40_000, 16, 100, 1, "exact"),
        (60_000, 64, 20, 0, "approximate"),
        (60_000, 16, 20, 0.5, "approximate"),
    ],
)
def test_a_plan_reckons_with_what_a_search_holds(rows, dimension, neighbors, copies, method):
    # Each thread has blocks of its own.
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    case = json.dumps([rows, dimension, neighbors, copies, method])
    output = subprocess.check_output([sys.executable, "-c", SCRIPT, case], env=environment)
    held = int(output) / rows
    reckoned = search_bytes(dimension, neighbors, exact=method == "exact")
    assert reckoned / 8 < held < reckoned * 1.2
