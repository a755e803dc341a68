"""NSL's packer: its semantics, and what it said nothing of."""

import gzip
import os
import random

import click.testing
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import nsl_tfx as nsl
from nsl_tfx.io.record_writer import write_record_file
from nsl_tfx.io.tfrecords import read_record_blocks
from nsl_tfx.tools.pack_nbrs import main, pack_files, pack_nbrs
from nsl_tfx.tools.tsv_edges import read_tsv_edges
from tests.tf_examples import make_example, values_of


def example(identity: bytes | int | None, **features) -> bytes:
    return make_example(**features, **({} if identity is None else {"id": [identity]}))


def read(path) -> list[dict[str, list]]:
    return [values_of(one) for _, _, block in read_record_blocks(str(path)) for one in block]


@pytest.fixture
def pack(tmp_path):
    """Writes files, packs them, and returns the output's examples."""

    def run(labeled, unlabeled, graph, **settings_):
        write_record_file(str(tmp_path / "labeled.tfr"), labeled)
        write_record_file(str(tmp_path / "unlabeled.tfr"), unlabeled)
        (tmp_path / "graph.tsv").write_bytes(graph.encode("utf-8", "surrogateescape"))
        paths = [tmp_path / name for name in ("labeled.tfr", "unlabeled.tfr", "graph.tsv")]
        nsl.tools.pack_nbrs(*paths, tmp_path / "packed.tfr", **settings_)
        return read(tmp_path / "packed.tfr")

    return run


LABELED = [example(b"a", x=[1.0], y=[1]), example(b"b", x=[2.0, 3.0]), example(b"9", y=[9])]
UNLABELED = [example(b"c", x=[4.0]), example(b"10", x=[]), example(b"a", x=[99.0])]


def test_labeled_examples_come_out_in_order_with_all_features_of_their_neighbors(pack):
    packed = pack(LABELED, UNLABELED, "a\tb\t0.5\na\tc\t0.75\nb\ta\n")
    assert packed == [
        {
            "id": [b"a"],
            "x": [1.0],
            "y": [1],
            "NL_num_nbrs": [2],
            "NL_nbr_0_weight": [0.75],
            "NL_nbr_0_id": [b"c"],
            "NL_nbr_0_x": [4.0],
            "NL_nbr_1_weight": [0.5],
            "NL_nbr_1_id": [b"b"],
            "NL_nbr_1_x": [2.0, 3.0],
        },
        {
            "id": [b"b"],
            "x": [2.0, 3.0],
            "NL_num_nbrs": [1],
            "NL_nbr_0_weight": [1.0],
            "NL_nbr_0_id": [b"a"],
            # The labeled example of the two.
            "NL_nbr_0_x": [1.0],
            "NL_nbr_0_y": [1],
        },
        {"id": [b"9"], "y": [9], "NL_num_nbrs": [0]},
    ]


@pytest.mark.parametrize(
    ("graph", "settings_", "expected"),
    [
        ("a\tc\t0.5\na\tb\t0.5\na\t9\t0.5\na\t10\t0.5\n", {}, [b"c", b"b", b"9", b"10"]),
        ("a\tc\t0.25\na\tb\t0.5\na\tc\t0.75\n", {}, [b"c", b"b"]),
        ("a\tnone\t9\na\tnobody\t8\na\tb\t0.5\n", {"max_nbrs": 1}, [b"b"]),
        ("a\ta\t0.5\na\tb\t0.25\n", {}, [b"a", b"b"]),
        ("b\ta\t0.5\na\tc\t0.25\nc\ta\t0.75\n", {"add_undirected_edges": True}, [b"c", b"b"]),
        ("b\ta\t0.5\n", {}, []),
        ("a\tb\n", {"max_nbrs": 0}, []),
        ("a\tb\t-1\na\tc\t-2\n", {}, [b"b", b"c"]),
        ("", {}, []),
    ],
)
def test_order_and_choice_of_neighbors(pack, graph, settings_, expected):
    first = pack(LABELED, UNLABELED, graph, **settings_)[0]
    assert [first[f"NL_nbr_{i}_id"][0] for i in range(len(expected))] == expected
    assert first["NL_num_nbrs"] == [len(expected)]


def test_weights_are_compared_in_the_precision_of_their_text(pack):
    graph = "a\tc\t0.50000001\na\t9\t0.50000002\n"
    first = pack(LABELED, UNLABELED, graph, max_nbrs=1)[0]
    assert first["NL_nbr_0_id"] == [b"9"]


def test_ids_may_be_integers_or_any_bytes(pack):
    labeled = [example(7), example(b"\xff\xfe")]
    packed = pack(labeled, [], "7\t\udcff\udcfe\t0.5\n\udcff\udcfe\t7\n")
    assert [row["NL_nbr_0_id"] for row in packed] == [[b"\xff\xfe"], [7]]


def test_another_feature_may_hold_the_id(pack):
    packed = pack(
        [example(None, key=[b"a"]), example(None, key=[b"b"])], [], "a\tb\n", id_feature_name="key"
    )
    assert packed[0]["NL_nbr_0_key"] == [b"b"]


@pytest.mark.parametrize("none", [None, "", []])
def test_unlabeled_examples_may_be_left_out(tmp_path, none):
    write_record_file(str(tmp_path / "labeled"), LABELED)
    (tmp_path / "graph").write_text("a\tc\na\tb\n")
    pack_nbrs(str(tmp_path / "labeled"), none, str(tmp_path / "graph"), str(tmp_path / "packed"))
    assert read(tmp_path / "packed")[0]["NL_num_nbrs"] == [1]


def test_globs_lists_and_gzip(tmp_path, monkeypatch):
    for number, record in enumerate(LABELED):
        write_record_file(str(tmp_path / f"labeled-{number}.tfr.gz"), [record])
    write_record_file(str(tmp_path / "unlabeled.tfr"), UNLABELED)
    graphs = [tmp_path / "one.tsv.gz", tmp_path / "two.tsv"]
    graphs[0].write_bytes(gzip.compress(b"a\tb\t0.5\n"))
    graphs[1].write_text("a\tc\n")
    monkeypatch.chdir(tmp_path)
    pack_nbrs("labeled-*.tfr.gz", ["unlabeled.tfr"], graphs, "folder/packed.tfr.gz")
    packed = list(
        tf.data.TFRecordDataset(str(tmp_path / "folder/packed.tfr.gz"), "GZIP").as_numpy_iterator()
    )
    assert [values_of(record)["id"] for record in packed] == [[b"a"], [b"b"], [b"9"]]
    assert values_of(packed[0])["NL_nbr_1_weight"] == [0.5]


def joined_with_dictionaries(labeled, unlabeled, edges, undirected, max_nbrs):
    """NSL's description: each labeled id, and its neighbors as weights and ids."""
    graph: dict[bytes, dict[bytes, float]] = {}
    for source, target, weight in edges:
        for start, end in [(source, target), (target, source)][: 1 + undirected]:
            targets = graph.setdefault(start, {})
            targets[end] = max(weight, targets.get(end, -np.inf))
    known = {*labeled, *unlabeled}
    result = []
    for node in labeled:
        found = [(w, target) for target, w in graph.get(node, {}).items() if target in known]
        result.append((node, sorted(found, reverse=True)[:max_nbrs]))
    return result


IDS = st.sampled_from([b"%d" % i for i in range(12)])
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, -3.0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(IDS, unique=True, min_size=1, max_size=6),
    st.lists(IDS, unique=True, max_size=6),
    st.lists(st.tuples(IDS, IDS, WEIGHTS), max_size=30),
    st.booleans(),
    st.sampled_from([None, 0, 1, 3]),
)
def test_equals_dictionaries(pack, labeled, unlabeled, edges, undirected, max_nbrs):
    ends = {end for source, target, _ in edges for end in (source, target)}
    assume(not ends or not ends.isdisjoint([*labeled, *unlabeled]))
    packed = pack(
        [example(identity, x=[1]) for identity in labeled],
        [example(identity, x=[0]) for identity in unlabeled],
        "".join(f"{s.decode()}\t{t.decode()}\t{w}\n" for s, t, w in edges),
        add_undirected_edges=undirected,
        max_nbrs=max_nbrs,
    )
    expected = joined_with_dictionaries(labeled, unlabeled, edges, undirected, max_nbrs)
    assert [row["id"] for row in packed] == [[identity] for identity, _ in expected]
    for row, (_, neighbors) in zip(packed, expected, strict=True):
        assert row["NL_num_nbrs"] == [len(neighbors)]
        for i, (weight, target) in enumerate(neighbors):
            assert row[f"NL_nbr_{i}_weight"] == [weight]
            assert row[f"NL_nbr_{i}_id"] == [target]
            assert row[f"NL_nbr_{i}_x"] == [int(target in labeled)]


@pytest.mark.parametrize(
    ("labeled", "graph", "settings_", "message"),
    [
        ([*LABELED, example(None)], "", {}, r"labeled\.tfr, record 3 .*an id in the feature 'id'"),
        ([*LABELED, b"junk"], "", {}, r"labeled\.tfr, record 3 .*a serialized tf\.Example"),
        (
            [*LABELED, LABELED[1]],
            "",
            {},
            r"every id once. Received 'b' at .*labeled\.tfr, record 1, and at .*record 3",
        ),
        (LABELED, "a\tb\t1\nid\n", {}, r"graph\.tsv, line 2: "),
        (LABELED, "a\tb\tnan\n", {}, r"graph\.tsv, line 1: .*finite number"),
        (LABELED, "a\tb\theavy\n", {}, r"graph\.tsv, line 1: "),
        (LABELED, "a\t\t1\n", {}, r"graph\.tsv, line 1: "),
        (
            [*LABELED, example(b"w", weight=[9.0])],
            "a\tw\n",
            {},
            "no feature named 'NL_nbr_0_weight'",
        ),
        ([example(b"a", NL_num_nbrs=[1])], "", {}, "no feature named 'NL_num_nbrs'"),
        (LABELED, "", {"max_nbrs": -1}, "max_nbrs >= 0"),
        (LABELED, "", {"id_feature_name": "x"}, "record 0 .*feature 'x'"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    pack, tmp_path, labeled, graph, settings_, message
):
    (tmp_path / "packed.tfr").write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        pack(labeled, UNLABELED, graph, **settings_)
    assert (tmp_path / "packed.tfr").read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == [
        "graph.tsv",
        "labeled.tfr",
        "packed.tfr",
        "unlabeled.tfr",
    ]


def test_damaged_files_are_named(tmp_path):
    write_record_file(str(tmp_path / "labeled.gz"), LABELED * 1)
    (tmp_path / "graph.tsv.gz").write_bytes(gzip.compress(random.Random(0).randbytes(999))[:-20])
    with pytest.raises(ValueError, match=r"graph\.tsv\.gz to be a whole gzip file"):
        read_tsv_edges([str(tmp_path / "graph.tsv.gz")])
    os.truncate(tmp_path / "labeled.gz", 60)
    with pytest.raises(ValueError, match=r"labeled\.gz to hold whole TFRecords.*cut off"):
        pack_nbrs(str(tmp_path / "labeled.gz"), "", str(tmp_path / "graph.tsv.gz"), "never")
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        pack_nbrs(str(tmp_path / "nowhere*"), "", str(tmp_path / "graph.tsv.gz"), "never")


@pytest.mark.parametrize(
    "content_",
    [
        b"a\tb\t0.5\nb\ta\t1\n",
        b"a\tb\t0.5\r\nb\ta\t1\r\n",
        b"\xef\xbb\xbfa\tb\t0.5\nb\ta\t1",
        b"a\tb\t0.5\n\nb\ta\n",
        b"a\tb\t5e-1\nb\ta\t1.0\n\n",
        b"a\tb\t 0.5\nb\ta\t1\n",
    ],
)
def test_text_that_means_the_same(tmp_path, content_):
    path = tmp_path / "graph.tsv"
    path.write_bytes(content_)
    edges = read_tsv_edges([str(path)])
    assert edges.source.to_pylist() == [b"a", b"b"]
    assert edges.target.to_pylist() == [b"b", b"a"]
    assert edges.weight.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("content_", [b"", b"\n", b"\n\n"])
def test_a_graph_without_edges(tmp_path, content_):
    path = tmp_path / "graph.tsv"
    path.write_bytes(content_)
    assert len(read_tsv_edges([str(path), str(path)]).source) == 0


@pytest.mark.parametrize(
    ("graph", "most", "text"),
    [
        ("a\tb\na\tc\na\tx\nc\ta\n", None, "3 examples with 2 neighbors, 2 of them without one; "
         "1 edge left out for want of an example"),
        ("a\tb\na\tc\n", 1, "3 examples with 1 neighbor, 2 of them without one"),
        ("c\ty\n", None, "3 examples with 0 neighbors, 3 of them without one; "
         "1 edge left out for want of an example"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("both_ways", [False, True])
def test_what_was_packed_is_counted(tmp_path, graph, most, text, both_ways):
    write_record_file(str(tmp_path / "labeled"), LABELED)
    write_record_file(str(tmp_path / "unlabeled"), UNLABELED)
    (tmp_path / "graph").write_text(graph)
    paths = [tmp_path / name for name in ("labeled", "unlabeled", "graph", "packed")]
    counts = pack_files(*paths, both_ways, most, "id")
    packed = read(tmp_path / "packed")
    assert counts.examples == len(packed)
    assert counts.neighbors == sum(one["NL_num_nbrs"][0] for one in packed)
    assert counts.alone == sum(one["NL_num_nbrs"] == [0] for one in packed)
    if not both_ways:
        assert str(counts) == text


def test_a_graph_of_other_ids_is_refused(pack):
    with pytest.raises(
        ValueError, match=r"none of whose .*'x', b?'z'; .*'id', .*'a', .*'b'.* Name"
    ):
        pack(LABELED, UNLABELED, "x\ty\nz\tx\n")


def test_no_examples_are_refused(pack):
    with pytest.raises(ValueError, match=r"Expected labeled examples in .*labeled\.tfr\."):
        pack([], UNLABELED, "x\ty\n")


@pytest.mark.parametrize(
    ("content", "text"), [(b"PAR1...", "a Parquet file"), (b"a,b,1\n", "lines parted by commas")]
)
def test_a_graph_in_another_form_is_told(tmp_path, content, text):
    (tmp_path / "graph").write_bytes(content)
    with pytest.raises(ValueError, match=f"Received: {text}. Turn it into TSV first: nsl-tfx"):
        read_tsv_edges([str(tmp_path / "graph")])


def test_quotes_and_commas_are_parts_of_ids(tmp_path):
    path = tmp_path / "graph.tsv"
    path.write_bytes(b'"a\tb,c\t1\n\\d\t\xff\t2\n')
    edges = read_tsv_edges([str(path)])
    assert edges.source.to_pylist() == [b'"a', b"\\d"]
    assert edges.target.to_pylist() == [b"b,c", b"\xff"]


class TestTheCommand:
    @staticmethod
    def run(*arguments):
        return click.testing.CliRunner().invoke(main, [str(one) for one in arguments])

    def test_takes_nsls_flags(self, tmp_path):
        write_record_file(str(tmp_path / "labeled"), LABELED)
        (tmp_path / "graph").write_text("b\ta\t0.5\n9\ta\t0.25\n")
        paths = [tmp_path / "labeled", "", tmp_path / "graph", tmp_path / "packed"]
        for flags in (["--add_undirected_edges"], ["--add_undirected_edges=true"]):
            done = self.run(*flags, "--max_nbrs=1", "--id_feature_name", "id", *paths)
            assert (done.exit_code, done.output) == (0, "")
            first = read(tmp_path / "packed")[0]
            assert (first["NL_num_nbrs"], first["NL_nbr_0_id"]) == ([1], [b"b"])
        for flags in (["--noadd_undirected_edges"], ["--add_undirected_edges=false"], []):
            assert self.run(*flags, *paths).exit_code == 0
            assert read(tmp_path / "packed")[0]["NL_num_nbrs"] == [0]

    def test_a_mistake_is_one_line(self, tmp_path):
        done = self.run(tmp_path / "nowhere", "", tmp_path / "graph", tmp_path / "packed")
        assert done.exit_code == 2
        assert done.output.startswith("Error: Expected ")
        assert "Traceback" not in done.output

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
    def test_an_output_that_cannot_be_written(self, tmp_path):
        write_record_file(str(tmp_path / "labeled"), LABELED)
        (tmp_path / "graph").write_text("")
        (tmp_path / "folder").mkdir(mode=0o500)
        done = self.run(tmp_path / "labeled", "", tmp_path / "graph", tmp_path / "folder/packed")
        assert done.exit_code == 2


@pytest.mark.parametrize("which", ["labeled.tfr", "graph.tsv", "link.tfr"])
def test_an_input_is_never_written_over(tmp_path, which):
    for name in ("labeled.tfr", "graph.tsv"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link.tfr").symlink_to(tmp_path / "labeled.tfr")
    labeled, graph = str(tmp_path / "labeled.tfr"), str(tmp_path / "graph.tsv")
    with pytest.raises(ValueError, match="Expected an output other than the input"):
        pack_nbrs(labeled, "", graph, str(tmp_path / which))
