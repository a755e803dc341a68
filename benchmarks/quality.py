"""Does structure pay on known data sets? `python benchmarks/quality.py`.

Trains each method of each part with several seeds and prints means with 95 % t intervals. What a
training measured is kept in a file of --results, and what is there is not measured again, so that a
table can be completed in several runs. Where `make peer` has been run, NSL trains some of the
methods too, on the same data, in a process of its own.

The data lie beside the checkout, in ../shared/data.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from quality_data import DATA, FILES, missing_files
from quality_part import Arrays
from quality_results import NSL, OURS, Results, table_of
from rich.console import Console

from nsl_tfx.console import library_output_to

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / ".uv/peer/bin/python"
PARTS = tuple(FILES)
# Wider than many a terminal, but a table is of no use in parts.
WIDTH = 180


class Task(NamedTuple):
    """One training."""

    part: str
    side: str
    method: str
    seed: int


def main() -> None:
    options = parse_options()
    for part in options.only:
        require_data(part)
    if options.quick:
        # Tiny settings tell nothing: nothing is taken from them, or kept.
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            run(options, Results(Path(folder)))
    else:
        run(options, Results(options.results))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="comma-separated parts", default=",".join(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE.parent / ".benchmarks/quality")
    parser.add_argument(
        "--quick", action="store_true", help="few epochs, without NSL: does it run?"
    )
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave NSL out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.only = options.only.split(",")
    if not set(options.only) <= set(PARTS):
        parser.error(f"--only: expected some of {','.join(PARTS)}. Received: {options.only}")
    if options.quick:
        options.seeds, options.peer = 1, False
    return options


def require_data(part: str) -> None:
    missing = missing_files(part)
    if missing:
        raise SystemExit(
            f"Expected the data of {part} beside the checkout, in {DATA}. Missing: "
            f"{', '.join(map(str, missing))}. Put them there, or leave the part out with --only."
        )


def run(options: argparse.Namespace, results: Results) -> None:
    results.folder.mkdir(parents=True, exist_ok=True)
    with library_output_to(str(results.folder / "log.txt")) as console:
        limit_threads(options.threads)
        if options.peer and not PEER.exists():
            options.peer = False
            console.print("NSL is not here to compare with; install it: make peer")
        parts = {name: importlib.import_module(f"quality_{name}") for name in options.only}
        for name, part in parts.items():
            for task in tasks_of(name, part, options):
                settings = part.METHODS[task.method]
                found = results.get(name, task.side, task.method, settings, task.seed)
                if found is None:
                    found = measure(part, task, options)
                    results.put(name, task.side, task.method, settings, task.seed, found)
                    print_progress(console, task, found)
            table = table_of(name, part, results, range(options.seeds))
            Console(file=console.file, width=WIDTH).print(table)


def limit_threads(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def tasks_of(part_name: str, part: Any, options: argparse.Namespace) -> Iterator[Task]:
    """Yields the trainings seed by seed, so that a table that is not complete is a fair one."""
    for seed in range(options.seeds):
        for name, method in part.METHODS.items():
            yield Task(part_name, OURS, name, seed)
            if options.peer and method.has_peer:
                yield Task(part_name, NSL, name, seed)


def measure(part: Any, task: Task, options: argparse.Namespace) -> dict[str, float]:
    import keras

    import nsl_tfx

    keras.backend.clear_session()
    method = part.METHODS[task.method]
    arrays = part.prepare(method, task.seed, options.quick)
    keras.utils.set_random_seed(task.seed)
    model = part.make_model(method, arrays)
    if task.side == OURS:
        part.train(nsl_tfx, method, model, arrays, options.quick)
    else:
        model.set_weights(train_with_peer(task, arrays, options))
    return part.evaluate(model, arrays, options.quick)


def train_with_peer(task: Task, arrays: Arrays, options: argparse.Namespace) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        given, made = f"{folder}/arrays.npz", f"{folder}/weights.npz"
        np.savez(given, **arrays)
        request = {**task._asdict(), "quick": options.quick, "threads": options.threads}
        done = subprocess.run(
            [PEER, HERE / "quality_nsl.py", json.dumps(request), given, made],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        if done.returncode:
            raise SystemExit(f"NSL failed at {task}:\n{done.stderr[-2000:]}")
        with np.load(made) as weights:
            return [weights[name] for name in weights.files]


def print_progress(console: Console, task: Task, found: dict[str, float]) -> None:
    numbers = "  ".join(f"{name} {value:.1f}" for name, value in found.items())
    title = f"{task.part} {task.side} {task.method}, seed {task.seed}"
    console.print(f"[dim]{title}:[/dim] {numbers}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
