"""Which columns of a file hold source, target and weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.io.printable import printable


class Columns(NamedTuple):
    """Places of an edge's columns.

    Attributes:
        source: Place of the source's.
        target: Place of the target's.
        weight: Place of the weight's; None where there is none.
        total: Number of all columns.
        may_lack_weight: Whether a row may end before its weight.
    """

    source: int
    target: int
    weight: int | None
    total: int
    may_lack_weight: bool = False

    @property
    def counts(self) -> range:
        """How many columns a row may have."""
        return range(self.total - self.may_lack_weight, self.total + 1)


def find_columns(names: Sequence[str], config: GraphImportConfig, where: str) -> Columns:
    """Returns the places of named columns.

    Args:
        names: Of all columns, in their order.
        config: May name columns by name or number.
        where: The file, for an error's text.

    Raises:
        ValueError: A column is missing.
    """
    weight = config.weight
    if weight is None and "weight" in names and config.use_weights:
        weight = "weight"
    return Columns(
        _place("source" if config.source is None else config.source, names, "source", where),
        _place("target" if config.target is None else config.target, names, "target", where),
        None if weight is None else _place(weight, names, "weight", where),
        len(names),
    )


def count_columns(count: int, config: GraphImportConfig, where: str) -> Columns:
    """Returns the places of columns without names.

    Args:
        count: Number of columns.
        config: May name columns by number.
        where: The file and line that has so many, for an error's text.

    Raises:
        ValueError: There are too few or too many, or the config names one.
    """
    chosen = (config.source, config.target, config.weight)
    named = [column for column in chosen if isinstance(column, str)]
    if named:
        raise ValueError(
            f"Expected columns by number, since {where} has no line that names them. Received: "
            f"{', '.join(map(repr, named))}. Set header=True if its first line does."
        )
    if chosen != (None, None, None):
        numbers = range(count)
        source, target = (
            _place(default if column is None else column, numbers, name, where)
            for column, default, name in zip(chosen, (0, 1), ("source", "target"), strict=False)
        )
        weight = None if config.weight is None else _place(config.weight, numbers, "weight", where)
        return Columns(source, target, weight, count)
    if count not in (2, 3):
        raise ValueError(
            f"Expected two columns, source and target, or a third with the weight. Received "
            f"{count} in {where}. Name those that hold the edge in GraphImportConfig.source, "
            "target and weight, or set the delimiter."
        )
    # As NSL has it, each line may have a weight or not.
    return Columns(0, 1, 2, 3, may_lack_weight=True)


def _place(column: int | str, names: Sequence[object], role: str, where: str) -> int:
    if isinstance(column, int) and column < len(names):
        return column
    if column in names and not isinstance(column, int):
        return list(names).index(column)
    listed = ", ".join(printable(str(name)) for name in names)
    raise ValueError(
        f"Expected the column {column!r} for the {role} in {where}. Received the columns: "
        f"{listed or 'none'}. Name the one that holds it in GraphImportConfig.{role}."
    )
