"""Ids and labels out of Arrow record batches of examples.

A record batch is what TFX's readers give: a column a feature, a list of values a row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nsl_tfx.io import RecordBlock


def read_ids(batch: pa.RecordBatch, feature: str, source: RecordBlock | None = None) -> list[bytes]:
    """Returns each row's id; an integer as its decimal digits.

    Args:
        batch: The examples' features.
        feature: The one that holds the id.
        source: Where the examples come from, for the error's text.

    Raises:
        ValueError: A row has no id, several, or one that is neither bytes nor an integer.

    Example:
        >>> read_ids(pa.record_batch([pa.array([[7], [12]])], ["id"]), "id")
        [b'7', b'12']
    """
    ids = read_single_values(batch, feature, source)
    missing = np.array([not identity for identity in ids], bool)
    if missing.any():
        raise ValueError(
            f"Expected an id in the feature {feature!r} of every example. Received {missing.sum()} "
            f"without one in a batch of {len(ids)}{name_place(source, np.flatnonzero(missing))}. "
            "Name the feature that holds the id, or give the examples ids first, as "
            "ExampleIdentifier does."
        )
    return [value for value in ids if value]


def read_single_values(
    batch: pa.RecordBatch, feature: str, source: RecordBlock | None = None
) -> list[bytes | None]:
    """Returns each row's single value as bytes, an integer as its digits; None where it lacks.

    Args:
        batch: The examples' features.
        feature: The one that holds the values.
        source: Where the examples come from, for the errors' texts.

    Raises:
        ValueError: A row has several values, or they are neither bytes nor integers.
    """
    values, lengths = list_column(batch, feature)
    if values is None:
        return [None] * batch.num_rows
    several = np.flatnonzero(lengths > 1)
    if len(several):
        raise ValueError(
            f"Expected at most one value of the feature {feature!r} in an example. "
            f"Received: {lengths[several[0]]}{name_place(source, several)}. Name another feature, "
            "or leave one value of each."
        )
    texts: Iterable[bytes]
    if pa.types.is_integer(values.type):
        texts = (str(value).encode() for value in values.to_pylist())
    elif pa.types.is_large_binary(values.type) or pa.types.is_binary(values.type):
        texts = values.to_pylist()
    else:
        raise ValueError(
            f"Expected bytes or integers in the feature {feature!r}. Received: {values.type}"
            f"{name_place(source, np.flatnonzero(lengths))}. Name another feature, or write it as "
            "integers."
        )
    remaining = iter(texts)
    return [next(remaining) if length else None for length in lengths]


def name_place(source: RecordBlock | None, rows: NDArray[np.int64]) -> str:
    """Returns where the first of the rows is, as the end of a sentence's part."""
    if source is None or not len(rows):
        return ""
    return f" (first in record {source[1] + int(rows[0])}, counted from 0, of {source[0]})"


def list_column(batch: pa.RecordBatch, feature: str) -> tuple[pa.Array | None, NDArray[np.int64]]:
    """Returns a feature's values, flat, and how many each row has; no values where it is absent."""
    index = batch.schema.get_field_index(feature)
    none = np.zeros(batch.num_rows, np.int64)
    if index < 0 or pa.types.is_null(batch.column(index).type):
        return None, none
    column = batch.column(index)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return column.flatten(), lengths.astype(np.int64)
