"""What `quality.py` asks of a part, such as `quality_cora`: these names in its module.

    TITLE       of its table
    MEASURES    what is measured, by the table's heading for it
    METHODS     what is compared, by name: frozen dataclasses that extend Method
    prepare     the arrays that a seed's training needs, with this package's graphs
    train       from them to trained weights, with this package or NSL
    evaluate    from weights to what was measured, with this package

NSL has an environment of its own, in which this package does not run: so `train` alone runs in
either, on Keras 3 and 2, and gets the package to use as an argument.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A line of the table.

    Attributes:
        title: Its first cell.
        baseline: The method that its gain is over; none when None.
        has_peer: Whether NSL can do the same.
    """

    title: str
    baseline: str | None = None
    has_peer: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What the numbers depend on: all fields but these, which are the table's."""
        shown = {field.name for field in dataclasses.fields(Method)}
        return {name: value for name, value in vars(self).items() if name not in shown}


class Part(Protocol):
    """The module of a part; every number measured is in percent."""

    TITLE: str
    MEASURES: Mapping[str, str]
    METHODS: Mapping[str, Method]

    def prepare(self, method: Any, seed: int, quick: bool) -> Arrays: ...

    def train(
        self, nsl: Any, method: Any, arrays: Arrays, seed: int, quick: bool
    ) -> list[np.ndarray]: ...

    def evaluate(
        self, method: Any, arrays: Arrays, weights: list[np.ndarray], quick: bool
    ) -> dict[str, float]: ...
