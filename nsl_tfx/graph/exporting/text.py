"""Edges in NSL's text form: lines of `source<TAB>target<TAB>weight`."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SEPARATORS = b"\t\n\r"
_EDGES_AT_ONCE = 1 << 16


def format_weight(weight: float) -> str:
    """Returns a weight with six decimals, as NSL writes it, or in full where they round it.

    What is written reads back to the same float32.

    Example:
        >>> format_weight(0.25), format_weight(1 / 3), format_weight(1e-9)
        ('0.250000', '0.33333334', '1e-09')
    """
    short = f"{weight:f}"
    return short if np.float32(short) == np.float32(weight) else str(np.float32(weight))


def write_lines(file: BinaryIO, table: pa.Table) -> None:
    """Writes a line an edge, its weight as `format_weight` does.

    Args:
        file: Where to write to.
        table: Columns `source` and `target` (binary) and `weight`.

    Raises:
        ValueError: An id holds a tab or a line end, which would be taken for the column's.
    """
    for begin in range(0, len(table), _EDGES_AT_ONCE):
        part = table.slice(begin, _EDGES_AT_ONCE)
        # By way of NumPy, because Arrow makes each object of its own list anew, ten times as slow.
        sources, targets = part["source"].to_numpy(), part["target"].to_numpy()
        weights = _format_all(part["weight"].to_numpy())
        text = b"".join(
            [b"%b\t%b\t%b\n" % edge for edge in zip(sources, targets, weights, strict=True)]
        )
        # Counting is far cheaper than to look into each id.
        counts = [text.count(_SEPARATORS[i : i + 1]) for i in range(3)]
        if counts != [2 * len(part), len(part), 0]:
            raise _odd_id([*sources, *targets])
        file.write(text)


def _format_all(weights: NDArray[np.float32]) -> list[bytes]:
    exact = weights.astype(np.float64)
    texts = [b"%f" % weight for weight in exact.tolist()]
    rounded = np.flatnonzero(np.round(exact, 6).astype(np.float32) != weights)
    for row, text in zip(rounded.tolist(), weights[rounded].astype("S").tolist(), strict=True):
        texts[row] = text
    return texts


def _odd_id(ids: list[bytes]) -> ValueError:
    odd = next(one for one in ids if any(separator in _SEPARATORS for separator in one))
    return ValueError(
        "Expected ids without tabs and line ends, which part the columns and lines of a TSV file. "
        f"Received: {odd!r}. Export to Parquet instead, or give the examples other ids."
    )
