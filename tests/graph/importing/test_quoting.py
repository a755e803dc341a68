"""Rows of CSV, against Python's csv module."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import GraphFormat, GraphImportConfig
from nsl_tfx.graph.importing.edge_files import quoting
from nsl_tfx.graph.importing.edge_files.quoting import find_regular_end, scan_rows
from nsl_tfx.graph.importing.edge_files.text import read_text

TEXT = st.text(st.sampled_from('ab,""\n\r'), max_size=30).map(str.encode)


def plain_rows(data, counts=None):
    """The definition: Python's strict reader, begun anew after each line that is no row."""
    lines = [line.decode() for line in data.splitlines(keepends=True)]
    rows, at = [], 0
    while at < len(lines):
        reader = csv.reader(lines[at:], strict=True)
        try:
            fields = [field.encode() for field in next(reader)]
            if reader.line_num > 1 and counts is not None and len(fields) not in counts:
                raise csv.Error
        except csv.Error:
            rows.append((at, None))
            at += 1
        else:
            rows.append((at, fields or [b""]))
            at += reader.line_num
    return rows


def shown(rows):
    return [(row.line, row.fields if row.fault is None else None) for row in rows]


def starts(rows):
    """Rows without the numbers of faulty lines, which are those of their faults."""
    return [(line if fields else None, fields) for line, fields in rows]


@settings(max_examples=400, deadline=None)
@given(data=TEXT, counts=st.sampled_from([None, range(2, 3), range(2, 4)]))
@example(data=b'"a,b\nc,d\n', counts=range(2, 4))
@example(data=b'a","b\nc","d\n', counts=range(2, 4))
@example(data=b'"a\nb","c,d\n', counts=range(2, 4))
@example(data=b'"a\r\nb",c\r\nd,""\r\n', counts=range(2, 4))
def test_rows_are_those_of_pythons_reader(data, counts):
    assert starts(shown(scan_rows(data, b",", counts))) == starts(plain_rows(data, counts))


@settings(max_examples=400, deadline=None)
@given(data=TEXT.map(lambda data: data + b"\n"))
@example(data=b'a,"b\n",c\n"d\n')
def test_a_regular_text_ends_where_its_rows_do(data):
    end = find_regular_end(data, b",", is_whole=False)
    rows = list(scan_rows(data, b",", is_whole=False))
    if end is not None:
        assert not any(row.fault for row in rows)
        assert end == (rows[-1].end if rows else 0)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(TEXT.map(bytes.decode), min_size=1, max_size=3), max_size=4))
def test_what_pythons_writer_writes_is_regular(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode()
    assert find_regular_end(data, b",", is_whole=True) == len(data)


LINES = st.lists(
    st.sampled_from(["a,b", '"a', 'c"', '"a","b"', 'a","b', '"a\nb",c', '"a""b",c', 'x,"y"z', ""]),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n", "\r"]), chunk_bytes=st.integers(1, 40))
def test_chunks_of_any_size_give_the_same_edges_and_drops(
    lines, end, chunk_bytes, tmp_path_factory
):
    data = "".join(line + end for line in ["s,t", *lines]).encode()
    path = tmp_path_factory.mktemp("csv") / "e.csv"
    path.write_bytes(data)
    config = GraphImportConfig(paths=(str(path),), header=False, invalid_edges="drop")
    found, dropped = [], 0
    for rows, wrong in read_text(str(path), GraphFormat.CSV, config, chunk_bytes):
        found += zip(rows.source.to_pylist(), rows.target.to_pylist(), strict=True)
        dropped += wrong
    rows = [row for _, row in plain_rows(data, range(2, 4)) if row is None or any(row)]
    edges = [tuple(row) for row in rows if row and len(row) == 2]
    assert (found, dropped) == (edges, len(rows) - len(edges))


def read(path, data, **settings):
    """Number of edges and drops."""
    path.write_bytes(data)
    config = GraphImportConfig(paths=(str(path),), **settings)
    blocks = list(read_text(str(path), GraphFormat.CSV, config, 4096))
    return sum(len(rows.source) for rows, _ in blocks), sum(wrong for _, wrong in blocks)


COUNT = 20_000
STRAY = {
    "opens in one line": (b'"a,b\n' + b"c,d\n" * COUNT, (COUNT, 1)),
    "opens in every line": (b'"a,b\n' * COUNT, (0, COUNT)),
    "joins all lines": (b'a","b\n' * COUNT, (0, COUNT)),
    "closes far away": (b'"a,b\n' + b"c,d\n" * COUNT + b'e,f"\n', (COUNT + 1, 1)),
    "stands in fields": (b'5"a,b\n' * COUNT, (COUNT, 0)),
}


@pytest.mark.parametrize("name", STRAY)
def test_a_stray_quote_costs_its_own_line(name, tmp_path):
    lines, expected = STRAY[name]
    data = b"source,target\n" + lines
    assert read(tmp_path / "e.csv", data, invalid_edges="drop") == expected


def test_a_quoted_field_has_a_largest_size(tmp_path, monkeypatch):
    path = tmp_path / "e.csv"
    data = b'source,target\na,b\n"%b",d\n' % (b"c\n" * (quoting.MAX_QUOTED_BYTES // 2 - 1))
    assert read(path, data) == (2, 0)
    monkeypatch.setattr(quoting, "MAX_QUOTED_BYTES", 1000)
    with pytest.raises(ValueError, match=r"within 1,000 bytes.*, in line 3 of"):
        read(path, data)
