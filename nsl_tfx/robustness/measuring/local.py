"""Measuring models in this process, part by part, as far as the budget goes."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.attacking.reference import Reference
from nsl_tfx.robustness.attacking.suite import most_queries
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.measuring.measure import Measurement, rows_in_call
from nsl_tfx.robustness.models.model import ModelUnderTest, UnusableModelError
from nsl_tfx.robustness.outcomes import Outcomes, join_outcomes

OnProgress = Callable[[float, str], None]
"""Is told the share of the work that is done, from 0 to 1, and what is being done."""

Measured = Outcomes | UnusableModelError
"""What a model did, or why it cannot be measured."""

Measure = Callable[[Sequence["Loaded"], Examples, RobustnessConfig, OnProgress], Sequence[Measured]]
"""From models, examples and a config to the outcomes of each model on the same examples."""

# What withstands the first attacks fills the batches of the later ones the better the more there
# are of it.
_BATCHES_IN_PART = 4


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model, and where it came from: a SavedModel's folder where that is known."""

    model: ModelUnderTest
    source: Any


def measure_here(
    models: Sequence[Loaded], examples: Examples, config: RobustnessConfig, progress: OnProgress
) -> list[Measured]:
    """Measures each model on the same examples, in this process.

    Examples are taken in a random order, all models on one part after the other, so that where a
    budget ends the run early, what was measured is a random sample for each model.

    Args:
        models: One or more.
        examples: At least one.
        config: What to measure, and the budget.
        progress: Is told of what is done.
    """
    reference = Reference.of(examples, config)
    parts = plan_parts(examples, config, len(models))
    measurements = [Measurement(loaded.model, config, reference) for loaded in models]
    found: list[list[Outcomes]] = [[] for _ in models]
    unusable: dict[int, UnusableModelError] = {}
    seconds = math.inf if config.time_budget_s is None else config.time_budget_s
    deadline = time.monotonic() + seconds
    done = 0.0
    for rows in parts:
        for i, measurement in enumerate(measurements):
            if i in unusable:
                continue
            share = len(rows) / len(examples) / len(models)
            end = done + share

            def step(more: float, what: str, share: float = share, end: float = end) -> None:
                nonlocal done
                done = min(done + more * share, end)
                if what:
                    progress(min(done, 1.0), what)

            try:
                outcomes = measurement.measure(examples.take(rows), rows, step)
            except UnusableModelError as error:
                unusable[i] = error
                if i == 0:
                    return [error, *([error] * (len(models) - 1))]
                continue
            found[i].append(outcomes)
            done = end
        if time.monotonic() >= deadline:
            break
    progress(1.0, "done")
    return [unusable[i] if i in unusable else join_outcomes(p) for i, p in enumerate(found)]


def plan_parts(
    examples: Examples, config: RobustnessConfig, models: int
) -> list[NDArray[np.int64]]:
    """Parts the examples' numbers at random, and keeps what a budget of queries is enough for.

    Args:
        examples: All of them.
        config: What is measured, and the budget.
        models: How many models it is measured of.

    Returns:
        One part at least.
    """
    parts = list(parts_of(len(examples), config))
    if config.query_budget is None:
        return parts
    queries = models * most_queries(config, int(examples.labels.max()) + 1)
    spent = np.cumsum([0, *(len(rows) * queries for rows in parts)])
    return [rows for i, rows in enumerate(parts) if not i or spent[i + 1] <= config.query_budget]


def parts_of(total: int, config: RobustnessConfig) -> Iterator[NDArray[np.int64]]:
    """Parts so many examples' numbers at random."""
    order = np.random.default_rng([config.seed, 1]).permutation(total)
    # A budget is looked at after each part.
    size = rows_in_call(total, config) * (1 if config.has_budget else _BATCHES_IN_PART)
    for start in range(0, total, size):
        yield np.sort(order[start : start + size])
