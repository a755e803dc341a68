"""From ids to the numbers that kernels work on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def number_ids(*columns: Any) -> tuple[pa.Array, list[NDArray[np.int64]]]:
    """Numbers all ids of several columns by their place in ascending order.

    Args:
        *columns: Arrow arrays or chunked arrays of binary, without nulls.

    Returns:
        The ids, each once and ascending, and the numbers of each column's rows.

    Example:
        >>> ids, (left, right) = number_ids(pa.array([b"b", b"a"]), pa.array([b"c"]))
        >>> ids.to_pylist(), left.tolist(), right.tolist()
        ([b'a', b'b', b'c'], [1, 0], [2])
    """
    chunks = [chunk for column in columns for chunk in _chunks(column)]
    # One call for all, because that is what makes them share one dictionary.
    encoded = pa.chunked_array(chunks, pa.binary()).dictionary_encode().chunks
    if not encoded:
        return pa.array([], pa.binary()), [np.empty(0, np.int64) for _ in columns]
    found = encoded[0].dictionary
    order = pc.sort_indices(found).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    numbers = np.concatenate([place[part.indices.to_numpy()] for part in encoded])
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return found.take(pa.array(order)), np.split(numbers, ends)


def _chunks(column: Any) -> list[pa.Array]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]
