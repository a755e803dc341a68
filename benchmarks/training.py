"""What does regularization cost? One step's time in plain steps: `python benchmarks/training.py`.

Each case is trained with `fit` on data that lies ready in memory. A round runs some steps of every
case in turn and takes the median of their times; a ratio is taken within a round, so that what else
the machine does meets both of its sides, and what is printed is the median over the rounds. Where
`make peer` has been run, NSL trains the same models with the same settings in a process of its own,
and only one of the two processes works at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / ".uv/peer/bin/python"


class Model(NamedTuple):
    """What is trained, and for how many steps a round: a round spends alike on both models."""

    title: str
    steps: int


class Case(NamedTuple):
    """A line of the table, and how many plain steps it may take at most, by model."""

    title: str
    target: dict[str, float] | None = None


# Their names are those of training_worker.
MODELS = {"mlp": Model("MLP 784-512-256-10", 30), "cnn": Model("CNN 32-64-64-10", 10)}
UNIT, AGAIN, LARGE = "plain", "plain again", "plain x 4"
CASES = {
    UNIT: Case("plain"),
    AGAIN: Case("plain again (noise)"),
    LARGE: Case("plain, 4 x the rows"),
    "adversarial x 0": Case("adversarial, weight 0", {"mlp": 1.03, "cnn": 1.03}),
    "graph x 0": Case("graph, weight 0", {"mlp": 1.03, "cnn": 1.03}),
    "fgsm": Case("FGSM", {"mlp": 1.5, "cnn": 2.0}),
    "pgd": Case("PGD, 3 steps", {"mlp": 2.5, "cnn": 4.0}),
    "graph": Case("graph, 3 neighbors", {"mlp": 1.7, "cnn": 2.8}),
}
PEER_TARGET = 0.9

Times = dict[tuple[str, str, str], list[float]]
"""Model, side and case to each round's milliseconds per step."""


class Worker:
    """A process that holds its models ready and trains when told to."""

    def __init__(self, python: str | Path, script: str, threads: int, log: IO[str]) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [python, HERE / script, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1"},
        )

    def ask(self, **request: Any) -> Any:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            log = Path(self._log.name).read_text(errors="replace")
            raise SystemExit(f"{log[-3000:]}\nA worker ended at the request {request}.")
        return json.loads(answer)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    options = parse_options()
    console = Console()
    with contextlib.ExitStack() as stack:

        def start(python: str | Path, script: str) -> Worker:
            log = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".log"))
            worker = Worker(python, script, options.threads, log)
            stack.callback(worker.close)
            return worker

        workers = {"ours": start(sys.executable, "training_ours.py")}
        if options.peer and PEER.exists():
            workers["NSL"] = start(PEER, "training_nsl.py")
        elif options.peer:
            console.print("NSL is not here to compare with; install it: make peer")
        times = measure(workers, options, console)
        for model in MODELS:
            layers = workers["ours"].ask(model=model)
            table = table_of(model, options.only, times, work_by_case(layers))
            # Wider than many a terminal, and of no use in parts.
            Console(width=140).print(table)
    console.print(
        f"{options.threads} threads, {options.rounds} rounds; in brackets the rounds' quartiles.",
        soft_wrap=True,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 steps: does it run?")
    parser.add_argument(
        "--only", help=f"comma-separated, beside plain: {','.join(CASES)}", default=",".join(CASES)
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave NSL out")
    options = parser.parse_args()
    wanted = {UNIT, *options.only.split(",")}
    if wanted - set(CASES):
        parser.error(f"--only: expected some of {','.join(CASES)}. Received: {options.only}")
    options.only = [case for case in CASES if case in wanted]
    if options.quick:
        options.rounds = 2
    return options


def measure(workers: dict[str, Worker], options: argparse.Namespace, console: Console) -> Times:
    runs = [
        (model, side, case)
        for model in MODELS
        for side in workers
        for case in options.only
        if side == "ours" or case not in (AGAIN, LARGE)
    ]
    order = random.Random(0)
    times: Times = {run: [] for run in runs}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("making the models", total=len(runs) * (1 + options.rounds))
        for round_ in range(1 + options.rounds):
            # In any one order, some cases would always come after a large or a small one.
            for model, side, case in order.sample(runs, len(runs)):
                steps = 2 if options.quick or round_ == 0 else MODELS[model].steps
                seconds = workers[side].ask(model=model, case=case, steps=steps)
                if round_:
                    times[model, side, case].append(1e3 * float(np.median(seconds)))
                progress.advance(task)
            progress.update(task, description=f"{round_} of {options.rounds} rounds")
    return times


def work_by_case(layers: list[int]) -> dict[str, float]:
    """Returns how often each case multiplies, in plain steps.

    A layer multiplies equally often forward, backward to its weights and backward to its input.
    Nobody asks a plain step for the first layer's input gradient. An attack asks the clean pass for
    it, and each later step of PGD asks for one pass forward and one to the input. Its result is
    trained on as the clean input is.

    Args:
        layers: The multiplications of each layer's forward pass on one example.
    """
    total, first = sum(layers), layers[0]
    plain = 3 * total - first
    fgsm = plain + first + plain
    work = {
        "fgsm": fgsm,
        "pgd": fgsm + 2 * 2 * total,
        "graph": (1 + 3) * plain,
        LARGE: 4 * plain,
    }
    return {case: work.get(case, plain) / plain for case in CASES}


def table_of(model: str, cases: list[str], times: Times, work: dict[str, float]) -> Table:
    def milliseconds(side: str, case: str) -> str:
        return f"{np.median(times[model, side, case]):.2f}"

    table = Table(title=MODELS[model].title, title_justify="left", box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    columns = ["ms", "plain steps", "target", "limit", "work"]
    if (model, "NSL", UNIT) in times:
        columns += ["NSL: ms", "plain steps", f"ours / NSL (target {PEER_TARGET})"]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for case in cases:
        ours, unit = times[model, "ours", case], times[model, "ours", UNIT]
        target = CASES[case].target
        cells = [
            milliseconds("ours", case),
            ratio(ours, unit),
            "" if target is None else f"{target[model]:.2f}",
            limit(work[case], unit, times.get((model, "ours", LARGE))),
            f"{work[case]:.2f}",
        ]
        if (model, "NSL", case) in times:
            theirs = times[model, "NSL", case]
            cells += [
                milliseconds("NSL", case),
                ratio(theirs, times[model, "NSL", UNIT]),
                ratio(ours, theirs),
            ]
        table.add_row(CASES[case].title, *cells)
    return table


def ratio(times: list[float], unit: list[float]) -> str:
    low, middle, high = np.quantile(np.divide(times, unit), [0.25, 0.5, 0.75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def limit(work: float, unit: list[float], large: list[float] | None) -> str:
    """Returns the plain steps that this much work takes where nothing but the work grows.

    The optimizer and what surrounds a step cost the same in every case, so four times the rows take
    less than four steps. The limit lies on the straight line through one and four times the rows;
    where large batches are slow, it is the work itself.
    """
    if large is None:
        return ""
    slope = (float(np.median(np.divide(large, unit))) - 1) / (4 - 1)
    return f"{1 + (work - 1) * min(slope, 1):.2f}"


if __name__ == "__main__":
    main()
