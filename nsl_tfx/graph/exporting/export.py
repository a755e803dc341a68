"""A graph's files in other forms, shard by shard, so that none has to fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from nsl_tfx.graph.exporting.text import write_lines
from nsl_tfx.graph.exporting.tfgnn import write_tfgnn
from nsl_tfx.graph.files import EDGE_SCHEMA, iterate_edges
from nsl_tfx.graph.ids import decode_ids
from nsl_tfx.io.folders import is_remote
from nsl_tfx.io.paths import path_text
from nsl_tfx.io.publishing import published


def export_graph(folder: str | os.PathLike[str], path: str | os.PathLike[str], form: str) -> None:
    """Writes a graph in another form; what is written appears whole or not at all.

    `tsv` holds lines of source, target and weight as NSL reads them; ids hold no tabs or line ends.
    `csv` has a header, quotes ids, and needs them in UTF-8. `parquet` is one file of the columns
    `source`, `target` (binary) and `weight` (float). `tfgnn` is a folder: see `write_tfgnn`. All
    hold the weights exactly. Isolated nodes whose ids the graph's
    files do not hold are lost in every form, and all isolated nodes but in `tfgnn`.

    Args:
        folder: The graph's.
        path: The file to write, gzipped where a text file's name ends in `.gz`; for `tfgnn`, the
            folder.
        form: `tsv`, `csv`, `parquet` or `tfgnn`.

    Raises:
        FileNotFoundError: The folder holds no whole graph.
        TypeError: The folder or the file's name is no path.
        ValueError: There is no such form, a file of the graph is damaged, the form cannot hold an
            id, or the output would lie in the graph's folder.

    Example:
        >>> import pathlib, tempfile
        >>> from nsl_tfx.graph import Graph
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Graph.from_edges(["a"], ["b"], [0.5]).write(f"{folder}/graph")
        ...     export_graph(f"{folder}/graph", f"{folder}/graph.tsv", "tsv")
        ...     print(pathlib.Path(folder, "graph.tsv").read_text(), end="")
        a	b	0.500000
    """
    if form not in _WRITERS:
        raise ValueError(f"Expected form to be one of {', '.join(_WRITERS)}. Received: {form!r}.")
    folder, path = path_text(folder, "folder"), path_text(path, "path")
    tables = iterate_edges(folder)
    _check_outside(folder, path)
    _WRITERS[form](tables, path)


def _check_outside(folder: str, path: str) -> None:
    """Raises ValueError where what is written would lie among the graph's own files."""
    own, output = (one if is_remote(one) else os.path.realpath(one) for one in (folder, path))
    if f"{output.rstrip('/')}/".startswith(f"{own.rstrip('/')}/"):
        raise ValueError(
            f"Expected an output outside of the graph's folder, {folder!r}. Received: {path!r}. "
            "Name another place; the graph's own files stay as they are."
        )


def _write_tsv(tables: Iterator[pa.Table], path: str) -> None:
    with published(path) as file:
        for table in tables:
            write_lines(file, table)


def _write_csv(tables: Iterator[pa.Table], path: str) -> None:
    schema = pa.schema([("source", pa.string()), ("target", pa.string()), ("weight", pa.float32())])
    with published(path) as file, pyarrow.csv.CSVWriter(file, schema) as writer:
        for table in tables:
            columns = [_as_text(table[name]) for name in ("source", "target")]
            writer.write_table(pa.Table.from_arrays([*columns, table["weight"]], schema=schema))


def _as_text(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return ids.cast(pa.string())
    except pa.ArrowInvalid:
        try:
            decode_ids(pc.unique(ids))
        except ValueError as error:
            raise ValueError(
                f"{str(error).split(' Leave')[0]} Export to Parquet instead."
            ) from None
        raise


def _write_parquet(tables: Iterator[pa.Table], path: str) -> None:
    with (
        published(path) as file,
        pq.ParquetWriter(file, EDGE_SCHEMA, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table)


def _write_tfgnn(tables: Iterator[pa.Table], path: str) -> None:
    write_tfgnn(path, list(tables))


_WRITERS: dict[str, Callable[[Iterator[pa.Table], str], None]] = {
    "tsv": _write_tsv,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "tfgnn": _write_tfgnn,
}
