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
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.measuring.measure import Measurement
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
    parts = list(parts_of(len(examples), config))
    measurements = [Measurement(loaded.model, config, reference) for loaded in models]
    found: list[list[Outcomes]] = [[] for _ in models]
    unusable: dict[int, UnusableModelError] = {}
    budget = Budget.of(config)
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
            budget.spend(outcomes.queries)
        if budget.is_spent():
            break
    progress(1.0, "done")
    return [unusable[i] if i in unusable else join_outcomes(p) for i, p in enumerate(found)]


def parts_of(total: int, config: RobustnessConfig) -> Iterator[NDArray[np.int64]]:
    """Parts the examples' numbers at random."""
    order = np.random.default_rng([config.seed, 1]).permutation(total)
    limited = config.time_budget_s is not None or config.query_budget is not None
    # A budget is looked at after each part.
    size = config.batch_size * (1 if limited else _BATCHES_IN_PART)
    for start in range(0, total, size):
        yield np.sort(order[start : start + size])


@dataclasses.dataclass
class Budget:
    """What is left of time and calls."""

    deadline: float
    queries: float

    @classmethod
    def of(cls, config: RobustnessConfig) -> Budget:
        """Returns a config's budget, from now on."""
        seconds = math.inf if config.time_budget_s is None else config.time_budget_s
        queries = math.inf if config.query_budget is None else config.query_budget
        return cls(time.monotonic() + seconds, queries)

    def spend(self, queries: int) -> None:
        """Takes off calls that were made."""
        self.queries -= queries

    def is_spent(self) -> bool:
        """Whether no further part may begin."""
        return self.queries <= 0 or time.monotonic() >= self.deadline
