"""Does structure pay? The digits pipeline over several seeds: `python benchmarks/digits_seeds.py`.

Each seed draws other splits, other labelled images, other weights and other attacks, and runs the
whole pipeline of `nsl-tfx demo`. Printed: the mean over seeds with a 95 % t interval, for the
baseline, the regularized model and their paired difference. The settings were chosen on the eval
split, never on the test split.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from nsl_tfx.console import library_output_to


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--root", type=Path, help="keep the runs here; a new folder by default")
    options = parser.parse_args()
    options.root = options.root or Path(tempfile.mkdtemp(prefix="digits-seeds-"))
    with library_output_to(str(options.root / "log.txt")) as console:
        rows = [run_seed(str(options.root), seed, console) for seed in range(options.seeds)]
        print_table(rows, console)


def run_seed(root: str, seed: int, console: Console) -> dict[str, float]:
    """Runs the pipeline and returns accuracies by model and condition, in percent."""
    from nsl_tfx.pipelines import demo

    demo.run(root, seed, Console(quiet=True))
    outputs = demo.outputs_of(root, seed)
    evaluation = demo.read_evaluation(outputs["RobustnessEvaluator"]["evaluation"])
    row = {
        f"{model} {condition}": 100 * evaluation[model][key]["value"]
        for model in ("baseline", "model")
        for condition, key in (("clean", "accuracy"), ("attacked", "robust_accuracy"))
    }
    numbers = "  ".join(f"{name} {value:.1f}" for name, value in row.items())
    console.print(
        f"seed {seed}: {numbers}  {evaluation['verdict']}", highlight=False, soft_wrap=True
    )
    return row


def print_table(rows: list[dict[str, float]], console: Console) -> None:
    table = Table(title=f"Mean over {len(rows)} seeds, % [95 % interval]", title_justify="left")
    for column in ("", "baseline", "regularized", "gain"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for condition in ("clean", "attacked"):
        baseline, model = (
            np.array([row[f"{name} {condition}"] for row in rows]) for name in ("baseline", "model")
        )
        table.add_row(condition, interval(baseline), interval(model), interval(model - baseline))
    console.print(table)


def interval(values: np.ndarray) -> str:
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    mean = values.mean()
    return f"{mean:.1f} [{mean - half:.1f}, {mean + half:.1f}]"


if __name__ == "__main__":
    main()
