"""Edges read from every format: the same graph, or an error that says where and what to do."""

import bz2
import csv
import gzip
import io
import os
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import GraphFormat, GraphImportConfig
from nsl_tfx.graph import read_edges
from nsl_tfx.graph.importing.edge_files import find_edge_files, read_edge_file
from nsl_tfx.graph.importing.edge_files.text import read_text
from nsl_tfx.graph.importing.whole import import_graph
from nsl_tfx.io.file_changes import fingerprint_files

ROWS = [(b"a", b"b", 0.5), (b"b", b"c", 0.25), (b"c", b"a", 1.0), (b"b", b"a", 0.75)]


def read(path, **settings):
    """All edges of a file and its drops."""
    config = GraphImportConfig(paths=(str(path),), **settings)
    edges, drops = [], Counter()
    for file in find_edge_files(config.paths, config.format):
        for block in read_edge_file(file, config):
            edges += zip(*(column.to_pylist() for column in block.edges.columns), strict=True)
            drops += block.drops
    return edges, dict(drops)


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def as_tsv(rows):
    return b"".join(s + b"\t" + t + b"\t" + repr(w).encode() + b"\n" for s, t, w in rows)


def as_csv(rows):
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["weight", "target", "source"])
    for source, target, weight in rows:
        writer.writerow([repr(weight), target.decode("latin-1"), source.decode("latin-1")])
    return text.getvalue().encode("latin-1")


def as_parquet(rows):
    source, target, weight = map(list, zip(*rows, strict=True))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"weight": weight, "target": target, "source": source}), sink)
    return sink.getvalue().to_pybytes()


def as_examples(rows):
    import tensorflow as tf

    from nsl_tfx.io.tfrecords import frame_record

    records = []
    for source, target, weight in rows:
        example = tf.train.Example()
        example.features.feature["#source"].bytes_list.value.append(source)
        example.features.feature["#target"].bytes_list.value.append(target)
        example.features.feature["weight"].float_list.value.append(weight)
        records.append(frame_record(example.SerializeToString()))
    return b"".join(records)


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


FILES = {
    "e.tsv": as_tsv,
    "e.txt": as_tsv,
    "e.tsv.gz": lambda rows: gzip.compress(as_tsv(rows)),
    "e.tsv.bz2": lambda rows: bz2.compress(as_tsv(rows)),
    "e.tsv.zst": lambda rows: zstd(as_tsv(rows)),
    "not_called_gz.tsv": lambda rows: gzip.compress(as_tsv(rows)),
    "e.csv": as_csv,
    "e.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "e.parquet": as_parquet,
    "e.parquet.zst": lambda rows: zstd(as_parquet(rows)),
    "e.tfrecord": as_examples,
    "data_tfrecord-00000-of-00001.gz": lambda rows: gzip.compress(as_examples(rows)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_edges(name, tmp_path):
    rows = [*ROWS, (b"\xff\x01 \xe4", b"x" * 300, 0.125)]
    assert read(write(tmp_path, name, FILES[name](rows)))[0] == rows


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_format_order_and_number_of_files_do_not_show_in_the_graph(tmp_path):
    graphs = []
    for name, make in FILES.items():
        path = write(tmp_path, name, make(ROWS[::-1] if "csv" in name else ROWS))
        import_graph(GraphImportConfig(paths=(str(path),))).write(str(tmp_path / f"{name}.graph"))
        graphs.append(files_of(tmp_path / f"{name}.graph"))
    for place, row in enumerate(ROWS):
        write(tmp_path, f"part-{place}.tsv", as_tsv([row]))
    import_graph(GraphImportConfig(paths=(str(tmp_path / "part-*.tsv"),))).write(
        str(tmp_path / "parts")
    )
    graphs.append(files_of(tmp_path / "parts"))
    assert all(graph == graphs[0] for graph in graphs)


@pytest.mark.parametrize(
    ("directed", "expected"),
    [
        (
            False,
            [
                ("a", "c", 1.0),
                ("a", "b", 0.75),
                ("b", "a", 0.75),
                ("b", "c", 0.25),
                ("c", "a", 1.0),
                ("c", "b", 0.25),
            ],
        ),
        (True, [("a", "b", 0.5), ("b", "a", 0.75), ("b", "c", 0.25), ("c", "a", 1.0)]),
    ],
)
def test_directions_and_duplicates(directed, expected, tmp_path):
    path = write(tmp_path, "e.tsv", as_tsv([*ROWS, (b"a", b"b", 0.125)]))
    graph = import_graph(GraphImportConfig(paths=(str(path),), directed=directed))
    table = graph.to_arrow().to_pydict()
    found = zip(*table.values(), strict=True)
    assert [(s.decode(), t.decode(), w) for s, t, w in found] == expected
    assert graph.info["directed"] is directed
    assert graph.info["drops"]["duplicates"] == 1
    assert graph.info["nodes"] == 3
    graph.write(str(tmp_path / "graph"))
    assert read_edges(str(tmp_path / "graph")).equals(graph.to_arrow())


TEXTS = {
    "two columns": (b"a\tb\nc\td\n", {}, [(b"a", b"b", 1.0), (b"c", b"d", 1.0)]),
    "some weights": (b"a\tb\nc\td\t.5\ne\tf\n", {}, "a b 1 c d .5 e f 1"),
    "weights first": (b"a\tb\t.5\nc\td\ne\tf\t2\n", {}, "a b .5 c d 1 e f 2"),
    "no last line end": (b"a\tb\t.5\nc\td\t1", {}, "a b .5 c d 1"),
    "CRLF": (b"a\tb\t.5\r\nc\td\t1\r\n", {}, "a b .5 c d 1"),
    "CRLF, two columns": (b"a\tb\r\nc\td\r\n", {}, "a b 1 c d 1"),
    "CRLF, mixed": (b"a\tb\r\nc\td\t2\r\n", {}, "a b 1 c d 2"),
    "blank lines": (b"\n\na\tb\t.5\n\n  \r\nc\td\t1\n\n", {}, "a b .5 c d 1"),
    "byte order mark": (b"\xef\xbb\xbfa\tb\t.5\n", {}, "a b .5"),
    "quotes are ids": (b'"a\tb"\t.5\n', {}, [(b'"a', b'b"', 0.5)]),
    "spaces are ids": (b" a\tb \t .5 \n", {}, [(b" a", b"b ", 0.5)]),
    "exponents": (b"a\tb\t1e-3\nc\td\t+2\n", {}, "a b .001 c d 2"),
    "default weight": (b"a\tb\n", {"default_weight": 0.5}, "a b .5"),
    "weights not used": (b"a\tb\t.5\n", {"use_weights": False}, "a b 1"),
    "columns by number": (b"1\tx\ta\tb\n", {"source": 2, "target": 3, "weight": 0}, "a b 1"),
    "no weight by number": (b"1\tx\ta\tb\n", {"source": 2, "target": 3}, "a b 1"),
    "header": (b"target\tsource\tweight\nb\ta\t.5\n", {"header": True}, "a b .5"),
    "header after blanks": (b"\n\nsource\ttarget\na\tb\n", {"header": True}, "a b 1"),
    "names": (
        b"to\tfrom\tw\nb\ta\t.5\n",
        {"header": True, "source": "from", "target": "to", "weight": "w"},
        "a b .5",
    ),
    "ids called source": (b"source\ttarget\na\tb\n", {"header": False}, "source target 1 a b 1"),
    "empty": (b"", {}, ""),
    "only blanks": (b"\n\n", {}, ""),
    "only a header": (b"source\ttarget\n", {"header": True}, ""),
    "semicolons": (b"a;b;.5\n", {"delimiter": ";"}, "a b .5"),
    "loops": (b"a\ta\t1\na\tb\t1\n", {}, "a a 1 a b 1"),
    "no loops": (b"a\ta\t1\na\tb\t1\n", {"self_loops": "drop"}, "a b 1"),
}


def rows_of(text):
    if not isinstance(text, str):
        return text
    parts = text.split()
    return [
        (parts[i].encode(), parts[i + 1].encode(), float(np.float32(parts[i + 2])))
        for i in range(0, len(parts), 3)
    ]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("compressed", [False, True])
def test_tsv(name, compressed, tmp_path):
    text, config, expected = TEXTS[name]
    path = write(
        tmp_path, "e.tsv.gz" if compressed else "e.tsv", gzip.compress(text) if compressed else text
    )
    assert read(path, **config)[0] == rows_of(expected)


CSVS = {
    "header": (b"source,target,weight\na,b,.5\n", {}, "a b .5"),
    "other columns": (b"kind,target,source\nx,b,a\n", {}, "a b 1"),
    "without header": (b"a,b,.5\n", {"header": False}, "a b .5"),
    "quoted delimiter": (b'source,target\n"a,x",b\n', {}, [(b"a,x", b"b", 1.0)]),
    "quoted line end": (
        b'source,target\n"a\nx",b\nc,d\n',
        {},
        [(b"a\nx", b"b", 1), (b"c", b"d", 1)],
    ),
    "doubled quote": (b'source,target\n"a""x",b\n', {}, [(b'a"x', b"b", 1)]),
    "quoted header": (b'"source","target"\na,b\n', {}, "a b 1"),
    "CRLF": (b"source,target\r\na,b\r\n", {}, "a b 1"),
    "tabs": (b"source\ttarget\na\tb\n", {"delimiter": "\t"}, "a b 1"),
    "blank": (b"source,target\n\na,b\n\n", {}, "a b 1"),
    "Latin-1": (b"source,target\n\xe4,b\n", {}, [(b"\xe4", b"b", 1)]),
}


@pytest.mark.parametrize("name", CSVS)
def test_csv(name, tmp_path):
    text, config, expected = CSVS[name]
    assert read(write(tmp_path, "e.csv", text), **config)[0] == rows_of(expected)


FIELD = st.binary(max_size=6).map(lambda b: b.replace(b"\x00", b"0").replace(b"\r", b"1"))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(FIELD.filter(bool), FIELD.filter(bool), st.floats(0, 2.0**99, width=32)),
        max_size=9,
    ),
    chunk_bytes=st.integers(1, 40),
)
def test_quoted_text_round_trips_in_chunks_of_any_size(rows, chunk_bytes, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("csv"), "e.csv", as_csv(rows))
    config = GraphImportConfig(paths=(str(path),))
    found = []
    for block, wrong in read_text(str(path), GraphFormat.CSV, config, chunk_bytes):
        assert not wrong
        found += zip(block.source.to_pylist(), block.target.to_pylist(), block.weight, strict=True)
    assert found == rows


TAB_FIELD = st.binary(max_size=4).map(lambda b: b.translate(None, b"\t\n\r"))


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.lists(TAB_FIELD, min_size=1, max_size=4), max_size=9),
    end=st.sampled_from([b"\n", b"\r\n"]),
    chunk_bytes=st.integers(1, 40),
)
@example(lines=[[b"\xef\xbb\xbf"], [b"\xef\xbb\xbfa", b"b"]], end=b"\n", chunk_bytes=1)
def test_lines_are_taken_or_counted_as_a_plain_reader_would(
    lines, end, chunk_bytes, tmp_path_factory
):
    first = [b"s", b"t"]
    content = end.join(b"\t".join(line) for line in [first, *lines]) + end
    path = write(tmp_path_factory.mktemp("tsv"), "e.tsv", content)
    config = GraphImportConfig(paths=(str(path),), invalid_edges="drop")
    found, dropped = [], 0
    for file in find_edge_files(config.paths):
        for rows, wrong in read_text(str(path), file.format, config, chunk_bytes):
            weight = [1.0] * len(rows.source) if rows.weight is None else rows.weight
            found += zip(rows.source.to_pylist(), rows.target.to_pylist(), weight, strict=True)
            dropped += wrong
    expected, bad = [], 0
    for line in [first, *lines]:
        if len(line) == 1 and not line[0].strip():
            continue
        try:
            assert len(line) in (2, 3)
            weight = float(line[2]) if len(line) == 3 and b"_" not in line[2] else 1.0
            assert len(line) == 2 or b"_" not in line[2]
        except (AssertionError, ValueError):
            bad += 1
        else:
            expected.append((line[0], line[1], weight))
    np.testing.assert_equal(found, expected)
    assert dropped == bad


WRONG_LINES = {
    "one column": (b"x", r"1 columns instead of 2 or 3"),
    "four columns": (b"x\ty\t1\tz", r"4 columns instead of 2 or 3"),
    "no source": (b"\ty\t1", r"an empty source"),
    "no target": (b"x\t\t1", r"an empty target"),
    "no weight": (b"x\ty\t", r"'' where the weight should stand"),
    "text as weight": (b"x\ty\thigh", r"'high' where the weight should stand"),
    "negative": (b"x\ty\t-0.5", r"the weight -0\.5"),
    "NaN": (b"x\ty\tnan", r"the weight nan"),
    "infinite": (b"x\ty\tinf", r"the weight inf"),
    "beyond float32": (b"x\ty\t1e39", r"the weight 1e\+39"),
    "underscore": (b"x\ty\t1_0", r"'1_0' where the weight should stand"),
    "other digits": ("x\ty\t१".encode(), r"where the weight should stand"),
}


@pytest.mark.parametrize("name", WRONG_LINES)
@pytest.mark.parametrize("before", [b"a\tb\t.5\n\nc\td\t1\n", b"a\tb\n\nc\td\t1\n"])
def test_a_wrong_line_is_named_or_counted(name, before, tmp_path):
    line, message = WRONG_LINES[name]
    path = write(tmp_path, "e.tsv", before + line + b"\ne\tf\t1\n")
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert f"in line 4 of {path}" in str(error.value)
    assert "invalid_edges" in str(error.value)
    edges, drops = read(path, invalid_edges="drop")
    assert [edge[:2] for edge in edges] == [(b"a", b"b"), (b"c", b"d"), (b"e", b"f")]
    assert drops == {"invalid_edges": 1}


def test_a_wrong_line_far_into_a_file_has_its_number(tmp_path):
    lines = [b"%d\t%d\t0.5" % (i, i + 1) for i in range(3000)]
    lines[2345] = b"x\ty\tz"
    path = write(tmp_path, "e.tsv", b"\n".join(lines))
    config = GraphImportConfig(paths=(str(path),))
    with pytest.raises(ValueError, match="line 2346 of"):
        list(read_text(str(path), GraphFormat.TSV, config, 500))


WRONG_FILES = [
    ("e.tsv", b"a\tb\tc\td\n", {}, r"two columns.*Received 4 in line 1 of"),
    ("e.tsv", b"a b .5\n", {}, r"two columns.*Received 1 in line 1 of.*delimiter"),
    ("e.tsv", b"source\ttarget\na\tb\n", {}, r"look like the names.*header=True"),
    ("e.tsv", b"id1\tid2\tscore\na\tb\t1\n", {}, r"'score' where the weight.*line 1 of"),
    ("e.tsv", b"a\tb\n", {"source": "from"}, r"by number.*'from'.*header=True"),
    ("e.tsv", b"a\tb\n", {"source": 1, "target": 2}, r"column 2 for the target.*: 0, 1"),
    ("e.tsv", "a\tb\n".encode("utf-16"), {}, r"UTF-16. Save it as UTF-8"),
    ("e.tsv", b"a\tb\rc\td\r", {}, r"'d' where the weight should stand, in line 1 of"),
    ("e.csv", b"from,to\na,b\n", {}, r"column 'source' for the source.*: from, to\."),
    ("e.csv", b"source,target\na\n", {}, r"1 columns instead of 2.*line 2 of"),
    ("e.csv", b'source,target\na,b\n"c,d\n', {}, r"quoted field that does not end, in line 3 of"),
    ("e.csv", b'source,target\n"a"b,c\n', {}, r"text after the quote.*, in line 2 of"),
    ("e.csv", b'source,target\n"a\nb","c\n', {}, r"does not end, in line 3 of"),
    ("e.csv", b'source,target\n"a\nb",c,d\n', {}, r"3 columns.* several lines.*, in line 2 of"),
    ("e.csv", b'source,"target\na,b\n', {}, r"names of columns in line 1 of.*Close the quote"),
    ("e.csv", b"source,target\na,b\n", {"weight": "w"}, r"column 'w' for the weight"),
    ("e.tsv.gz", b"a\tb\n", {}, r"whole gzip data"),
    ("e.tsv.gz", b"", {}, r"whole gzip data. Received: an empty file"),
    ("e.tsv.gz", gzip.compress(b"a\tb\n" * 9999, mtime=0)[:-9], {}, r"Truncated.*copy it again"),
    ("e.tsv.bz2", bz2.compress(b"a\tb\n" * 9999)[:-9], {}, r"Truncated"),
    ("e.tsv.zst", zstd(b"a\tb\n" * 9999)[:-9], {}, r"Truncated"),
    ("e.parquet", b"", {}, r"a Parquet file. It is cut off"),
    ("e.parquet", as_parquet(ROWS)[:-20], {}, r"a Parquet file. It is cut off"),
    ("e.parquet", as_parquet(ROWS), {"source": "from"}, r"column 'from' for the source"),
    ("e.parquet", as_parquet([(1.5, 2.5, 1.0)]), {}, r"ids in the column 'source'.*double"),
    ("e.parquet", as_parquet([(1, 2, "x")]), {}, r"weights in the column 'weight'.*string"),
    ("e.parquet", as_parquet([(1, 2, 0.5), (1, None, 1.0)]), {}, r"no target, in row 1 "),
    ("e.parquet", as_parquet([(1, 2, None), (1, 3, 1.0)]), {}, r"weight nan, in row 0 "),
    ("e.xyz", b"a\tb\n", {}, r"ends in \.tsv.*GraphImportConfig\.format"),
    ("e.tfrecord", b"a\tb\n", {}, r"whole TFRecords"),
    ("e.tfrecord", b"", {"source": 0}, r"name features"),
]


# Named by their place, because the content of some depends on the libraries' versions.
@pytest.mark.parametrize(
    ("name", "content", "config", "message"),
    WRONG_FILES,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(WRONG_FILES)],
)
def test_wrong_files_are_named(name, content, config, message, tmp_path):
    path = write(tmp_path, name, content)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read(path, **config)


def test_integers_and_text_are_ids_in_parquet(tmp_path):
    table = pa.table(
        {
            "source": pa.array([7, -1], pa.int32()),
            "target": pa.array(["ä", "b"]).dictionary_encode(),
            "weight": pa.array([1, 2], pa.uint8()),
        }
    )
    pq.write_table(table, tmp_path / "e.parquet")
    edges, _ = read(tmp_path / "e.parquet")
    assert edges == [(b"7", "ä".encode(), 1.0), (b"-1", b"b", 2.0)]


def test_examples_may_have_integer_ids_and_no_weights(tmp_path):
    import tensorflow as tf

    from nsl_tfx.io.tfrecords import frame_record

    example = tf.train.Example()
    example.features.feature["#source"].int64_list.value.append(7)
    example.features.feature["#target"].bytes_list.value.append(b"x")
    record = example.SerializeToString()
    path = write(tmp_path, "e.tfrecord", frame_record(record))
    assert read(path)[0] == [(b"7", b"x", 1.0)]
    del example.features.feature["#target"]
    path = write(tmp_path, "e.tfrecord", frame_record(record) + frame_record(b""))
    with pytest.raises(ValueError, match=r"no source, in record 1 \(counted from 0\) of"):
        read(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"match .*nothing\*\.tsv.*no such file"):
        find_edge_files([str(tmp_path / "nothing*.tsv")])
    with pytest.raises(FileNotFoundError, match=r"is a folder\. Say which of its files"):
        find_edge_files([str(tmp_path)])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match=r"is a pipe or a device\. Write it to a file"):
        find_edge_files([str(tmp_path / "pipe")])
    (tmp_path / "graph.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"folder of a graph\. .* nsl-tfx graph export"):
        find_edge_files([str(tmp_path)])


def test_a_name_with_a_globs_characters_is_a_name(tmp_path):
    path = write(tmp_path, "e[1].tsv", b"a\tb\n")
    other = write(tmp_path, "f.tsv", b"a\tb\n")
    found = find_edge_files([str(path), str(tmp_path / "*.tsv"), str(other)])
    assert [file.path for file in found] == [str(path), str(other)]


def test_the_fingerprint_follows_the_files(tmp_path):
    pattern = str(tmp_path / "*.tsv")
    hashes = [fingerprint_files([pattern])]
    write(tmp_path, "e.tsv", b"a\tb\n")
    hashes.append(fingerprint_files([pattern]))
    assert fingerprint_files([pattern]) == hashes[-1]
    write(tmp_path, "e.tsv", b"a\tbc\n")
    hashes.append(fingerprint_files([pattern]))
    write(tmp_path, "f.tsv", b"a\tb\n")
    hashes.append(fingerprint_files([pattern]))
    assert len(set(hashes)) == 4


def test_remote_files(tmp_path):
    import tensorflow as tf

    for name, content in (("e.tsv", as_tsv(ROWS)), ("f.tsv.gz", gzip.compress(as_tsv(ROWS)))):
        with tf.io.gfile.GFile(f"ram://import/{name}", "wb") as file:
            file.write(content)
        assert read(f"ram://import/{name}")[0] == ROWS
    assert len(find_edge_files(["ram://import/*"])) == 2
    assert fingerprint_files(["ram://import/*"]) == fingerprint_files(["ram://import/*"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paths": ()}, "GraphImportConfig.paths to hold at least one"),
        ({"source": "x", "target": "x"}, "different columns"),
        ({"source": -1}, "number from 0"),
        ({"weight": ""}, "by name or number"),
        ({"delimiter": "::"}, "one ASCII character"),
        ({"delimiter": "ä"}, "one ASCII character"),
        ({"use_weights": False, "weight": 2}, "weight to be None"),
        ({"default_weight": -1.0}, "default_weight >= 0"),
        ({"format": "json"}, "'tsv'"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        GraphImportConfig(**({"paths": ("e.tsv",)} | settings))


def test_no_edges_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"at least one edge.*none in any of the files"):
        import_graph(GraphImportConfig(paths=(str(write(tmp_path, "e.tsv", b"")),)))
