"""Edges as tf.Examples in TFRecord files, as TF-GNN writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import GraphImportConfig, InvalidEdges
from nsl_tfx.graph.examples.feature_names import absent_feature
from nsl_tfx.graph.importing.edge_files.checking import EdgeRows
from nsl_tfx.graph.importing.edge_files.parquet import id_column
from nsl_tfx.io import RecordBlock

_DEFAULTS = ("#source", "#target", "weight")


def read_examples(path: str, config: GraphImportConfig) -> Iterator[EdgeRows]:
    """Yields the edges of a TFRecord file.

    Args:
        path: The file, gzipped or not.
        config: Features, by name.

    Raises:
        ValueError: The file is damaged, a record is no tf.Example, or a feature is of another type
            or has several values.
    """
    # Not above: TensorFlow is loaded by those who read such files.
    from nsl_tfx.io.decoding import decode_features
    from nsl_tfx.io.tfrecords import read_record_blocks

    names = _features(config)
    for block in read_record_blocks(path):
        batch = decode_features(block, names)
        if config.invalid_edges is InvalidEdges.ERROR:
            _check_ends(block, batch)
        yield _rows(batch, names, path, block[1], has_weight=len(names) > 2)


def _check_ends(block: RecordBlock, batch: pa.RecordBatch) -> None:
    """Raises ValueError where no example of a block has one of both ends' features."""
    for role, name in zip(("source", "target"), batch.schema.names, strict=False):
        if block[2] and pa.types.is_null(batch[name].type):
            cure = f"Name the one that holds the {role}'s id in GraphImportConfig.{role}."
            raise absent_feature(name, block, cure)


def _features(config: GraphImportConfig) -> list[str]:
    given = (config.source, config.target, config.weight)
    numbers = [column for column in given if isinstance(column, int)]
    if numbers:
        raise ValueError(
            "Expected GraphImportConfig.source, target and weight to name features of tf.Examples. "
            f"Received: {', '.join(map(str, numbers))}."
        )
    chosen = [str(d if g is None else g) for g, d in zip(given, _DEFAULTS, strict=True)]
    return chosen if config.use_weights else chosen[:2]


def _rows(
    batch: pa.RecordBatch, names: list[str], path: str, first: int, has_weight: bool
) -> EdgeRows:
    def place(row: int) -> str:
        return f"record {first + row} (counted from 0) of {path}"

    def single(number: int) -> pa.Array:
        return _single(batch.column(number), names[number], place)

    weight = single(2) if has_weight else None
    return EdgeRows(
        id_column(single(0), f"the feature {names[0]!r} of {path}"),
        id_column(single(1), f"the feature {names[1]!r} of {path}"),
        None if weight is None else _weights(weight, names[2], path),
        place,
    )


def _single(column: pa.Array, name: str, place: Any) -> pa.Array:
    """Returns each row's one value, null where there is none."""
    if pa.types.is_null(column.type):
        return column
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    if lengths.max(initial=0) > 1:
        row = int(np.argmax(lengths > 1))
        raise ValueError(
            f"Expected one value of the feature {name!r} in an edge. Received {lengths[row]} in "
            f"{place(row)}."
        )
    index = np.cumsum(lengths) - 1
    return column.flatten().take(pa.array(index, mask=lengths == 0))


def _weights(values: pa.Array, name: str, path: str) -> NDArray[np.float64] | None:
    if pa.types.is_null(values.type):
        return None
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise ValueError(
            f"Expected numbers in the feature {name!r} of {path}. Received: {values.type}."
        )
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
