"""What an attack changed the most."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig

_MOST = 6


@dataclasses.dataclass(frozen=True)
class Change:
    """One element of a feature, before and after.

    Attributes:
        name: The feature, and where it has several elements which.
        before: Its value, in units of the input.
        after: Its value after the attack.
        scale: What `RobustnessConfig.feature_scale` says of it; 1 where that is not set.
    """

    name: str
    before: float
    after: float
    scale: float = 1.0

    @property
    def difference(self) -> float:
        """How far it moved, in units of the input."""
        return self.after - self.before

    @property
    def scaled(self) -> float:
        """How far it moved, in units of epsilon."""
        # What has a scale of 0 may not move; if it did, that is the first to tell.
        return self.difference / self.scale if self.scale else math.inf


def largest_changes(
    original: Mapping[str, NDArray[Any]],
    adversarial: Mapping[str, NDArray[Any]],
    config: RobustnessConfig,
) -> tuple[Change, ...]:
    """Returns the elements that moved the farthest, at most six, the farthest first.

    Far is what takes much of epsilon: where features are scaled, 2 years may be farther than 100
    dollars.

    Args:
        original: One example's features, by name.
        adversarial: The same after the attack.
        config: Its `feature_scale` tells what is far.

    Example:
        >>> config = RobustnessConfig(features=("a",), label_feature="y", epsilon=0.5)
        >>> found = largest_changes({"a": np.zeros(2)}, {"a": np.array([0.0, 0.5])}, config)
        >>> [(change.name, change.difference) for change in found]
        [('a[1]', 0.5)]
    """
    changes: list[Change] = []
    for name, value in original.items():
        before = np.ravel(value).astype(np.float64)
        after = np.ravel(adversarial[name]).astype(np.float64)
        setting = config.of_feature(config.feature_scale, name)
        scale = np.broadcast_to(1.0 if setting is None else setting, np.shape(value))
        names = [name] if len(before) == 1 else [f"{name}[{i}]" for i in range(len(before))]
        changes += map(
            Change, names, before.tolist(), after.tolist(), scale.ravel().astype(float).tolist()
        )
    moved = [change for change in changes if change.difference]
    return tuple(sorted(moved, key=lambda change: -abs(change.scaled))[:_MOST])
