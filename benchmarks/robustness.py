"""How fast are attacks beside Foolbox's and ART's? `.uv/attacks-peer/bin/python ...` runs both.

    .uv/attacks-peer/bin/python benchmarks/robustness.py --part peers
    .venv/bin/python benchmarks/robustness.py --part limit
    .venv/bin/python benchmarks/robustness.py --part standard

All in one process, on one model and the same images: a small network on handwritten digits. A round
calls each side once, in another order each time; a ratio is that of two calls of a round, and what
is printed is the median over the rounds with its quartiles. The first call, in which graphs are
traced, is timed apart. Beside the time stands the share of images that an attack leaves rightly
classified: a fast attack may be a weak one.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import random
import time
from typing import Any, NamedTuple

import keras
import numpy as np
import quality_digits as digits
from quality_data import missing_files, read_digits
from rich import box
from rich.console import Console
from rich.table import Table
from robustness_sides import (
    FEATURE,
    LABEL,
    PIXELS,
    Call,
    Settings,
    Target,
    art,
    bare,
    foolbox,
    under_test,
)
from robustness_sides import ours as our
from training import ratio

PARTS = ("peers", "limit", "standard")
OURS = "ours"
# The last are for the test, of which nothing is trained.
TEST = 2000
QUICK = Settings(steps=2, apgd_steps=4, queries=3)


class Case(NamedTuple):
    """An attack.

    Attributes:
        title: Its name in the table.
        rows: On how many images. ART takes the ratio of logits row by row, in every step.
        sides: What is timed beside ours.
        target: By how many times ours is to be faster than each.
    """

    title: str
    rows: int
    sides: tuple[str, ...]
    target: float | None = None


FOOLBOX = ("Foolbox", "Foolbox, in a graph")
ART = ("ART", "ART, in a graph")
CASES = {
    "fgsm": Case("FGSM", 500, FOOLBOX + ART),
    "pgd": Case("PGD", 500, FOOLBOX + ART, 3),
    "apgd_ce": Case("APGD-CE", 500, ART),
    "apgd_dlr": Case("APGD-DLR", 50, ART[:1], 20),
    "square": Case("Square", 500, ART),
}


def main() -> None:
    options = parse_options()
    missing = missing_files("digits")
    if missing:
        raise SystemExit(f"Expected the digits beside the checkout. Missing: {missing}.")
    console = Console(width=120)
    images, labels = read_digits()
    model = train(images[:-TEST], labels[:-TEST], epochs=1 if options.quick else 3)
    test = Target(model, images[-TEST:], labels[-TEST:])
    settings = QUICK if options.quick else Settings()
    if "peers" in options.part:
        console.print(compare_peers(test, settings, options, console))
    if "limit" in options.part:
        console.print(compare_limit(test, settings, options))
    if "standard" in options.part:
        console.print(evaluate_standard(test, 20 if options.quick else options.images, options))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", help=",".join(PARTS), default=",".join(PARTS))
    parser.add_argument("--only", help=",".join(CASES), default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=1000, help="of the part standard")
    parser.add_argument("--quick", action="store_true", help="tiny settings, which tell nothing")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="ours alone")
    options = parser.parse_args()
    for name, known in (("part", PARTS), ("only", tuple(CASES))):
        wanted = set(getattr(options, name).split(","))
        if wanted - set(known):
            parser.error(f"--{name}: expected some of {','.join(known)}. Received: {wanted}")
        setattr(options, name, [each for each in known if each in wanted])
    if options.quick:
        options.rounds = 2
    return options


def train(images: np.ndarray, labels: np.ndarray, epochs: int) -> keras.Model:
    """Returns the network of `quality_digits`, trained for some seconds."""
    keras.utils.set_random_seed(0)
    method = digits.METHODS["plain"]
    model = digits.make_model(method, {})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(method.learning_rate), loss)
    model.fit(images, labels, batch_size=method.batch_size, epochs=epochs, verbose=0)
    return model


def compare_peers(
    test: Target, settings: Settings, options: argparse.Namespace, console: Console
) -> Table:
    peer = options.peer and all(importlib.util.find_spec(name) for name in ("foolbox", "art"))
    if options.peer and not peer:
        console.print(
            "Foolbox and ART are not here to compare with: make peer, and run this by "
            ".uv/attacks-peer/bin/python"
        )
    table = make_table("Attacks", "images/s", "times ours", "target", "first call, s", "left, %")
    for name in options.only:
        case = CASES[name]
        target = dataclasses.replace(
            test,
            images=test.images[: 20 if options.quick else case.rows],
            labels=test.labels[: 20 if options.quick else case.rows],
        )
        calls = {OURS: our(name, target, settings)}
        for side in case.sides if peer else ():
            make = foolbox if side in FOOLBOX else art
            calls[side] = make(name, target, settings, compiled="graph" in side)
        found = interleave(calls, options.rounds)
        for side, times in found.items():
            table.add_row(
                f"{case.title}, {len(target.images)} images: {side}",
                f"{len(target.images) / np.median(times.seconds):,.0f}",
                "" if side == OURS else ratio(times.seconds, found[OURS].seconds),
                "" if side == OURS or case.target is None else f"{case.target:g}",
                f"{times.first:.2f}",
                f"{100 * target.left(times.made):.1f}",
            )
    return table


def compare_limit(test: Target, settings: Settings, options: argparse.Namespace) -> Table:
    """Compares with the time of as many gradients and nothing else."""
    count = 20 if options.quick else 500
    target = dataclasses.replace(test, images=test.images[:count], labels=test.labels[:count])
    table = make_table(f"Limit, {count} images", "ms", "times the gradients alone", "target")
    for name, steps in (("pgd", settings.steps), ("apgd_ce", settings.apgd_steps)):
        calls = {"gradients": bare(steps, target), OURS: our(name, target, settings)}
        found = interleave(calls, options.rounds)
        for side, times in found.items():
            is_ours = side == OURS
            table.add_row(
                f"{CASES[name].title}, {steps} steps" if is_ours else f"{steps} gradients",
                f"{1e3 * np.median(times.seconds):.0f}",
                ratio(times.seconds, found["gradients"].seconds) if is_ours else "1.00",
                "1.15" if is_ours else "",
            )
    return table


def evaluate_standard(test: Target, count: int, options: argparse.Namespace) -> Table:
    """Times a whole evaluation with the preset `standard`."""
    from nsl_tfx.configs import AttackBudget, RobustnessConfig
    from nsl_tfx.robustness import evaluate

    config = RobustnessConfig(
        features=(FEATURE,),
        label_feature=LABEL,
        epsilon=Settings().epsilon,
        clip_value_min=PIXELS[0],
        clip_value_max=PIXELS[1],
        attacks="standard",
    )
    if options.quick:
        quick: dict[str, Any] = {"steps": 2, "restarts": 1, "apgd_steps": 4, "square_queries": 3}
        config = config.replace(budget=AttackBudget(**quick))
    examples = {FEATURE: test.images[:count], LABEL: test.labels[:count]}
    start = time.perf_counter()
    result = evaluate(under_test(test.model), examples, config)
    seconds = time.perf_counter() - start
    table = make_table(f"standard on {count} images", "s", "target", "left, %")
    for attack in result.model.attacks:
        left = f"{100 * attack.left.value:.1f}"
        table.add_row(attack.name, f"{attack.seconds:.1f}", "", left)
    left = f"{100 * result.model.robust_accuracy.value:.1f}"
    table.add_row("all, checks included", f"{seconds:.1f}", "600", left)
    return table


class Times(NamedTuple):
    """Seconds of the first call and of each later one, and the images of the last."""

    first: float
    seconds: list[float]
    made: np.ndarray


def interleave(calls: dict[str, Call], rounds: int) -> dict[str, Times]:
    """Calls each side once a round, in another order each time."""
    order = random.Random(0)
    # ART draws from NumPy's global generator.
    np.random.seed(0)  # noqa: NPY002
    seconds: dict[str, list[float]] = {side: [] for side in calls}
    made: dict[str, np.ndarray] = {}
    for round_ in range(1 + rounds):
        for side in calls if round_ == 0 else order.sample(list(calls), len(calls)):
            start = time.perf_counter()
            made[side] = calls[side]()
            seconds[side].append(time.perf_counter() - start)
    return {side: Times(taken[0], taken[1:], made[side]) for side, taken in seconds.items()}


def make_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


if __name__ == "__main__":
    main()
