"""Edges in NSL's text form: lines of `source<TAB>target<TAB>weight`, weights with six decimals."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Below this, six decimals are all zeros.
_SMALLEST = 5e-7
_SEPARATORS = b"\t\n\r"
_EDGES_AT_ONCE = 1 << 16


def format_weight(weight: float) -> str:
    """Returns a weight with six decimals, as NSL writes it, or in full where these would be zeros.

    Example:
        >>> format_weight(0.25), format_weight(1e-9)
        ('0.250000', '1e-09')
    """
    return f"{weight:.9g}" if 0 < abs(weight) <= _SMALLEST else f"{weight:f}"


def write_lines(file: BinaryIO, table: pa.Table) -> int:
    """Writes a line an edge.

    Args:
        file: Where to write to.
        table: Columns `source` and `target` (binary) and `weight`.

    Returns:
        The number of edges whose weight does not read back to the same float32, for want of
        decimals.

    Raises:
        ValueError: An id holds a tab or a line end, which would be taken for the column's.
    """
    lost = 0
    for begin in range(0, len(table), _EDGES_AT_ONCE):
        part = table.slice(begin, _EDGES_AT_ONCE)
        weights = part["weight"].to_numpy()
        texts = [b"%f" % weight for weight in weights.tolist()]
        for row in np.flatnonzero((weights != 0) & (np.abs(weights) <= _SMALLEST)):
            texts[row] = format_weight(float(weights[row])).encode()
        # By way of NumPy, because Arrow makes each object of its own list anew, ten times as slow.
        sources, targets = part["source"].to_numpy(), part["target"].to_numpy()
        text = b"".join(
            [b"%b\t%b\t%b\n" % edge for edge in zip(sources, targets, texts, strict=True)]
        )
        # Counting is far cheaper than to look into each id.
        counts = [text.count(_SEPARATORS[i : i + 1]) for i in range(3)]
        if counts != [2 * len(part), len(part), 0]:
            raise _odd_id([*sources, *targets])
        file.write(text)
        lost += _count_lost(weights)
    return lost


def _count_lost(weights: NDArray[np.float32]) -> int:
    small = np.abs(weights) <= _SMALLEST
    rounded = np.round(weights.astype(np.float64), 6).astype(np.float32)
    return int(np.sum(~small & (rounded != weights)))


def _odd_id(ids: list[bytes]) -> ValueError:
    odd = next(one for one in ids if any(separator in _SEPARATORS for separator in one))
    return ValueError(
        "Expected ids without tabs and line ends, which part the columns and lines of a TSV file. "
        f"Received: {odd!r}. Export to Parquet instead, or give the examples other ids."
    )
