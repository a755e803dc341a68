"""One search for nearest neighbors, in a process of its own: `benchmarks/graph.py` starts it.

python neighbors_worker.py CASE VECTORS.npy RESULT.npz THREADS

The answer is a line of JSON: the seconds of the search, and the MiB that the process grew by at its
peak, the vectors included. The neighbors are in RESULT.npz. Importing and compiling are not timed.
Cases `faiss...`, `pynndescent` and `nsl` need `make peer`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 10
TARGET = 0.95
EXACT_CASES = ("ours exact", "faiss flat")


def exact(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    from nsl_tfx.configs import SearchMethod
    from nsl_tfx.graph import nearest_neighbors
    from nsl_tfx.graph.search.top_neighbors import numbers_of

    def search() -> np.ndarray:
        found = nearest_neighbors(vectors, K, method=SearchMethod.EXACT, threads=threads)
        return numbers_of(found.keys)

    return search


def approximate(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    from nsl_tfx.configs import SearchMethod
    from nsl_tfx.graph import nearest_neighbors
    from nsl_tfx.graph.search.top_neighbors import numbers_of

    def search() -> np.ndarray:
        found = nearest_neighbors(
            vectors, K, method=SearchMethod.APPROXIMATE, target_recall=TARGET, threads=threads
        )
        return numbers_of(found.keys)

    return search


def flat(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import faiss

    faiss.omp_set_num_threads(threads)

    def search() -> np.ndarray:
        unit = _unit(vectors)
        _, neighbors = faiss.knn(unit, unit, K + 1, faiss.METRIC_INNER_PRODUCT)
        return _without_itself(neighbors, np.arange(len(neighbors)))

    return search


def hnsw(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """Builds once and searches with growing effort until the target is reached.

    The time is that of building and of the one search that reached it.
    """
    import faiss

    faiss.omp_set_num_threads(threads)

    def search() -> np.ndarray:
        begin = time.perf_counter()
        unit = _unit(vectors)
        sample = np.random.default_rng(1).choice(len(unit), min(1000, len(unit)), replace=False)
        index = faiss.IndexHNSWFlat(unit.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 40
        index.add(unit)
        built = time.perf_counter() - begin
        _, truth = faiss.knn(unit[sample], unit, K + 1, faiss.METRIC_INNER_PRODUCT)
        truth = _without_itself(truth, sample)
        for effort in (16, 24, 32, 48, 64, 96, 128, 192, 256):
            index.hnsw.efSearch = effort
            _, tried = index.search(unit[sample], K + 1)
            tried = _without_itself(tried, sample)
            if np.mean([np.isin(t, f).mean() for t, f in zip(truth, tried, strict=True)]) >= TARGET:
                break
        begin = time.perf_counter()
        _, neighbors = index.search(unit, K + 1)
        search.seconds = built + time.perf_counter() - begin
        search.note = f"M 16, efConstruction 40, efSearch {effort}"
        return _without_itself(neighbors, np.arange(len(neighbors)))

    return search


def descent(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import numba
    import pynndescent

    numba.set_num_threads(threads)
    # Compiles what the search runs.
    pynndescent.NNDescent(vectors[:2000], metric="cosine", n_neighbors=15, n_jobs=threads)

    def search() -> np.ndarray:
        index = pynndescent.NNDescent(vectors, metric="cosine", n_neighbors=15, n_jobs=threads)
        search.note = "n_neighbors 15"
        return _without_itself(index.neighbor_graph[0], np.arange(len(vectors)))

    return search


def nsl(vectors: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import tempfile

    import neural_structured_learning as nsl
    import tensorflow as tf

    folder = tempfile.mkdtemp()
    with tf.io.TFRecordWriter(f"{folder}/embeddings.tfr") as writer:
        for row, vector in enumerate(vectors):
            example = tf.train.Example()
            example.features.feature["id"].bytes_list.value.append(b"%d" % row)
            example.features.feature["embedding"].float_list.value.extend(vector.tolist())
            writer.write(example.SerializeToString())

    def search() -> np.ndarray:
        nsl.tools.build_graph([f"{folder}/embeddings.tfr"], f"{folder}/graph.tsv", 0.9)
        return np.zeros((0, K), np.int64)

    return search


CASES = {
    "ours exact": exact,
    "ours approximate": approximate,
    "faiss flat": flat,
    "faiss HNSW": hnsw,
    "pynndescent": descent,
    "nsl": nsl,
}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _without_itself(neighbors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns the K neighbors of each of some rows without the row itself, wherever it stands."""
    own = neighbors == rows[:, None]
    own[~own.any(axis=1), -1] = True
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(neighbors, order, axis=1)[:, :K]


def _memory(field: str) -> float:
    """Returns the MiB that the process holds (`VmRSS`) or has held (`VmHWM`).

    The peak that `resource.getrusage` gives includes that of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def main() -> None:
    case, path, result, threads = sys.argv[1:]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Imports everything and compiles, on little data, before memory is looked at.
    CASES[case](np.load(path, mmap_mode="r")[:2000].copy(), int(threads))
    before = _memory("VmRSS")
    vectors = np.load(path)
    search: Any = CASES[case](vectors, int(threads))
    begin = time.perf_counter()
    neighbors = search()
    seconds = getattr(search, "seconds", time.perf_counter() - begin)
    answer = {
        "seconds": seconds,
        "megabytes": _memory("VmHWM") - before,
        "note": getattr(search, "note", ""),
    }
    np.savez(result, neighbors=neighbors)
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
