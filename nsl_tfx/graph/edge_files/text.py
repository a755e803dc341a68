"""Edges in lines of text: TSV as NSL writes it, and CSV.

Blocks of lines are parsed by Arrow. One that it cannot take as a whole, because a line is wrong or
differs from the others, is read again line by line, which is slow but tells which line it is.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv

from nsl_tfx.configs import GraphFormat, GraphImportConfig, InvalidEdges
from nsl_tfx.graph.edge_files.checking import EdgeRows, invalid_edge, invalid_rows
from nsl_tfx.graph.edge_files.columns import Columns, count_columns, find_columns
from nsl_tfx.graph.edge_files.streams import read_chunks

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_QUOTE = b'"'
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
    """

    path: str
    first: int
    data: bytes


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
    for lines in _blocks(path, dialect, chunk_bytes):
        if columns is None:
            found = next(_fields(lines, dialect), None)
            if found is None:
                continue  # nothing but blank lines
            last, fields = found
            columns = _columns(path, last, fields, has_header, config)
            if has_header:
                lines = _without_header(lines, last)
        rows = _parse(lines, dialect, columns)
        if rows is not None and not invalid_rows(rows).any():
            yield rows, 0
        else:
            yield _parse_lines(lines, dialect, columns, config)


def _blocks(path: str, dialect: Dialect, chunk_bytes: int | None) -> Iterator[Lines]:
    """Yields whole lines, about a chunk of them each time."""
    chunks = read_chunks(path) if chunk_bytes is None else read_chunks(path, chunk_bytes)
    rest, line, is_first = b"", 1, True
    for chunk in chunks:
        if is_first:
            if chunk.startswith(_UTF_16):
                raise ValueError(
                    f"Expected {path} to hold text in UTF-8, or any other whose delimiters are "
                    "single bytes. Received: UTF-16. Save it as UTF-8."
                )
            chunk, is_first = chunk.removeprefix(_BYTE_ORDER_MARK), False
        data = rest + chunk
        end = _last_line_end(data, dialect)
        rest = data[end:]
        if end:
            yield Lines(path, line, data[:end])
            line += data.count(b"\n", 0, end)
    if rest:
        yield Lines(path, line, rest)


def _last_line_end(data: bytes, dialect: Dialect) -> int:
    """Returns where the last whole line ends; a line end inside quotes is none."""
    end = data.rfind(b"\n") + 1
    if dialect.quoted and data.count(_QUOTE):
        while end and data.count(_QUOTE, 0, end) % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _columns(
    path: str, line: int, fields: Sequence[bytes], has_header: bool, config: GraphImportConfig
) -> Columns:
    where = f"line {line} of {path}"
    if has_header:
        names = [field.decode("utf-8", "backslashreplace") for field in fields]
        return find_columns(names, config, where)
    if config.header is None and tuple(field.lower() for field in fields[:2]) == _HEADER:
        raise ValueError(
            f"Expected an edge in {where}. Received: {fields!r}, which look like the names of "
            "columns. Set header=True if they are, and header=False if they are ids."
        )
    return count_columns(len(fields), config, where)


def _without_header(lines: Lines, last: int) -> Lines:
    rest = lines.data.split(b"\n", last - lines.first + 1)[last - lines.first + 1 :]
    return Lines(lines.path, last + 1, rest[0] if rest else b"")


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
        first = next(_fields(lines, dialect), None)
        if first is not None and len(first[1]) == count - 1:
            count, weight = count - 1, None
    places = [columns.source, columns.target, *([] if weight is None else [weight])]
    types = [pa.binary(), pa.binary(), pa.float64()]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
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
) -> tuple[EdgeRows, int]:
    """Parses a block line by line; returns its edges and how many lines hold none."""
    ids: tuple[list[bytes], list[bytes]] = ([], [])
    weights, numbers = [], []
    wrong = 0
    for number, fields in _fields(lines, dialect):
        try:
            weight = _weight(fields, columns, config)
        except ValueError as error:
            if config.invalid_edges is InvalidEdges.ERROR:
                raise invalid_edge(str(error), f"line {number} of {lines.path}") from None
            wrong += 1
            continue
        ids[0].append(fields[columns.source])
        ids[1].append(fields[columns.target])
        weights.append(weight)
        numbers.append(number)
    rows = EdgeRows(
        pa.array(ids[0], pa.binary()),
        pa.array(ids[1], pa.binary()),
        np.array(weights, np.float64),
        lambda row: f"line {numbers[row]} of {lines.path}",
    )
    return rows, wrong


def _weight(fields: Sequence[bytes], columns: Columns, config: GraphImportConfig) -> float:
    """Returns a line's weight.

    Raises:
        ValueError: The line has too few or too many fields, or the weight is no number.
    """
    least = columns.total - columns.may_lack_weight
    if not least <= len(fields) <= columns.total:
        wanted = str(columns.total) if least == columns.total else f"{least} or {columns.total}"
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
        raise ValueError(f"{text!r} where the weight should stand") from None


def _fields(lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[bytes]]]:
    """Yields the last line's number and the fields of each row that is not blank."""
    if dialect.quoted:
        yield from _quoted_fields(lines, dialect)
        return
    for number, line in enumerate(lines.data.split(b"\n"), lines.first):
        line = line.removesuffix(b"\r")
        if line.strip() or dialect.delimiter in line:
            yield number, line.split(dialect.delimiter)


def _quoted_fields(lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[bytes]]]:
    # Latin-1 gives every byte a character and back, whatever the text's encoding.
    text = io.StringIO(lines.data.decode("latin-1"), newline="")
    reader = csv.reader(text, delimiter=dialect.delimiter.decode(), strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # One field that nobody can take for an edge.
            fields = [f"({error})"]
        if fields and (len(fields) > 1 or fields[0].strip()):
            yield lines.first + reader.line_num - 1, [one.encode("latin-1") for one in fields]


def _shown(fields: Sequence[bytes]) -> str:
    text = repr(b" | ".join(fields))
    return text if len(text) <= 80 else text[:77] + "..."
