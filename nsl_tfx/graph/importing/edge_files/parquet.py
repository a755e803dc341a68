"""Edges in Parquet files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.graph.importing.edge_files.checking import EdgeRows
from nsl_tfx.graph.importing.edge_files.columns import find_columns
from nsl_tfx.graph.importing.edge_files.streams import COMPRESSIONS, read_chunks
from nsl_tfx.io import storage
from nsl_tfx.io.arrow_input import arrow_input

_ROWS_IN_BLOCK = 1 << 18


def read_parquet(path: str, config: GraphImportConfig) -> Iterator[EdgeRows]:
    """Yields the edges of a Parquet file.

    Args:
        path: The file.
        config: Columns, by name or number.

    Raises:
        ValueError: The file is damaged or no Parquet file, lacks a column, or holds ids that are
            neither text, bytes nor integers, or weights that are no numbers.
    """
    first = 0
    with _faults_named(path), pq.ParquetFile(_source(path)) as file:
        names = file.schema_arrow.names
        columns = find_columns(names, config, path)
        places = [columns.source, columns.target]
        if columns.weight is not None:
            places.append(columns.weight)
        chosen = [names[place] for place in places]
        for batch in file.iter_batches(_ROWS_IN_BLOCK, columns=chosen):
            by_name = [batch.column(batch.schema.names.index(name)) for name in chosen]
            yield _rows(by_name, chosen, path, first)
            first += batch.num_rows


def count_rows(path: str) -> int:
    """Returns how many rows a local Parquet file says that it has.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or no Parquet file.
    """
    with _faults_named(path), pq.ParquetFile(_source(path)) as file:
        return int(file.metadata.num_rows)


@contextlib.contextmanager
def _faults_named(path: str) -> Iterator[None]:
    """Turns what Arrow says of a file into an error that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"Expected {path} to be a Parquet file. It is cut off or damaged ({error}). Write it "
            "anew, or copy it again from where it is whole."
        ) from error


def _source(path: str) -> Any:
    if storage.is_remote(path) or path.endswith(tuple(COMPRESSIONS)):
        return arrow_input(b"".join(read_chunks(path)))
    # Whole in memory otherwise too: a damaged file that is mapped there would end the process.
    return pa.OSFile(path)


def _rows(columns: list[pa.Array], names: list[str], path: str, first: int) -> EdgeRows:
    source, target, *weight = columns
    return EdgeRows(
        id_column(source, f"the column {names[0]!r} of {path}"),
        id_column(target, f"the column {names[1]!r} of {path}"),
        _weights(weight[0], f"the column {names[2]!r} of {path}") if weight else None,
        lambda row: f"row {first + row} (counted from 0) of {path}",
    )


def id_column(values: pa.Array, where: str) -> pa.Array:
    """Returns a column of ids as binary, integers as their digits.

    Raises:
        ValueError: They are neither text, bytes nor integers.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_integer(values.type):
        return values.cast(pa.string()).cast(pa.binary())
    kinds = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_fixed_size_binary,
        pa.types.is_null,
    )
    if any(is_kind(values.type) for is_kind in kinds):
        return values.cast(pa.binary())
    raise ValueError(
        f"Expected bytes, text or integers as ids in {where}. Received: {values.type}."
    )


def _weights(values: pa.Array, where: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    kind = values.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise ValueError(f"Expected numbers as weights in {where}. Received: {kind}.")
    # A null becomes NaN, which is no weight. Integers beyond 2^53 are rounded, as weights are.
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
