"""Edges out of NSL's text files, as columns."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from nsl_tfx.io import storage
from nsl_tfx.io.arrow_input import arrow_input
from nsl_tfx.tools.graph_utils import read_tsv_graph

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BYTES_IN_BLOCK = 16 << 20


class TextEdges(NamedTuple):
    """Edges by their ids. Weights keep the precision of their text.

    Attributes:
        source: Ids, binary `[edges]`.
        target: Ids, binary `[edges]`.
        weight: float64 `[edges]`.
    """

    source: pa.ChunkedArray
    target: pa.ChunkedArray
    weight: NDArray[np.float64]


def read_tsv_edges(files: Iterable[str]) -> TextEdges:
    r"""Returns the edges of files of `source<TAB>target[<TAB>weight]`, gzipped or not.

    An edge without a weight has the weight 1. Edges that are there several times stay so.

    Raises:
        ValueError: A line holds something else; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(b"a\tb\t0.5\n")
        ...     file.flush()
        ...     edges = read_tsv_edges([file.name])
        >>> edges.source.to_pylist(), edges.weight.tolist()
        ([b'a'], [0.5])
    """
    parts = [_read_file(file) for file in files]
    return TextEdges(
        pa.chunked_array([chunk for part in parts for chunk in part.source.chunks], pa.binary()),
        pa.chunked_array([chunk for part in parts for chunk in part.target.chunks], pa.binary()),
        np.concatenate([np.empty(0), *(part.weight for part in parts)]),
    )


def _read_file(path: str) -> TextEdges:
    edges = _read_regular(path)
    # Line by line is some fifty times slower, but takes what is allowed and names what is not.
    return _read_lines(path) if edges is None else edges


def _read_regular(path: str) -> TextEdges | None:
    """Returns the edges of a file whose lines are all alike and right; None for any other."""
    content = storage.read_bytes(path)
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(
                f"Expected {path} to be a whole gzip file. It is cut off or damaged ({error}); "
                "copy it again from where it is whole."
            ) from error
    content = content.removeprefix(_BYTE_ORDER_MARK)
    first = content.partition(b"\n")[0]
    _check_form(path, first)
    columns = first.count(b"\t") + 1
    # A lone carriage return may be part of an id, where Arrow takes it for a line's end.
    if columns not in (2, 3) or b"\r" in content:
        return None
    types = {"f0": pa.binary(), "f1": pa.binary(), "f2": pa.float64()}
    try:
        table = pa_csv.read_csv(
            arrow_input(content),
            pa_csv.ReadOptions(
                autogenerate_column_names=True, block_size=_BYTES_IN_BLOCK, use_threads=False
            ),
            pa_csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False),
            pa_csv.ConvertOptions(
                column_types=types, null_values=[], strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    weight = table["f2"].to_numpy() if columns == 3 else np.ones(len(table))
    source, target = table["f0"], table["f1"]
    if not np.isfinite(weight).all() or any(_has_empty(ids) for ids in (source, target)):
        return None
    return TextEdges(source, target, weight)


def _check_form(path: str, first: bytes) -> None:
    """Raises ValueError where a file begins as one of another form does."""
    if first.startswith(_PARQUET_MAGIC):
        form = "a Parquet file"
    elif b"," in first and b"\t" not in first:
        form = "lines parted by commas"
    else:
        return
    raise ValueError(
        f"Expected {path} to hold lines of source, target and perhaps weight, parted by tabs. "
        f"Received: {form}. Turn it into TSV first: nsl-tfx graph import {shlex.quote(path)} "
        "--output graph --directed, then nsl-tfx graph export graph graph.tsv --to tsv."
    )


def _has_empty(ids: pa.ChunkedArray) -> bool:
    return bool(pc.min(pc.binary_length(ids)).as_py() == 0)


def _read_lines(path: str) -> TextEdges:
    graph = read_tsv_graph(path)
    edges = [
        (source.encode("utf-8", "surrogateescape"), target.encode("utf-8", "surrogateescape"), one)
        for source, targets in graph.items()
        for target, one in targets.items()
    ]
    return TextEdges(
        pa.chunked_array([[source for source, _, _ in edges]], pa.binary()),
        pa.chunked_array([[target for _, target, _ in edges]], pa.binary()),
        np.array([weight for *_, weight in edges], np.float64),
    )
