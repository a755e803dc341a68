"""`nsl-tfx demo`: the digits pipeline, run and summed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from absl import logging as absl_logging
from rich import box
from rich.console import Console
from rich.table import Table

from nsl_tfx.graph import read_graph_info
from nsl_tfx.metadata import ArtifactRecord, last_outputs, open_store
from nsl_tfx.pipelines.digits.config import PIPELINE_NAME
from nsl_tfx.pipelines.digits.data import SPLIT_SIZES, write_digits
from nsl_tfx.pipelines.digits.pipeline import create_pipeline
from nsl_tfx.pipelines.runners.local import only_run_in, run_locally
from nsl_tfx.pipelines.runners.view import RunView

_LABELLED_SHARE = 0.1
_SERVED_DIGITS = 10
# Beside three intervals, 80 columns leave few for a name.
_SHORT = {"gaussian_noise": "noise"}


def run(root: str, seed: int, console: Console, live: bool | None = None) -> None:
    """Runs the digits pipeline and prints what came of it.

    Args:
        root: Folder for everything that is written; a second run reuses it.
        seed: Seed of the split, of training and of the attacks.
        console: Where to print.
        live: Whether as a table that changes; None takes it where the console is a terminal.

    Raises:
        NodeFailedError: A node failed. Finished nodes are kept: the next run reuses them.
        RuntimeError: Another run is at work there, or the pushed model is gone or does not work.
    """
    root = os.path.abspath(root)
    # What TFX tells of each step is for the log; libraries turn it off by default.
    absl_logging.set_verbosity(absl_logging.INFO)
    folder = _folder(root, seed)
    data_root = os.path.join(folder, "data")
    labelled = round(SPLIT_SIZES["train"] * _LABELLED_SHARE)
    console.print(
        f"{SPLIT_SIZES['train']:,} handwritten digits to train on, {labelled} of them labelled; "
        f"{SPLIT_SIZES['test']} to test on."
    )
    with only_run_in(folder):
        write_digits(data_root, _LABELLED_SHARE, seed)
        run_locally(create_pipeline(folder, data_root, seed), RunView(console, live))
    outputs = outputs_of(root, seed)
    pushed = outputs["Pusher"]["pushed_model"]
    check_pushed(pushed, folder)
    console.print()
    console.print(graph_table(read_graph_info(outputs["GraphBuilder"]["graph"].uri)))
    evaluation = read_evaluation(outputs["RobustnessEvaluator"]["evaluation"])
    console.print(model_table(evaluation))
    _print_verdict(outputs, folder, console)
    _print_served(pushed, folder, data_root, console)


def outputs_of(root: str, seed: int) -> dict[str, dict[str, ArtifactRecord]]:
    """Returns what the last run with this seed made: node id to output key to artifact."""
    store = open_store(os.path.join(_folder(root, seed), "metadata.sqlite"))
    return last_outputs(store, PIPELINE_NAME)


def _folder(root: str, seed: int) -> str:
    # One folder a seed: another seed's data is other data, and reusing it would mix them up.
    return os.path.join(root, f"seed-{seed}")


def read_evaluation(evaluation: ArtifactRecord) -> dict[str, Any]:
    """Reads `metrics.json` of a RobustnessEvaluation."""
    with open(os.path.join(evaluation.uri, "metrics.json"), encoding="utf-8") as file:
        return dict(json.load(file))


def check_pushed(pushed: ArtifactRecord, folder: str) -> None:
    """Raises RuntimeError where a model was pushed and is no longer there.

    A cached Pusher recalls what it pushed without looking for it.

    Args:
        pushed: Pusher's output.
        folder: What to delete for a new start.
    """
    if not _is_pushed(pushed):
        return
    model = pushed.properties["pushed_destination"]
    if not os.path.exists(os.path.join(model, "saved_model.pb")):
        raise RuntimeError(f"Expected the pushed model in {model}; none is there. {_cure(folder)}")


def _is_pushed(pushed: ArtifactRecord) -> bool:
    return bool(pushed.properties.get("pushed") == 1)


def _cure(folder: str) -> str:
    return f"Delete {folder} or choose another --root, and run again."


def graph_table(info: dict[str, Any]) -> Table:
    """Sums up a graph's `graph.json`."""
    metrics = info["metrics"]
    table = _table("Graph over the training images")
    table.show_header = False
    table.add_row("nodes", f"{metrics['nodes']:,}")
    table.add_row("edges", f"{metrics['edges']:,}")
    table.add_row("isolated nodes", f"{metrics['isolated_nodes']:,}")
    agreement = metrics["label_agreement"]
    if agreement and agreement["share"] is not None:
        table.add_row("label agreement", f"{_share_of(agreement, agreement['share'])} %")
        table.add_row("  by chance", f"{100 * agreement['chance']:.1f} %")
        table.add_row(
            "  pairs with both labels", f"{agreement['pairs']:,} of {metrics['pairs']:,} pairs"
        )
    return table


def model_table(evaluation: dict[str, Any]) -> Table:
    """Sets the regularized model beside the baseline."""
    config = evaluation["config"]
    baseline, model, gains = (evaluation[key] for key in ("baseline", "model", "comparison"))
    table = _table(
        f"Accuracy on {evaluation['examples']} test images, in % with "
        f"{100 * config['confidence']:.0f} % intervals"
    )
    for column in ("baseline", "regularized", "gain"):
        table.add_column(column, justify="right", no_wrap=True)
    for label, key in (("clean", "accuracy"), ("attacked", "robust_accuracy")):
        shares = (_told(scores[key]) for scores in (baseline, model))
        table.add_row(label, *shares, _points(gains[key]))
    hardest = _hardest(model["slices"])
    if hardest is not None:
        # The same digit of both models; its intervals hold for all digits at once.
        shares = (
            _told(scores["slices"][hardest]["robust_accuracy"]) for scores in (baseline, model)
        )
        table.add_row(f"  digit {model['slices'][hardest]['value']}", *shares)
    for i, corruption in enumerate(model["corruptions"]):
        worst = (scores["corruptions"][i]["points"][-1] for scores in (baseline, model))
        name = _SHORT.get(corruption["name"], corruption["name"])
        table.add_row(name, *(_told(point["accuracy"]) for point in worst))
    table.caption = "\n".join(_captions(evaluation, hardest))
    table.caption_justify = "left"
    return table


def _hardest(slices: list[dict[str, Any]]) -> int | None:
    """Returns the place of the slice with the lowest robust accuracy."""
    values = [one["robust_accuracy"]["value"] for one in slices]
    return values.index(min(values)) if values else None


def _captions(evaluation: dict[str, Any], hardest: int | None) -> Iterator[str]:
    config, model = evaluation["config"], evaluation["model"]
    attacks = ", ".join(attack["name"] for attack in model["attacks"])
    yield f"attacked: every pixel moved by up to {config['epsilon']:g}; the worst of {attacks}"
    if hardest is not None:
        one = model["slices"][hardest]
        sure = "clearly so" if one["p_value"] < 1 - config["confidence"] else "perhaps by chance"
        yield (
            f"digit {one['value']}: the regularized model's weakest, {sure} "
            f"(p = {one['p_value']:.2g})"
        )
    names = [_SHORT.get(one["name"], one["name"]) for one in model["corruptions"]]
    if names:
        yield f"{', '.join(names)}: at severity {max(config['severities'])} of 5"


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    return table


def _told(share: dict[str, Any]) -> str:
    return _share_of(share, share["value"])


def _share_of(interval: dict[str, Any], share: float) -> str:
    return f"{100 * share:.1f} [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def _points(gain: dict[str, Any]) -> str:
    value, low, high = (100 * gain[key] for key in ("difference", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _print_verdict(
    outputs: dict[str, dict[str, ArtifactRecord]], folder: str, console: Console
) -> None:
    blessing = outputs["RobustnessEvaluator"]["blessing"].properties
    blessed = blessing["blessed"] == 1
    console.print("[bold green]BLESSED[/]" if blessed else "[bold red]NOT BLESSED[/]")
    console.print(blessing["reason"], highlight=False, markup=False)
    pushed = outputs["Pusher"]["pushed_model"].properties
    places = {
        "pushed model": pushed.get("pushed_destination") or "none",
        "report": os.path.join(outputs["RobustnessEvaluator"]["evaluation"].uri, "report.html"),
        "metadata": os.path.join(folder, "metadata.sqlite"),
    }
    console.print()
    for name, path in places.items():
        shown = os.path.relpath(path) if os.path.isabs(path) else path
        console.print(f"{name:<12}  {shown}", soft_wrap=True, highlight=False)


def _print_served(pushed: ArtifactRecord, folder: str, data_root: str, console: Console) -> None:
    """Serves some test digits from the pushed model, in a process that cannot import nsl_tfx."""
    if not _is_pushed(pushed):
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
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if found.returncode != 0:
        raise RuntimeError(
            f"Expected the pushed model in {pushed.properties['pushed_destination']} to classify "
            f"{_SERVED_DIGITS} images; it failed (exit status {found.returncode}). {_cure(folder)}"
        )
    served = json.loads(found.stdout.splitlines()[-1])
    console.print(
        f"\nServed by the pushed model, without nsl_tfx, for {_SERVED_DIGITS} test images:"
    )
    for name in ("predicted", "label"):
        console.print(f"  {name:<9}  {' '.join(map(str, served[name]))}", highlight=False)
