"""What does packing neighbors cost? `python benchmarks/packing.py` prints time and peak memory.

Examples of 784 floats, an id and a label get the features of 5 random neighbors. The yardstick is
TensorFlow's own TFRecord library: reading the input, and writing as many bytes as the output has.
Every case is a process of its own, so that its peak memory is its own; imports take memory, but no
time here. Where `make peer` has been run, NSL packs the same files, and the results are compared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / ".uv/peer/bin/python"
FLOATS = 784
NEIGHBORS = 5

YARDSTICK_TITLE = "TensorFlow: read, write as much"
# Programs that print the seconds of their work, imports aside, and their peak memory: the peak that
# the system reports of a child includes its parent's.
CLOCK = "import sys, time; started = time.perf_counter()\n"
REPORT = """
seconds = time.perf_counter() - started
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("seconds", seconds, peak.split()[1])
"""
YARDSTICK = (
    "import tensorflow as tf\n"
    + CLOCK
    + """
source, output, size = sys.argv[1:]
compression = "GZIP" if output.endswith(".gz") else ""
records = list(tf.data.TFRecordDataset(source).as_numpy_iterator())
each = int(size) // len(records)
joined = each // len(records[0]) + 1
with tf.io.TFRecordWriter(output, compression) as writer:
    for row in range(len(records)):
        picked = [records[(row + 7919 * j) % len(records)] for j in range(joined)]
        writer.write(b"".join(picked)[:each])
"""
    + REPORT
)
PACK = CLOCK + "pack_nbrs(*sys.argv[1:])" + REPORT
OURS = "import nsl_tfx.tools.joined_files\nfrom nsl_tfx.tools import pack_nbrs\n" + PACK
NSLS = "from neural_structured_learning.tools import pack_nbrs\n" + PACK
BEAM = (
    """
import apache_beam as beam
from nsl_tfx.configs import AugmentConfig, GraphNeighborConfig
from nsl_tfx.graph.joining.augmenting import Job, augment_whole
from nsl_tfx.graph.joining.transform import JoinNeighbors
"""
    + CLOCK
    + """
how, source, graph, output = sys.argv[1:]
features = ("id", "label", "x")
config = AugmentConfig(features=features, neighbors=GraphNeighborConfig(max_neighbors=5))
job = Job({"train": [source]}, graph, config, features, output)
if how == "kernel":
    augment_whole(job)
else:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | JoinNeighbors(job, int(how))
"""
    + REPORT
)


def write_input(folder: Path, rows: int) -> None:
    """Writes examples and a graph, as TSV and as a NeighborGraph."""
    from nsl_tfx.graph import EdgeList, write_graph
    from nsl_tfx.io.record_writer import write_record_file
    from nsl_tfx.io.wire import encode_varint, join_features

    rng = np.random.default_rng(0)
    ids = [b"%07d" % row for row in range(rows)]
    source = np.repeat(np.arange(rows), NEIGHBORS)
    target = rng.integers(0, rows, len(source))
    weight = np.round(rng.random(len(source)), 6)

    def field(tag: bytes, content: bytes) -> bytes:
        return tag + encode_varint(len(content)) + content

    def records():
        for identity in ids:
            values = rng.random(FLOATS, np.float32).tobytes()
            yield join_features(
                [
                    (b"id", field(b"\x0a", field(b"\x0a", identity))),
                    (b"label", field(b"\x1a", field(b"\x0a", b"\x01"))),
                    (b"x", field(b"\x12", field(b"\x0a", values))),
                ]
            )

    write_record_file(str(folder / "input.tfr"), records())
    with open(folder / "graph.tsv", "w", encoding="utf-8") as file:
        for s, t, w in zip(source, target, weight, strict=True):
            file.write(f"{s:07d}\t{t:07d}\t{w:.6f}\n")
    _, first = np.unique(source * rows + target, return_index=True)
    edges = EdgeList(source[first], target[first], weight[first])
    write_graph(str(folder / "graph"), ids, edges, {})


def run(program: str, *arguments: object, python: object = sys.executable) -> tuple[float, float]:
    """Runs a program; returns its seconds and its peak memory in GB."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [str(part) for part in (python, "-c", program, *arguments)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=output,
            stderr=errors,
        )
        status = process.wait()
        for file in (output, errors):
            file.seek(0)
        if status:
            sys.exit(errors.read())
        line = next(line for line in output if line.startswith("seconds "))
    _, seconds, kibibytes = line.split()
    return float(seconds), int(kibibytes) * 1024 / 1e9


def measure(folder: Path, suffix: str, with_nsl: bool) -> dict[str, tuple[float, float]]:
    """Returns seconds and GB of each case."""
    source, graph = folder / "input.tfr", folder / "graph.tsv"
    packed = folder / f"packed{suffix}"
    result = {"nsl_tfx.tools.pack_nbrs": run(OURS, source, "", graph, packed)}
    size = sum(len(record) for record in records_of(packed))
    output = folder / f"written{suffix}"
    result[YARDSTICK_TITLE] = run(YARDSTICK, source, output, size)
    output.unlink()
    if with_nsl:
        result["NSL's pack_nbrs"] = run(NSLS, source, "", graph, output, python=PEER)
        check_equal(packed, output)
        output.unlink()
    packed.unlink()
    return result


def records_of(path: Path):
    """Yields a file's records."""
    from nsl_tfx.io.tfrecords import read_record_blocks

    for _, _, block in read_record_blocks(str(path)):
        yield from block


def check_equal(ours: Path, theirs: Path) -> None:
    """Fails unless both files hold the same examples in one order."""
    from nsl_tfx.io.wire import Splitter

    splitter = Splitter()
    for left, right in zip(records_of(ours), records_of(theirs), strict=True):
        assert left == splitter.split(right).record, "the results differ"


def measure_beam(folder: Path) -> dict[str, tuple[float, float]]:
    """Returns seconds and GB of the kernel that NeighborAugmenter calls, and of Beam around it."""
    result = {}
    for title, how in (("kernel", "kernel"), ("Beam, 1 part", 1), ("Beam, 4 parts", 4)):
        with tempfile.TemporaryDirectory(dir=folder) as output:
            result[title] = run(BEAM, how, folder / "input.tfr", folder / "graph", output)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--no-peer", action="store_true", help="leave NSL out")
    parser.add_argument("--no-beam", action="store_true", help="leave Beam out")
    parser.add_argument("--folder", help="where to write; a temporary one if left out")
    arguments = parser.parse_args()
    table = Table("case", box=box.MARKDOWN)
    for title in ("seconds", "µs an example", "GB", "times TensorFlow"):
        table.add_column(title, justify="right")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_input(folder, arguments.rows)
        has_peer = PEER.exists() and not arguments.no_peer
        plain = measure(folder, "", has_peer)
        packed = measure(folder, ".gz", with_nsl=False)
        packed |= {} if arguments.no_beam else measure_beam(folder)
    for suffix, cases in (("", plain), (", gzipped", packed)):
        yardstick = cases[YARDSTICK_TITLE][0]
        for case, (seconds, memory) in cases.items():
            each = seconds / arguments.rows * 1e6
            numbers = (f"{seconds:.1f}", f"{each:.0f}", f"{memory:.2f}")
            table.add_row(case + suffix, *numbers, f"{seconds / yardstick:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
