"""From Arrow record batches of examples to blocks of ids, vectors and labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import InvalidExamples, SimilarityGraphConfig
from nsl_tfx.graph.examples.columns import list_column, name_place, read_ids, read_single_values
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.search.vectors import invalid_rows, invalid_vectors
from nsl_tfx.io import RecordBlock

# Ids; vectors, float32 [rows, dimension]; labels, None where an example carries none. A plain
# tuple, because Beam passes it between workers.
Block = tuple[list[bytes], NDArray[np.float32], list[bytes | None]]

EMBEDDING_COLUMN = "(embedding)"
"""The column of what a model made of the examples."""


def read_block(batch: pa.RecordBatch, config: SimilarityGraphConfig) -> Block:
    """Returns a batch's ids, vectors and labels, all of them.

    Raises:
        ValueError: An id is missing; a vector is missing, not numeric, not as long as the others,
            or cannot be compared.
    """
    blocks, _ = read_blocks(batch, config.replace(invalid_examples=InvalidExamples.ERROR))
    return join_blocks(blocks, vectors_name(config))


def read_blocks(
    batch: pa.RecordBatch,
    config: SimilarityGraphConfig,
    source: RecordBlock | None = None,
) -> tuple[list[Block], dict[str, int]]:
    """Returns a batch's nodes, and how many of its examples cannot be nodes, by cause.

    Args:
        batch: The examples' features.
        config: Which of them are read; what becomes of an example without an id or a vector, or
            with a vector that cannot be compared.
        source: Where the examples come from, for the errors' texts.

    Returns:
        A block for each length that vectors have, and the drops by cause; a cause without one is
        left out.

    Raises:
        ValueError: An example cannot be a node, and is not to be dropped; or a feature is of
            another kind than it has to be.
    """
    strict = config.invalid_examples is InvalidExamples.ERROR
    ids = (
        read_ids(batch, config.id_feature, source)
        if strict
        else [one or b"" for one in read_single_values(batch, config.id_feature, source)]
    )
    values, lengths = _vectors(batch, config, source)
    labels = (
        [None] * len(ids)
        if config.label_feature is None
        else read_single_values(batch, config.label_feature, source)
    )
    drops: dict[str, int] = {}
    kept = np.array([bool(identity) for identity in ids], bool)
    if not kept.all():
        drops["missing_id"] = int((~kept).sum())
    no_vector = kept & (lengths == 0)
    if no_vector.any():
        if strict:
            raise _no_vector(ids, no_vector, config, source)
        drops["missing_vector"] = int(no_vector.sum())
        kept &= lengths > 0
    blocks = []
    for length in np.unique(lengths[kept]):
        rows = np.flatnonzero(kept & (lengths == length))
        vectors = _rows_of(values, lengths, rows, int(length))
        good = np.ones(len(rows), bool)
        for cause, bad in invalid_rows(vectors, config.similarity):
            if not bad.any():
                continue
            if strict:
                names = [ids[row] for row in rows[bad]]
                raise invalid_vectors(cause, names, name_place(source, rows[bad]))
            drops[cause] = drops.get(cause, 0) + int(bad.sum())
            good &= ~bad
        if good.any():
            rows, vectors = rows[good], vectors if good.all() else vectors[good]
            blocks.append(([ids[row] for row in rows], vectors, [labels[row] for row in rows]))
    return blocks, drops


def vectors_name(config: SimilarityGraphConfig) -> str:
    """Returns the name of the column that holds the vectors."""
    return config.embedding_feature or EMBEDDING_COLUMN


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


def _vectors(
    batch: pa.RecordBatch, config: SimilarityGraphConfig, source: RecordBlock | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns all vectors' numbers, flat, and how many each row has."""
    feature = vectors_name(config)
    values, lengths = list_column(batch, feature)
    if values is None:
        return np.zeros(0, np.float32), lengths
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise ValueError(
            f"Expected numbers in the feature {feature!r}. Received: {values.type}"
            f"{name_place(source, np.flatnonzero(lengths))}. Name the feature that holds the "
            "vectors."
        )
    with np.errstate(over="ignore"):  # becomes infinite, and is found as that
        return values.to_numpy(zero_copy_only=False).astype(np.float32), lengths


def _rows_of(
    values: NDArray[np.float32], lengths: NDArray[np.int64], rows: NDArray[np.int64], length: int
) -> NDArray[np.float32]:
    if len(rows) == len(lengths):
        return values.reshape(len(rows), length)
    starts = np.cumsum(lengths) - lengths
    return values[starts[rows][:, None] + np.arange(length)]


def _no_vector(
    ids: Sequence[bytes],
    absent: NDArray[np.bool_],
    config: SimilarityGraphConfig,
    source: RecordBlock | None,
) -> ValueError:
    rows = np.flatnonzero(absent)
    return ValueError(
        f"Expected a vector in the feature {vectors_name(config)!r} of every example. Received "
        f"none for {name_some([ids[row] for row in rows])}{name_place(source, rows)}. Name the "
        "feature that holds the vectors, or leave these examples out (in a config: "
        "invalid_examples='drop')."
    )
