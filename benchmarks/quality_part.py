"""What `quality.py` asks of a part, such as `quality_cora`: these names in its module.

    TITLE       of its table
    MEASURES    what is measured, by the table's heading for it
    METHODS     what is compared, by name: frozen dataclasses that extend Method
    prepare     a seed's `x`, `y` and `split`, and what else its training needs; with this package
    make_model  from features to logits, not trained yet
    train       the model, with this package or NSL
    evaluate    from the trained model to what was measured, with this package

NSL has an environment of its own, in which this package does not run: so `make_model` and `train`
alone run in either, on Keras 3 and 2, and `train` gets the package to use as an argument.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


def rows_of(arrays: Arrays, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns a split's features and labels."""
    rows = arrays["split"] == split
    return arrays["x"][rows], arrays["y"][rows]


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

    def make_model(self, method: Any, arrays: Arrays) -> Any: ...

    def train(self, nsl: Any, method: Any, model: Any, arrays: Arrays, quick: bool) -> None: ...

    def evaluate(self, model: Any, arrays: Arrays, quick: bool) -> dict[str, float]: ...
