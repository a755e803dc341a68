"""From Arrow record batches of examples to blocks of ids, vectors and labels.

A record batch is what TFX's readers give: a column a feature, a list of values a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.naming import name_some

# Ids; vectors, float32 [rows, dimension]; labels, None where an example carries none. A plain
# tuple, because Beam passes it between workers.
Block = tuple[list[bytes], NDArray[np.float32], list[bytes | None]]


def read_ids(batch: pa.RecordBatch, feature: str) -> list[bytes]:
    """Returns each row's id; an integer as its decimal digits.

    Raises:
        ValueError: A row has no id, several, or one that is neither bytes nor an integer.

    Example:
        >>> read_ids(pa.record_batch([pa.array([[7], [12]])], ["id"]), "id")
        [b'7', b'12']
    """
    ids = read_single_values(batch, feature)
    missing = ids.count(None) + ids.count(b"")
    if missing:
        raise ValueError(
            f"Expected an id in the feature {feature!r} of every example. Received {missing} "
            f"without one in a batch of {len(ids)}, whose features are: "
            f"{', '.join(batch.schema.names) or 'none'}. "
            "Name the feature that holds the id, or give the examples ids first."
        )
    return [value for value in ids if value]


def read_single_values(batch: pa.RecordBatch, feature: str) -> list[bytes | None]:
    """Returns each row's single value as bytes, an integer as its digits; None where it lacks.

    Raises:
        ValueError: A row has several values, or they are neither bytes nor integers.
    """
    values, lengths = _list_column(batch, feature)
    if values is None:
        return [None] * batch.num_rows
    if lengths.max(initial=0) > 1:
        raise ValueError(
            f"Expected at most one value of the feature {feature!r} in an example. "
            f"Received: {lengths.max()}."
        )
    texts: Iterable[bytes]
    if pa.types.is_integer(values.type):
        texts = (str(value).encode() for value in values.to_pylist())
    elif pa.types.is_large_binary(values.type) or pa.types.is_binary(values.type):
        texts = values.to_pylist()
    else:
        raise ValueError(
            f"Expected bytes or integers in the feature {feature!r}. Received: {values.type}."
        )
    remaining = iter(texts)
    return [next(remaining) if length else None for length in lengths]


def read_block(batch: pa.RecordBatch, config: SimilarityGraphConfig) -> Block:
    """Returns a batch's ids, vectors and labels.

    Raises:
        ValueError: An id is missing; a vector is missing, not numeric, or not as long as the
            others.
    """
    ids = read_ids(batch, config.id_feature)
    feature = config.embedding_feature or ""
    values, lengths = _list_column(batch, feature)
    absent = [ids[row] for row in np.flatnonzero(lengths == 0)]
    if values is None or absent:
        raise ValueError(
            f"Expected a vector in the feature {feature!r} of every example. "
            f"Received none for {name_some(absent)}. Features that are there: "
            f"{', '.join(batch.schema.names)}."
        )
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise ValueError(f"Expected numbers in the feature {feature!r}. Received: {values.type}.")
    check_dimensions(ids, lengths, feature)
    vectors = values.to_numpy(zero_copy_only=False).astype(np.float32)
    if config.label_feature is None:
        labels: list[bytes | None] = [None] * len(ids)
    else:
        labels = read_single_values(batch, config.label_feature)
    return ids, vectors.reshape(len(ids), -1), labels


def join_blocks(blocks: Iterable[Block], feature: str) -> Block:
    """Returns one block of all rows.

    Args:
        blocks: At least one.
        feature: Name of the vectors' feature, for the error's text.

    Raises:
        ValueError: The vectors are not of one length.
    """
    ids: list[bytes] = []
    labels: list[bytes | None] = []
    vectors = []
    for block_ids, block_vectors, block_labels in blocks:
        ids.extend(block_ids)
        labels.extend(block_labels)
        vectors.append(block_vectors)
    lengths = np.concatenate([np.full(len(part), part.shape[1]) for part in vectors])
    check_dimensions(ids, lengths, feature)
    return ids, np.concatenate(vectors), labels


def check_dimensions(ids: Sequence[bytes], lengths: NDArray[np.int64], feature: str) -> None:
    """Raises ValueError where the vectors are not of one length."""
    if not len(lengths):
        return
    sizes = np.unique(lengths)
    if len(sizes) > 1:
        # All lengths, because which one is wrong cannot be told from a part of the examples.
        found = "; ".join(
            f"{size} for {name_some([ids[row] for row in np.flatnonzero(lengths == size)])}"
            for size in sizes
        )
        raise ValueError(
            f"Expected the same number of values in the feature {feature!r} of every example. "
            f"Received: {found}."
        )


def _list_column(batch: pa.RecordBatch, feature: str) -> tuple[pa.Array | None, NDArray[np.int64]]:
    """Returns a feature's values, flat, and how many each row has; no values where it is absent."""
    index = batch.schema.get_field_index(feature)
    none = np.zeros(batch.num_rows, np.int64)
    if index < 0 or pa.types.is_null(batch.column(index).type):
        return None, none
    column = batch.column(index)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return column.flatten(), lengths.astype(np.int64)
