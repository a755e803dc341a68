"""What does a similarity graph cost? `python benchmarks/graph.py [--only exact,growth] [--quick]`.

Each search runs in a process of its own, with as many threads, one after the other; cases of a
table are interleaved, and a ratio is that of two runs of one round. Where `make peer` has been run,
FAISS, pynndescent and NSL search the same vectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / ".uv/peer/bin/python"
DATA = HERE.parent.parent / "shared/data"
K = 10
OURS = ("ours exact", "ours approximate")
NSL_ROWS = 2000
COLUMNS_AT_ONCE = 8192
# Of a file or pipe, whose tables would wrap their notes at 80.
WIDTH = 115


def clustered(rows: int, dimension: int = 128, seed: int = 0) -> np.ndarray:
    """Vectors of 24 hidden dimensions in a cluster for every thousand rows, and noise."""
    rng = np.random.default_rng(seed)
    hidden = 24
    centers = rng.normal(size=(max(50, rows // 1000), hidden)).astype(np.float32)
    turn = rng.normal(size=(hidden, dimension)).astype(np.float32)
    result = np.empty((rows, dimension), np.float32)
    for part in np.array_split(np.arange(rows), -(-rows // 100_000)):
        points = centers[rng.integers(0, len(centers), len(part))]
        points = points + 0.6 * rng.normal(size=points.shape).astype(np.float32)
        noise = 0.1 * rng.normal(size=(len(part), dimension)).astype(np.float32)
        result[part] = points @ turn + noise
    return result


def digits() -> np.ndarray:
    """The pixels of 10,000 handwritten digits."""
    with gzip.open(DATA / "mnist10k/t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8)
    return pixels.reshape(-1, 784).astype(np.float32) / 255


def reviews() -> np.ndarray:
    """Sentences of movie reviews as TF-IDF, reduced to 128 dimensions."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    files = [DATA / f"movie_reviews/rt-polarity.{end}" for end in ("pos", "neg")]
    lines = [line for file in files for line in file.read_text("latin-1").splitlines()]
    counts = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(lines)
    counts = counts[counts.getnnz(axis=1) > 0]
    return TruncatedSVD(128, random_state=0).fit_transform(counts).astype(np.float32)


class Bench:
    """Runs searches and compares what they find."""

    def __init__(self, folder: str, threads: int, console: Console) -> None:
        self.folder = folder
        self.threads = threads
        self.console = console
        self.has_peer = PEER.exists()

    def save(self, name: str, vectors: np.ndarray) -> str:
        path = f"{self.folder}/{name}.npy"
        np.save(path, vectors)
        return path

    def run(self, case: str, path: str) -> dict[str, Any]:
        """Returns the seconds, peak memory and neighbors of a search."""
        python = sys.executable if case in OURS else str(PEER)
        result = f"{self.folder}/result.npz"
        done = subprocess.run(
            [python, HERE / "neighbors_worker.py", case, path, result, str(self.threads)],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            raise SystemExit(f"{case} failed:\n{done.stderr[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        answer["neighbors"] = np.load(result)["neighbors"]
        self.console.print(f"  [dim]{case}: {answer['seconds']:.1f} s[/dim]")
        return answer

    def cases(self, *names: str) -> list[str]:
        return [name for name in names if name in OURS or self.has_peer]


def recall(vectors: np.ndarray, neighbors: np.ndarray, nodes: int = 2000) -> float:
    """Returns the share of the true neighbors of some rows, by float64, ties counted as found."""
    sample = np.random.default_rng(0).choice(len(vectors), min(nodes, len(vectors)), replace=False)
    rows = _unit(vectors[sample])
    best = np.full((len(sample), K), -np.inf)
    # All scores at once would take gigabytes.
    for begin in range(0, len(vectors), COLUMNS_AT_ONCE):
        scores = rows @ _unit(vectors[begin : begin + COLUMNS_AT_ONCE]).T
        own = np.flatnonzero((sample >= begin) & (sample < begin + scores.shape[1]))
        scores[own, sample[own] - begin] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        best = np.partition(both, -K, axis=1)[:, -K:]
    found = np.stack([(rows * _unit(vectors[turn])).sum(axis=1) for turn in neighbors[sample].T])
    # Weights are float32: what they cannot tell apart is a tie.
    return float((found >= best.min(axis=1) - 1e-7).mean())


def _unit(vectors: np.ndarray) -> np.ndarray:
    exact = vectors.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)


def table(title: str, *columns: str) -> Table:
    result = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        result.add_column(column, justify="left" if number == 0 else "right")
    return result


def run_exact(bench: Bench, quick: bool) -> Iterator[Table]:
    rows = 5000 if quick else 50_000
    path = bench.save("exact", clustered(rows))
    cases = bench.cases("ours exact", "faiss flat")
    rounds = [
        {case: bench.run(case, path)["seconds"] for case in cases} for _ in range(1 if quick else 5)
    ]
    result = table(f"Exact, {rows:,} x 128", "", "seconds", "in FAISS's", "target")
    for case in cases:
        ratios = [one[case] / one["faiss flat"] for one in rounds] if bench.has_peer else []
        result.add_row(
            case,
            f"{np.median([one[case] for one in rounds]):.2f}",
            _spread(ratios),
            "1.15" if case == "ours exact" else "",
        )
    if bench.has_peer:
        few = bench.save("nsl", clustered(rows)[:NSL_ROWS])
        seconds = bench.run("nsl", few)["seconds"] * (rows / NSL_ROWS) ** 2
        ours = np.median([one["ours exact"] for one in rounds])
        result.add_row(f"NSL build_graph, from {NSL_ROWS:,} rows", f"{seconds:,.0f}", "", "")
        result.add_row("  in times of ours", f"{seconds / ours:,.0f}", "", "200")
    yield result
    if DATA.is_dir():
        yield compare_real(bench, cases)
    else:
        bench.console.print(f"Without real embeddings, whose data are not in {DATA}.")


def compare_real(bench: Bench, cases: list[str]) -> Table:
    """Returns what the exact search of real embeddings costs."""
    real = table("Exact, real embeddings", "", "rows", "seconds", "in FAISS's", "MiB")
    for name, load in (("digits' pixels", digits), ("reviews' TF-IDF, SVD", reviews)):
        vectors = load()
        path = bench.save("real", vectors)
        found = {case: bench.run(case, path) for case in cases}
        ratio = (
            [found["ours exact"]["seconds"] / found["faiss flat"]["seconds"]]
            if bench.has_peer
            else []
        )
        ours = found["ours exact"]
        real.add_row(
            f"{name}, {vectors.shape[1]}",
            f"{len(vectors):,}",
            f"{ours['seconds']:.2f}",
            _spread(ratio),
            f"{ours['megabytes']:.0f}",
        )
    return real


def run_large(bench: Bench, quick: bool) -> Iterator[Table]:
    sizes = (20_000,) if quick else (200_000, 400_000, 1_000_000)
    for rows in sizes:
        vectors = clustered(rows)
        path = bench.save("large", vectors)
        size = vectors.nbytes / 2**20
        result = table(
            f"Approximate, {rows:,} x 128, recall@{K} of at least 0.95",
            "",
            "seconds",
            "in ours",
            "recall",
            "peak, in embeddings",
            "",
        )
        unit = None
        for case in bench.cases("ours approximate", "faiss HNSW", "pynndescent"):
            found = bench.run(case, path)
            unit = unit or found["seconds"]
            result.add_row(
                case,
                f"{found['seconds']:.1f}",
                f"{found['seconds'] / unit:.2f}",
                f"{recall(vectors, found['neighbors']):.3f}",
                f"{found['megabytes'] / size:.2f}",
                found["note"],
            )
        yield result


def run_growth(bench: Bench, quick: bool) -> Iterator[Table]:
    sizes = (5000, 10_000) if quick else (125_000, 250_000, 500_000, 1_000_000)
    seconds = []
    result = table("Growth of the approximate search", "rows", "seconds", "recall", "exponent")
    for rows in sizes:
        vectors = clustered(rows)
        found = bench.run("ours approximate", bench.save("growth", vectors))
        seconds.append(found["seconds"])
        exponent = (
            np.polyfit(np.log(sizes[: len(seconds)]), np.log(seconds), 1)[0]
            if len(seconds) > 1
            else None
        )
        result.add_row(
            f"{rows:,}",
            f"{found['seconds']:.1f}",
            f"{recall(vectors, found['neighbors']):.3f}",
            "" if exponent is None else f"{exponent:.2f}",
        )
    yield result


BUILD = """
import sys, time
import apache_beam as beam
from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.transform import BuildGraph
from nsl_tfx.io.beam_records import DecodeFeatures, ReadRecordBlocks
from nsl_tfx.tools.similarity_graph import build_graph_folder

how, source, output = sys.argv[1:]
config = SimilarityGraphConfig(embedding_feature="embedding", method="approximate")
started = time.perf_counter()
if how == "kernel":
    build_graph_folder(source, output, config)
else:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        batches = pipeline | ReadRecordBlocks(source) | DecodeFeatures(["id", "embedding"])
        _ = {"train": batches} | BuildGraph(config, output)
print(time.perf_counter() - started)
"""


def run_beam(bench: Bench, quick: bool) -> Iterator[Table]:
    rows = 5000 if quick else 200_000
    source = write_examples(f"{bench.folder}/examples.tfrecord.gz", clustered(rows))
    result = table(
        f"From TFRecords to a NeighborGraph, {rows:,} x 128, approximate",
        "",
        "seconds",
        "ratio",
        "target",
    )
    rounds = []
    for number in range(1 if quick else 3):
        seconds = {}
        for how in ("kernel", "beam"):
            output = f"{bench.folder}/graph-{how}-{number}"
            done = subprocess.run(
                [sys.executable, "-c", BUILD, how, source, output], capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            seconds[how] = float(done.stdout.splitlines()[-1])
        rounds.append(seconds)
    ratios = [one["beam"] / one["kernel"] for one in rounds]
    result.add_row("in one process", f"{np.median([one['kernel'] for one in rounds]):.1f}", "", "")
    beam_seconds = np.median([one["beam"] for one in rounds])
    result.add_row("Beam's in-process runner", f"{beam_seconds:.1f}", _spread(ratios), "1.50")
    yield result


def write_examples(path: str, vectors: np.ndarray) -> str:
    """Writes a tf.Example a vector: an id and the floats."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP", compression_level=1)) as writer:
        for row, vector in enumerate(vectors):
            example = tf.train.Example()
            example.features.feature["id"].bytes_list.value.append(b"%07d" % row)
            example.features.feature["embedding"].float_list.value.extend(vector.tolist())
            writer.write(example.SerializeToString())
    return path


PARTS: dict[str, Callable[[Bench, bool], Iterator[Table]]] = {
    "exact": run_exact,
    "growth": run_growth,
    "large": run_large,
    "beam": run_beam,
}


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return ""
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{middle:.2f}" if len(ratios) == 1 else f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, parted by commas")
    parser.add_argument("--quick", action="store_true", help="little data, to see that it runs")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-peer", action="store_true", help="leave out what others take")
    settings = parser.parse_args()
    wanted = settings.only.split(",")
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"Expected parts of {', '.join(PARTS)}. Received: {', '.join(unknown)}.")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, settings.threads, console)
        bench.has_peer = bench.has_peer and not settings.no_peer
        if not bench.has_peer:
            console.print("Without FAISS, pynndescent and NSL, which `make peer` installs.")
        for part in wanted:
            for result in PARTS[part](bench, settings.quick):
                console.print(result)


if __name__ == "__main__":
    main()
