"""Edges in lines of text: TSV as NSL writes it, and CSV.

Blocks of lines are parsed by Arrow. One that it cannot take as a whole, because a line is wrong or
differs from the others, is read again line by line, which is slow but tells which line it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from nsl_tfx.configs import GraphFormat, GraphImportConfig, InvalidEdges
from nsl_tfx.graph.importing.edge_files.checking import EdgeRows, invalid_edge, invalid_rows
from nsl_tfx.graph.importing.edge_files.columns import Columns, count_columns, find_columns
from nsl_tfx.graph.importing.edge_files.quoting import count_line_ends, find_regular_end, scan_rows
from nsl_tfx.graph.importing.edge_files.streams import read_chunks
from nsl_tfx.graph.naming import name_id
from nsl_tfx.io.arrow_input import arrow_input

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What a first line says that names columns, although it should not.
_HEADER = (b"source", b"target")


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How lines become fields.

    Attributes:
        delimiter: What parts fields.
        quoted: Whether a field may stand in quotes, and hold delimiters and line ends then.
    """

    delimiter: bytes
    quoted: bool


@dataclasses.dataclass(frozen=True)
class Lines:
    """A block of whole lines.

    Attributes:
        path: The file.
        first: Number of the first line, from 1.
        data: Their bytes.
        is_last: Whether no row of them goes on after them.
    """

    path: str
    first: int
    data: bytes
    is_last: bool


class _Row(NamedTuple):
    """A row of a block.

    Attributes:
        line: Number of the line that it begins in.
        fields: None where the row is blank, or no row.
        fault: Why it is no row; None where it is one.
        end: Where the next row begins.
    """

    line: int
    fields: list[bytes]
    fault: str | None
    end: int

    @property
    def is_blank(self) -> bool:
        return not self.fields and self.fault is None


def read_text(
    path: str, file_format: GraphFormat, config: GraphImportConfig, chunk_bytes: int | None = None
) -> Iterator[tuple[EdgeRows, int]]:
    """Yields the edges of a text file, and how many further lines hold none.

    Args:
        path: The file.
        file_format: `TSV` or `CSV`.
        config: Columns, delimiter and header; whether lines that are no edges are dropped.
        chunk_bytes: Bytes read at once; a default when None.

    Raises:
        ValueError: The file is damaged, no text, or lacks a column; or a line holds no edge, and
            the config does not say to drop it.
    """
    is_csv = file_format is GraphFormat.CSV
    dialect = Dialect((config.delimiter or ("," if is_csv else "\t")).encode(), is_csv)
    has_header = is_csv if config.header is None else config.header
    columns: Columns | None = None
    rest, line = b"", 1
    for chunk, is_last in _chunks(path, chunk_bytes):
        rest += chunk
        end = len(rest) if is_last else _last_line_end(rest, dialect)
        if not end:
            continue
        lines = Lines(path, line, rest[:end], is_last)
        if columns is None:
            first = _first_row(lines, dialect)
            if first is None:
                continue  # nothing but blank lines, or a row that goes on
            columns = _columns(path, first, has_header, config)
            if has_header:
                before = _count_lines(lines.data[: first.end], dialect)
                lines = Lines(path, line + before, lines.data[first.end :], is_last)
        rows, wrong, taken = _take_edges(lines, dialect, columns, config)
        yield rows, wrong
        rest, line = rest[end - len(lines.data) + taken :], lines.first
        line += _count_lines(lines.data[:taken], dialect)


def _chunks(path: str, chunk_bytes: int | None) -> Iterator[tuple[bytes, bool]]:
    """Yields a file's content without byte order mark, and last nothing, which is marked."""
    chunks = read_chunks(path) if chunk_bytes is None else read_chunks(path, chunk_bytes)
    is_first = True
    for chunk in chunks:
        if is_first and chunk.startswith(_UTF_16):
            raise ValueError(
                f"Expected {path} to hold text in UTF-8, or any other whose delimiters are "
                "single bytes. Received: UTF-16. Save it as UTF-8."
            )
        yield chunk.removeprefix(_BYTE_ORDER_MARK) if is_first else chunk, False
        is_first = False
    yield b"", True


def _last_line_end(data: bytes, dialect: Dialect) -> int:
    """Returns where the last whole line ends, be it in quotes or not."""
    end = data.rfind(b"\n") + 1
    # A carriage return that comes last may be followed by the other half of a line end.
    return max(end, data.rfind(b"\r", end, -1) + 1) if dialect.quoted else end


def _count_lines(data: bytes, dialect: Dialect) -> int:
    return count_line_ends(data, 0, len(data)) if dialect.quoted else data.count(b"\n")


def _take_edges(
    lines: Lines, dialect: Dialect, columns: Columns, config: GraphImportConfig
) -> tuple[EdgeRows, int, int]:
    """Returns a block's edges, how many lines hold none, and the bytes of all whole rows."""
    if dialect.quoted:
        end = find_regular_end(lines.data, dialect.delimiter, lines.is_last)
        if end is None:
            return _parse_lines(lines, dialect, columns, config)
        lines = dataclasses.replace(lines, data=lines.data[:end], is_last=True)
    rows = _parse(lines, dialect, columns)
    if rows is None or invalid_rows(rows).any():
        return _parse_lines(lines, dialect, columns, config)
    return rows, 0, len(lines.data)


def _columns(path: str, first: _Row, has_header: bool, config: GraphImportConfig) -> Columns:
    fields, fault = first.fields, first.fault
    where = f"line {first.line} of {path}"
    if fault is not None:
        raise ValueError(
            f"Expected {'the names of columns' if has_header else 'an edge'} in {where}. Received "
            f"{fault}. Close the quote, double it inside of a field, or read the file as TSV, "
            "which has no quotes."
        )
    if has_header:
        names = [field.decode("utf-8", "backslashreplace") for field in fields]
        try:
            return find_columns(names, config, where)
        except ValueError as error:
            if config.header is not None:
                raise
            raise ValueError(
                f"{error} Or, if that line is an edge already, set header=False."
            ) from None
    if config.header is None and tuple(field.lower() for field in fields[:2]) == _HEADER:
        listed = ", ".join(map(name_id, fields))
        raise ValueError(
            f"Expected an edge in {where}. Received: {listed}, which look like the names of "
            "columns. Set header=True if they are, and header=False if they are ids."
        )
    return count_columns(len(fields), config, where)


def _parse(lines: Lines, dialect: Dialect, columns: Columns) -> EdgeRows | None:
    """Parses a block at once; returns None where that does not go."""
    data = lines.data
    # Arrow would take it for the file's own, which is gone by now, and leave it out of the id.
    if data.startswith(_BYTE_ORDER_MARK):
        return None
    # Arrow ends a line at a carriage return too, wherever it stands.
    if data.count(b"\r") != data.count(b"\r\n"):
        return None
    count, weight = columns.total, columns.weight
    if columns.may_lack_weight:
        first = _first_row(lines, dialect)
        if first is not None and len(first.fields) == count - 1:
            count, weight = count - 1, None
    places = [columns.source, columns.target, *([] if weight is None else [weight])]
    types = [pa.binary(), pa.binary(), pa.float64()]
    try:
        table = pa.csv.read_csv(
            arrow_input(data),
            read_options=pa.csv.ReadOptions(
                column_names=[str(place) for place in range(count)], block_size=len(data) + 1
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.delimiter.decode(),
                quote_char='"' if dialect.quoted else False,
                newlines_in_values=dialect.quoted,
            ),
            convert_options=pa.csv.ConvertOptions(
                check_utf8=False,
                include_columns=[str(place) for place in places],
                column_types={str(p): t for p, t in zip(places, types, strict=False)},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    values = [column.combine_chunks() for column in table.columns]
    values = [value.chunk(0) if isinstance(value, pa.ChunkedArray) else value for value in values]
    # Nobody asks where a row stands: a block with a wrong one is read again.
    return EdgeRows(
        values[0],
        values[1],
        None if weight is None else values[2].to_numpy(),
        lambda row: f"a line after {lines.first} of {lines.path}",
    )


def _parse_lines(
    lines: Lines, dialect: Dialect, columns: Columns, config: GraphImportConfig
) -> tuple[EdgeRows, int, int]:
    """Parses a block line by line; returns what `_take_edges` does."""
    ids: tuple[list[bytes], list[bytes]] = ([], [])
    weights, numbers = [], []
    wrong = taken = 0
    for row in _rows(lines, dialect, columns.counts):
        taken = row.end
        if row.is_blank:
            continue
        try:
            weight = _weight(row, columns, config)
        except ValueError as error:
            if config.invalid_edges is InvalidEdges.ERROR:
                raise invalid_edge(str(error), f"line {row.line} of {lines.path}") from None
            wrong += 1
            continue
        ids[0].append(row.fields[columns.source])
        ids[1].append(row.fields[columns.target])
        weights.append(weight)
        numbers.append(row.line)
    rows = EdgeRows(
        pa.array(ids[0], pa.binary()),
        pa.array(ids[1], pa.binary()),
        np.array(weights, np.float64),
        lambda row: f"line {numbers[row]} of {lines.path}",
    )
    return rows, wrong, taken


def _weight(row: _Row, columns: Columns, config: GraphImportConfig) -> float:
    """Returns a row's weight.

    Raises:
        ValueError: It is no row, has too few or too many fields, or the weight is no number.
    """
    if row.fault is not None:
        raise ValueError(row.fault)
    fields = row.fields
    if len(fields) not in columns.counts:
        wanted = " or ".join(map(str, columns.counts))
        raise ValueError(f"{len(fields)} columns instead of {wanted}: {_shown(fields)}")
    if columns.weight is None or columns.weight >= len(fields):
        return config.default_weight
    text = fields[columns.weight]
    try:
        # Python takes digits of other scripts and with underscores, which nobody means here.
        if b"_" in text:
            raise ValueError(text)
        return float(text.decode("ascii"))
    except ValueError:
        raise ValueError(f"{name_id(text)} where the weight should stand") from None


def _first_row(lines: Lines, dialect: Dialect) -> _Row | None:
    """Returns the first row that is not blank."""
    return next((row for row in _rows(lines, dialect, None) if not row.is_blank), None)


def _rows(lines: Lines, dialect: Dialect, counts: range | None) -> Iterator[_Row]:
    """Yields all rows of which none goes on after the block."""
    if dialect.quoted:
        for one in scan_rows(lines.data, dialect.delimiter, counts, lines.is_last):
            fields = one.fields if len(one.fields) > 1 or any(map(bytes.strip, one.fields)) else []
            yield _Row(lines.first + one.line, fields, one.fault, one.end)
        return
    end = 0
    for number, line in enumerate(lines.data.split(b"\n"), lines.first):
        end = min(end + len(line) + 1, len(lines.data))
        line = line.removesuffix(b"\r")
        is_row = line.strip() or dialect.delimiter in line
        yield _Row(number, line.split(dialect.delimiter) if is_row else [], None, end)


def _shown(fields: Sequence[bytes]) -> str:
    text = name_id(b" | ".join(fields))
    return text if len(text) <= 80 else text[:77] + "..."
