"""Rows of CSV, as RFC 4180 has them, out of bytes.

A field that begins with a quote ends at the next one, and holds delimiters, line ends and, doubled,
quotes. A quote elsewhere in a field stands for itself. A line end is LF, CRLF or CR.

One stray quote would join all lines up to the next. So a quoted field has a largest size, and where
quotes make no sense the fault is of a single line: reading goes on at the one after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_QUOTED_BYTES = 1 << 20
"""The most bytes that a quoted field may have."""

_QUOTE, _LF, _CR = b'"\n\r'
_LINE_END = re.compile(rb"\r\n|\n|\r")


class QuotedRow(NamedTuple):
    """A row of CSV, or a line that is none.

    Attributes:
        line: Number of the line that it begins in, from 0; of a line that is no row, of the one
            where the faulty field begins.
        end: Where the next row begins.
        next_line: Number of the line that the next row begins in.
        fields: The fields; none where the line is no row.
        fault: Why the line is no row; None where it is one.
    """

    line: int
    end: int
    next_line: int
    fields: list[bytes]
    fault: str | None = None


def scan_rows(
    data: bytes, delimiter: bytes, counts: range | None = None, is_whole: bool = True
) -> Iterator[QuotedRow]:
    r"""Yields the rows of a text.

    Args:
        data: Whole lines.
        delimiter: The byte that parts fields.
        counts: How many fields a row may have. One of several lines with another number is none,
            and its lines are read singly. None for any number.
        is_whole: Whether the text ends here. Else a last row that may go on is left out.

    Example:
        >>> [row.fields for row in scan_rows(b'a,"b\nc"\nd,"e""f"\n', b",")]
        [[b'a', b'b\nc'], [b'd', b'e"f']]
        >>> [row.fault for row in scan_rows(b'a,"b\n', b",")]
        ['a quoted field that does not end']
    """
    begin = line = 0
    while begin < len(data):
        found = _LINE_END.search(data, begin)
        end, following = found.span() if found else (len(data), len(data))
        if data.find(_QUOTE, begin, end) < 0:
            row = QuotedRow(line, following, line + 1, data[begin:end].split(delimiter))
        else:
            parsed = _parse_row(data, begin, delimiter, counts, is_whole)
            if parsed is None:
                return
            fields, row_end, fault_at, fault = parsed
            if fault is None:
                lines = count_line_ends(data, begin, row_end) or 1
                row = QuotedRow(line, row_end, line + lines, fields)
            else:
                at = line + count_line_ends(data, begin, fault_at)
                row = QuotedRow(at, following, line + 1, [], fault)
        yield row
        begin, line = row.end, row.next_line


def find_regular_end(data: bytes, delimiter: bytes, is_whole: bool) -> int | None:
    r"""Returns where the last whole row ends, if all quotes stand where a quoted field needs them.

    Takes two orders of magnitude less time than `scan_rows`.

    Args:
        data: Whole lines.
        delimiter: The byte that parts fields.
        is_whole: Whether the text ends here.

    Returns:
        The place after the last whole row; None where only `scan_rows` can tell.

    Example:
        >>> find_regular_end(b'a,"b"\n"c\n', b",", is_whole=False)
        6
        >>> find_regular_end(b'a,b"\n', b",", is_whole=False) is None
        True
    """
    quotes = _places(data, _QUOTE)
    if not len(quotes):
        return len(data)
    # Quotes open and close in turn, if they do so in the right places; a doubled one closes and
    # opens at once.
    content = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    before, after = content[quotes[0::2]], content[quotes[1::2] + 2]
    between = np.zeros(256, bool)
    between[[delimiter[0], _LF, _CR, _QUOTE]] = True
    if not (between[before].all() and between[after].all()):
        return None
    opening, closing = quotes[0::2][before != _QUOTE], quotes[1::2][after != _QUOTE]
    is_open = len(opening) > len(closing)
    sizes = np.append(closing, len(data))[: len(opening)] - opening
    if sizes.max() > MAX_QUOTED_BYTES or (is_open and is_whole):
        return None
    if not is_open:
        return len(data)
    head = data[: int(opening[-1])]
    ends = np.sort(np.concatenate([_places(head, _LF), _places(head, _CR)]))
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def count_line_ends(data: bytes, begin: int, end: int) -> int:
    r"""Returns the number of line ends in a part of a text.

    Example:
        >>> count_line_ends(b"a\r\nb\rc\n", 0, 7)
        3
    """
    ends = data.count(b"\n", begin, end) + data.count(b"\r", begin, end)
    return ends - data.count(b"\r\n", begin, end)


def _places(data: bytes, byte: int) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == byte)


# Fields, the row's end, and where the fault is and which, if there is one.
_Parsed = tuple[list[bytes], int, int, str | None]


def _parse_row(
    data: bytes, begin: int, delimiter: bytes, counts: range | None, is_whole: bool
) -> _Parsed | None:
    """Returns the row that begins at a place; None where it may go on after the text."""
    fields: list[bytes] = []
    at = begin
    several_lines = False
    stop = re.compile(rb"\r|\n|" + re.escape(delimiter))
    while True:
        if data.startswith(b'"', at):
            close = _closing_quote(data, at)
            if close < 0:
                if not is_whole and len(data) - at <= MAX_QUOTED_BYTES:
                    return None
                return [], 0, at, _unclosed(is_whole and len(data) - at <= MAX_QUOTED_BYTES)
            value = data[at + 1 : close]
            several_lines = several_lines or b"\n" in value or b"\r" in value
            fields.append(value.replace(b'""', b'"'))
            end = close + 1
            if end < len(data) and data[end : end + 1] not in (delimiter, b"\n", b"\r"):
                return [], 0, at, "text after the quote that ends a field"
        else:
            found = stop.search(data, at)
            end = found.start() if found else len(data)
            fields.append(data[at:end])
        is_last = not data.startswith(delimiter, end)
        if several_lines and counts is not None:
            enough = is_last or len(fields) >= counts.stop
            if enough and len(fields) not in counts:
                more = "" if is_last else " or more"
                return [], 0, begin, f"{len(fields)} columns{more}, of several lines in quotes"
        if is_last:
            found = _LINE_END.match(data, end)
            return fields, found.end() if found else len(data), 0, None
        at = end + 1


def _closing_quote(data: bytes, opening: int) -> int:
    """Returns where a quoted field ends; -1 where it does not within the size that it may have."""
    limit = opening + MAX_QUOTED_BYTES + 1
    at = opening + 1
    while (at := data.find(_QUOTE, at, limit)) >= 0:
        if not data.startswith(b'"', at + 1):
            return at
        at += 2
    return -1


def _unclosed(ends: bool) -> str:
    within = "" if ends else f" within {MAX_QUOTED_BYTES:,} bytes"
    return f"a quoted field that does not end{within}"
