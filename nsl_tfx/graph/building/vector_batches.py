"""Vectors on their way between workers: Arrow record batches of ids and vectors.

Each vector is a list of fixed size, so that a batch's vectors are one matrix in memory, and passing
them on costs one copy, not an object a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_NAMES = ("id", "vector")


def vector_batch(ids: Sequence[bytes] | pa.Array, vectors: NDArray[np.float32]) -> pa.RecordBatch:
    """Returns a batch of the columns `id` (binary) and `vector` (lists of one size).

    Args:
        ids: One id a row.
        vectors: float32 `[rows, dimension]`.

    Example:
        >>> vector_batch([b"a"], np.array([[1, 2]], np.float32)).to_pydict()
        {'id': [b'a'], 'vector': [[1.0, 2.0]]}
    """
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    columns = [
        ids if isinstance(ids, pa.Array) else pa.array(ids, pa.binary()),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(_NAMES))


def vectors_of(batch: pa.RecordBatch) -> NDArray[np.float32]:
    """Returns the vectors of a batch, float32 `[rows, dimension]`, without copying them."""
    column = batch.column(1)
    # Unlike the column's values, its flattened form is of the batch's rows alone.
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def dimension_of(batch: pa.RecordBatch) -> int:
    """Returns the length of a batch's vectors."""
    return int(batch.column(1).type.list_size)


def take_vectors(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> pa.RecordBatch:
    """Returns some rows of a batch, in memory of their own."""
    return vector_batch(batch.column(0).take(pa.array(rows)), vectors_of(batch)[rows])


def join_vectors(batches: Iterable[pa.RecordBatch]) -> tuple[list[bytes], NDArray[np.float32]]:
    """Returns the ids and vectors of all batches, at least one, of one dimension."""
    ids: list[bytes] = []
    parts: list[NDArray[np.float32]] = []
    for batch in batches:
        ids.extend(batch.column(0).to_pylist())
        parts.append(vectors_of(batch))
    return ids, parts[0] if len(parts) == 1 else np.concatenate(parts)


def join_in_order(batches: Iterable[pa.RecordBatch]) -> tuple[list[bytes], NDArray[np.float32]]:
    """Returns the ids, ascending, and the vectors of all batches, at least one, of one dimension.

    Each vector goes to its place at once: sorting joined ones would hold them once more.
    """
    parts = list(batches)
    ids = [one for part in parts for one in part.column(0).to_pylist()]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    place = np.empty(len(ids), np.int64)
    place[order] = np.arange(len(ids))
    vectors = np.empty((len(ids), dimension_of(parts[0])), np.float32)
    end = 0
    for part in parts:
        begin, end = end, end + part.num_rows
        vectors[place[begin:end]] = vectors_of(part)
    return [ids[row] for row in order], vectors
