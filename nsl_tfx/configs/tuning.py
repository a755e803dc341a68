"""Which settings of a training are searched, and how."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from nsl_tfx.configs.base import MAX_SEED, Choice, Config, bounded
from nsl_tfx.configs.training import Direction, TrainerConfig


class Sampling(Choice):
    """How values are drawn from a range: evenly, or evenly in their logarithm."""

    LINEAR = "linear"
    LOG = "log"


class TuningAlgorithm(Choice):
    """How the next trial is chosen (Keras Tuner): at random, all in turn, or by what was found."""

    RANDOM = "random"
    GRID = "grid"
    BAYESIAN = "bayesian"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SearchRange(Config):
    """The values that one setting may take: those of a list, or between two bounds.

    Attributes:
        values: The values; None for a range.
        low: The smallest value of a range.
        high: The largest value of a range. Where both bounds are integers, so are the values.
        sampling: How values are drawn from a range.

    Example:
        >>> SearchRange(low=0.01, high=1.0, sampling="log").high
        1.0
    """

    values: tuple[int | float | str, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    sampling: Sampling = Sampling.LINEAR

    def check(self) -> None:
        """Raises ValueError where there is nothing to choose from, or two ways to choose."""
        bounds = (self.low, self.high)
        if (self.values is None) == (bounds == (None, None)) or self.values == ():
            raise ValueError(
                "Expected SearchRange(values=[...]) or SearchRange(low=..., high=...). "
                f"Received: {self.to_dict()}."
            )
        if self.values is not None:
            return
        if self.low is None or self.high is None or not self.low < self.high < math.inf:
            raise ValueError(f"Expected SearchRange.low < high. Received: {bounds}.")
        if self.sampling is Sampling.LOG and self.low <= 0:
            raise ValueError(
                f"Expected SearchRange.low > 0, to sample its logarithm. Received: {self.low!r}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TunerConfig(Config):
    """How `nsl_tfx.trainer.tuner_fn` searches.

    Attributes:
        search: What is searched: the path of a setting within TrainerConfig, such as
            "adversarial.multiplier", "learning_rate" or "model_options.width", to its values.
        objective: What is to become best, by its name in the logs. With `validation_attack` in the
            TrainerConfig there is "val_attacked_accuracy": by the clean accuracy alone, the search
            for an adversarial term's strength would often end at its lower bound.
        direction: Whether "min" or "max" is best.
        algorithm: How the next trial is chosen.
        max_trials: How many trainings are made.
        seed: Seed of the choice of trials. Each training has the TrainerConfig's.

    Example:
        >>> TunerConfig(
        ...     search={"graph.multiplier": SearchRange(low=0.01, high=1.0, sampling="log")},
        ...     objective="val_accuracy",
        ... ).max_trials
        10
    """

    search: Mapping[str, SearchRange]
    objective: str = "val_loss"
    direction: Direction = Direction.AUTO
    algorithm: TuningAlgorithm = TuningAlgorithm.RANDOM
    max_trials: int = bounded(10, ge=1, unit="trainings")
    seed: int = bounded(0, ge=0, le=MAX_SEED)

    def check(self) -> None:
        """Raises ValueError where nothing is searched, or what is no setting."""
        if not self.search:
            raise ValueError("Expected TunerConfig.search to name a setting. Received: none.")
        known = [field.name for field in dataclasses.fields(TrainerConfig)]
        unknown = [path for path in self.search if path.split(".")[0] not in known]
        if unknown:
            raise ValueError(
                "Expected TunerConfig.search with paths within TrainerConfig, such as "
                "'adversarial.multiplier', or 'model_options.NAME' for an option of model_fn's. "
                f"Received: {', '.join(unknown)}."
            )


def with_values(config: TrainerConfig, values: Mapping[str, Any]) -> TrainerConfig:
    """Returns a config with some settings replaced.

    Args:
        config: The config.
        values: Path of a setting to its value. What is no path of a setting goes to
            `model_options`, for `model_fn` to read.

    Raises:
        ValueError: A path leads through a setting that is None, or a value is out of its range.
        TypeError: A value is of another type.

    Example:
        >>> config = TrainerConfig(model_fn="a.b", features=("x",))
        >>> changed = with_values(config, {"learning_rate": 0.1, "width": 64})
        >>> changed.learning_rate, changed.model_options
        (0.1, {'width': 64})
    """
    plain = config.to_dict()
    for path, value in values.items():
        first, *others = path.split(".")
        if first not in plain:
            plain["model_options"][path] = value
            continue
        _set(plain, [first, *others], value, path)
    return TrainerConfig.from_dict(plain)


def _set(plain: dict[str, Any], names: list[str], value: Any, path: str) -> None:
    *parents, last = names
    inside = plain
    for name in parents:
        inside = inside.get(name)  # type: ignore[assignment]
        if not isinstance(inside, dict):
            raise ValueError(
                f"Expected TrainerConfig.{name} to be set, for {path!r} to be searched within it. "
                f"Received: {inside!r}."
            )
    inside[last] = value
