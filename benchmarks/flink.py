"""What does a Flink cluster cost and gain? `python benchmarks/flink.py [--rows 20000]`.

The same graph is built in process and on a cluster of this machine, at parallelism 1 and 2; rounds
are interleaved, and ratios are of one round. Cluster and workers share the machine's cores, so that
what is seen is the runner's price and that work spreads, not what more machines would give. Needs
`make flink`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.transform import BuildGraph
from nsl_tfx.io import write_records
from nsl_tfx.io.beam_records import DecodeFeatures, ReadRecordBlocks
from tests.flink.cluster import Cluster, missing
from tests.tf_examples import make_example

FILES = 8
CASES = ("in process", "Flink, parallelism 1", "Flink, parallelism 2")


def write_examples(folder: Path, rows: int, dimension: int) -> str:
    """Writes vectors in clusters as gzipped TFRecords; returns their pattern."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(max(10, rows // 200), dimension))
    for number, part in enumerate(np.array_split(np.arange(rows), FILES)):
        vectors = centers[part % len(centers)] + rng.normal(size=(len(part), dimension))
        records = [
            make_example(id=[b"%d" % row], x=vector)
            for row, vector in zip(part, vectors.astype(np.float32).tolist(), strict=True)
        ]
        write_records(str(folder / f"data-{number:05d}.gz"), records)
    return str(folder / "data-*.gz")


def build(pattern: str, folder: str, config: SimilarityGraphConfig, options: list[str]) -> float:
    """Builds a graph; returns the seconds."""
    start = time.monotonic()
    with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
        batches = (
            pipeline
            | ReadRecordBlocks([pattern], what="files of examples")
            | DecodeFeatures(["id", "x"], None)
        )
        _ = {"train": batches} | BuildGraph(config, folder)
    return time.monotonic() - start


def measure(
    cluster: Cluster, folder: Path, rows: int, dimension: int, rounds: int
) -> dict[str, list[float]]:
    """Returns the seconds of each case's rounds; the graphs are folders `round-case`."""
    examples = folder / "examples"
    examples.mkdir()
    pattern = write_examples(examples, rows, dimension)
    # A sixteenth of what the vectors need, so that they are cut into buckets.
    budget = max(1, rows * dimension * 4 * 3 // (1 << 20) // 16)
    config = SimilarityGraphConfig(embedding_feature="x", worker_memory_mb=budget)
    options = [["--runner=FnApiRunner"], cluster.beam_args(1), cluster.beam_args(2)]
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    for number in range(rounds):
        for case, option in zip(CASES, options, strict=True):
            target = str(folder / f"{number}-{CASES.index(case)}")
            seconds[case].append(build(pattern, target, config, option))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    lacks = missing()
    if lacks is not None:
        sys.exit(f"Expected what a Flink cluster needs. Received: {lacks}.")
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder, "cluster")) as cluster:
        seconds = measure(
            cluster, Path(folder), arguments.rows, arguments.dimension, arguments.rounds
        )
    title = f"A graph of {arguments.rows:,} vectors of {arguments.dimension} numbers"
    table = Table(title=title, box=box.MARKDOWN, title_justify="left")
    for name in ("runner", "seconds", "rows a second", "to in process", "to parallelism 1"):
        table.add_column(name, justify="left" if name == "runner" else "right")
    for case in CASES:
        mine = seconds[case]
        ratios = [
            f"{median(a / b for a, b in zip(mine, seconds[other], strict=True)):.2f}"
            for other in CASES[:2]
        ]
        speed = arguments.rows / median(mine)
        table.add_row(case, f"{median(mine):.1f}", f"{speed:,.0f}", *ratios)
    Console(width=115).print(table)


if __name__ == "__main__":
    main()
