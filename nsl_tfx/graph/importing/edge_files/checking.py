"""What an edge must be, whatever the file that it comes from."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nsl_tfx.configs import GraphImportConfig, InvalidEdges, SelfLoops
from nsl_tfx.graph.files import EDGE_SCHEMA

_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeRows:
    """Edges as they were read.

    Attributes:
        source: Ids, binary `[rows]`; null or empty where there is none.
        target: The same.
        weight: float64 `[rows]`, NaN where there is none; None where the file has no weights.
        place: Returns where a row stands, for an error's text: a line or record, and the file.
    """

    source: pa.Array
    target: pa.Array
    weight: NDArray[np.float64] | None
    place: Callable[[int], str]


def invalid_rows(rows: EdgeRows) -> NDArray[np.bool_]:
    """Marks the rows that are no edges."""
    bad = np.zeros(len(rows.source), bool)
    for ids in (rows.source, rows.target):
        empty = pc.fill_null(pc.equal(pc.binary_length(ids), 0), True)
        bad |= empty.to_numpy(zero_copy_only=False)
    return bad if rows.weight is None else bad | ~_is_weight(rows.weight)


def check_rows(rows: EdgeRows, config: GraphImportConfig) -> tuple[pa.RecordBatch, Counter[str]]:
    """Returns the rows that are edges, of `EDGE_SCHEMA`, and how many were dropped by cause.

    Raises:
        ValueError: A row is no edge, and the config does not say to drop it.
    """
    bad = invalid_rows(rows)
    if bad.any() and config.invalid_edges is InvalidEdges.ERROR:
        row = int(np.flatnonzero(bad)[0])
        raise invalid_edge(_fault(rows, row), rows.place(row))
    drops = Counter(invalid_edges=int(bad.sum()))
    dropped = bad
    if config.self_loops is SelfLoops.DROP:
        loops = pc.fill_null(pc.equal(rows.source, rows.target), False)
        loops = loops.to_numpy(zero_copy_only=False) & ~bad
        drops["self_loops"] = int(loops.sum())
        dropped = bad | loops
    if rows.weight is None or not config.use_weights:
        weight = np.full(len(bad), config.default_weight, np.float32)
    else:
        # One that is out of range was dropped above; zero has one sign, as in every graph.
        with np.errstate(over="ignore"):
            weight = rows.weight.astype(np.float32) + np.float32(0)
    columns = [rows.source, rows.target, pa.array(weight)]
    if dropped.any():
        kept = pa.array(np.flatnonzero(~dropped))
        columns = [column.take(kept) for column in columns]
    return pa.RecordBatch.from_arrays(columns, schema=EDGE_SCHEMA), drops


def invalid_edge(what: str, place: str) -> ValueError:
    """Returns the error for a row that is no edge."""
    return ValueError(
        "Expected an edge: a source and a target that are not empty, and a finite weight of at "
        f"least 0 where there is one. Received {what}, in {place}. Mend it, or set invalid_edges "
        "to drop such edges and count them."
    )


def _is_weight(weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    # False for NaN too.
    return (weight >= 0) & (weight <= _LARGEST)


def _fault(rows: EdgeRows, row: int) -> str:
    for name, ids in (("source", rows.source), ("target", rows.target)):
        value: Any = ids[row].as_py()
        if not value:
            return f"no {name}" if value is None else f"an empty {name}"
    return f"the weight {float(rows.weight[row])!r}" if rows.weight is not None else "no edge"
