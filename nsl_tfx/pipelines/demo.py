"""`nsl-tfx demo`: the digits pipeline, run and summed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from nsl_tfx.graph import read_graph_info
from nsl_tfx.pipelines.digits.data import SPLIT_SIZES, write_digits
from nsl_tfx.pipelines.digits.pipeline import create_pipeline
from nsl_tfx.pipelines.lineage import ArtifactRecord, last_outputs, open_sqlite
from nsl_tfx.pipelines.local import run_locally

_LABELLED_SHARE = 0.1
_SERVED_DIGITS = 10


def run(root: str, seed: int, console: Console) -> None:
    """Runs the digits pipeline and prints what came of it.

    Args:
        root: Folder for everything that is written; a second run reuses it.
        seed: Seed of the split, of training and of the attacks.
        console: Where to print.
    """
    started = time.monotonic()
    # One folder a seed: another seed's data is other data, and reusing it would mix them up.
    root = os.path.join(os.path.abspath(root), f"seed-{seed}")
    data_root = os.path.join(root, "data")
    write_digits(data_root, _LABELLED_SHARE, seed)
    labelled = round(SPLIT_SIZES["train"] * _LABELLED_SHARE)
    console.print(
        f"Handwritten digits: {SPLIT_SIZES['train']} images to train on, {labelled} of them with a "
        f"label; {SPLIT_SIZES['test']} to test on."
    )
    pipeline = create_pipeline(root, data_root, seed)
    run_locally(pipeline, console)
    outputs = last_outputs(
        open_sqlite(os.path.join(root, "metadata.sqlite")), pipeline.pipeline_info.pipeline_name
    )
    console.print()
    console.print(graph_table(read_graph_info(outputs["GraphBuilder"]["graph"].uri)))
    evaluation = read_evaluation(outputs["RobustnessEvaluator"]["evaluation"])
    console.print(model_table(evaluation))
    _print_verdict(outputs, evaluation, root, console)
    _print_served(outputs["Pusher"]["pushed_model"], data_root, console)
    console.print(f"\nFinished in {time.monotonic() - started:.0f} s.")


def read_evaluation(evaluation: ArtifactRecord) -> dict[str, Any]:
    """Reads `metrics.json` of a RobustnessEvaluation."""
    with open(os.path.join(evaluation.uri, "metrics.json"), encoding="utf-8") as file:
        return dict(json.load(file))


def graph_table(info: dict[str, Any]) -> Table:
    """Sums up a graph's `graph.json`."""
    metrics = info["metrics"]
    table = Table(title="Graph over the training images", title_justify="left", show_header=False)
    table.add_row("nodes", f"{metrics['nodes']:,}")
    table.add_row("edges (directed)", f"{metrics['edges']:,}")
    table.add_row("isolated nodes", f"{metrics['isolated_nodes']:,}")
    agreement = metrics["label_agreement"]
    if agreement and agreement["share"] is not None:
        table.add_row(
            "label agreement",
            f"{100 * agreement['share']:.1f} %  [{100 * agreement['low']:.1f} to "
            f"{100 * agreement['high']:.1f}], chance {100 * agreement['chance']:.1f} %\n"
            f"(of {agreement['pairs']} joined pairs where both have a label)",
        )
    return table


def model_table(evaluation: dict[str, Any]) -> Table:
    """Sets the regularized model beside the baseline."""
    config = evaluation["config"]
    table = Table(
        title=f"Accuracy on {evaluation['examples']} test images, {_interval_name(config)}",
        title_justify="left",
    )
    for column in ("", "baseline", "regularized", "gain"):
        table.add_column(column, justify="left" if not column else "right")
    baseline, model, gains = (evaluation[key] for key in ("baseline", "model", "comparison"))
    rows = (
        ("as they are", "accuracy"),
        (f"under attack (every pixel +-{config['epsilon']:g})", "robust_accuracy"),
    )
    for label, key in rows:
        gain = gains[key]
        table.add_row(
            label,
            _share(baseline[key]),
            _share(model[key]),
            f"{100 * gain['difference']:+.1f}  "
            f"[{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}]",
        )
    return table


def _interval_name(config: dict[str, Any]) -> str:
    return f"% [{100 * config['confidence']:.0f} % interval]"


def _share(proportion: dict[str, Any]) -> str:
    return (
        f"{100 * proportion['value']:.1f}  "
        f"[{100 * proportion['low']:.1f} to {100 * proportion['high']:.1f}]"
    )


def _print_verdict(
    outputs: dict[str, dict[str, ArtifactRecord]],
    evaluation: dict[str, Any],
    root: str,
    console: Console,
) -> None:
    blessing = outputs["RobustnessEvaluator"]["blessing"]
    blessed = blessing.properties.get("blessed") == 1
    console.print("[bold green]BLESSED[/]" if blessed else "[bold red]NOT BLESSED[/]", end=": ")
    console.print(" ".join(evaluation["reasons"]))
    places = {
        "report": os.path.join(outputs["RobustnessEvaluator"]["evaluation"].uri, "report.html"),
        "metadata": os.path.join(root, "metadata.sqlite"),
    }
    pushed = outputs["Pusher"]["pushed_model"].properties
    if pushed.get("pushed") == 1:
        places = {"pushed model": pushed["pushed_destination"], **places}
    console.print()
    width = max(map(len, places))
    for name, path in places.items():
        console.print(f"{name:<{width}}  {os.path.relpath(path)}", soft_wrap=True, highlight=False)


def _print_served(pushed: ArtifactRecord, data_root: str, console: Console) -> None:
    """Serves some test digits from the pushed model, in a process that cannot import nsl_tfx."""
    if pushed.properties.get("pushed") != 1:
        console.print("\nNothing was pushed, so nothing is served.")
        return
    script = os.path.join(os.path.dirname(__file__), "digits", "serve.py")
    found = subprocess.run(
        [
            sys.executable,
            # Isolated, so that no path setting brings the package back.
            "-I",
            script,
            pushed.properties["pushed_destination"],
            os.path.join(data_root, "test"),
            str(_SERVED_DIGITS),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    served = json.loads(found.stdout.splitlines()[-1])
    console.print(
        f"\nServed by the pushed model, without nsl_tfx, for {_SERVED_DIGITS} test images:"
    )
    for name in ("predicted", "label"):
        console.print(f"  {name:<9}  {' '.join(map(str, served[name]))}", highlight=False)
