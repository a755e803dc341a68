"""What an attack changed the most."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = 6


@dataclasses.dataclass(frozen=True)
class Change:
    """One element of a feature, before and after."""

    name: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """How far it moved."""
        return self.after - self.before


def largest_changes(
    original: Mapping[str, NDArray[Any]], adversarial: Mapping[str, NDArray[Any]]
) -> tuple[Change, ...]:
    """Returns the elements that moved the farthest, at most six, the farthest first.

    Args:
        original: One example's features, by name.
        adversarial: The same after the attack.

    Example:
        >>> found = largest_changes({"a": np.array([1.0, 2.0])}, {"a": np.array([1.0, 2.5])})
        >>> [(change.name, change.difference) for change in found]
        [('a[1]', 0.5)]
    """
    changes: list[Change] = []
    for name, value in original.items():
        before = np.ravel(value).astype(np.float64)
        after = np.ravel(adversarial[name]).astype(np.float64)
        names = [name] if len(before) == 1 else [f"{name}[{i}]" for i in range(len(before))]
        changes += map(Change, names, before.tolist(), after.tolist())
    moved = [change for change in changes if change.difference]
    return tuple(sorted(moved, key=lambda change: -abs(change.difference))[:_MOST])
