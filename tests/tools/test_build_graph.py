"""NSL's graph builder against a comparison of all pairs in float64."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsl_tfx import tools
from nsl_tfx.configs import GraphBuilderConfig
from nsl_tfx.io.tfrecords import frame_record
from nsl_tfx.tools.build_graph import main


def example_of(id=None, embedding=None, id_feature="id", embedding_feature="embedding"):
    import tensorflow as tf

    result = tf.train.Example()
    features = result.features.feature
    if id is not None:
        features[id_feature].bytes_list.value.append(id)
    if embedding is not None:
        features[embedding_feature].float_list.value.extend(embedding)
    return result.SerializeToString()


def write_examples(path, ids, vectors, **features):
    records = [example_of(id, vector, **features) for id, vector in zip(ids, vectors, strict=True)]
    content = b"".join(map(frame_record, records))
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return str(path)


def expected_edges(ids, vectors, threshold):
    """As NSL defines them, in float64, a pair at a time; equal vectors have the similarity 1."""
    found = {}
    for i, a in enumerate(np.asarray(vectors, np.float32).astype(np.float64)):
        for j, b in enumerate(np.asarray(vectors, np.float32).astype(np.float64)):
            length = np.sqrt((a @ a) * (b @ b))
            weight = a @ b / length if length else 0.0
            if i != j and weight >= threshold - 1e-12:
                found[ids[i], ids[j]] = weight
    return found


def lines_of(path):
    return [tuple(line.split(b"\t")) for line in Path(path).read_bytes().splitlines()]


def random_vectors(count, dimension=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimension)).astype(np.float32)


IDS = [b"%d" % i for i in range(40)]


def check(path, ids, vectors, threshold):
    lines = lines_of(path)
    expected = expected_edges(ids, vectors, threshold)
    assert {(s, t): float(w) for s, t, w in lines} == pytest.approx(expected, abs=6e-7)
    assert len(lines) == len(expected)
    assert lines == sorted(lines, key=lambda line: (line[0], -float(line[2]), line[1]))


@pytest.mark.parametrize("threshold", [-1, -0.3, 0, 0.5, 0.8, 0.99, 1])
def test_equals_a_comparison_of_all_pairs(tmp_path, threshold):
    vectors = np.concatenate([random_vectors(30), random_vectors(10)])  # some are equal
    path = write_examples(tmp_path / "x.tfr", IDS, vectors)
    tools.build_graph(path, tmp_path / "graph.tsv", similarity_threshold=threshold)
    check(tmp_path / "graph.tsv", IDS, vectors, threshold)


@settings(max_examples=30, deadline=None)
@given(
    vectors=st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=1, max_size=9),
    threshold=st.sampled_from([-1.0, 0.0, 0.5, 0.6, 0.8, np.sqrt(0.5), 1.0]),
)
@example(vectors=[[0, 0], [0, 0], [1, 0]], threshold=0.0)
@example(vectors=[[0, 0]], threshold=0.5)
@example(vectors=[[1, 2], [2, 1]], threshold=0.8)
def test_thresholds_that_similarities_meet(tmp_path_factory, vectors, threshold):
    folder = tmp_path_factory.mktemp("graph")
    path = write_examples(folder / "x.tfr", IDS[: len(vectors)], vectors)
    tools.build_graph([path], folder / "graph.tsv", similarity_threshold=threshold)
    check(folder / "graph.tsv", IDS, vectors, threshold)


def test_the_threshold_is_met_in_float64(tmp_path):
    angle = np.arccos(0.8) + np.array([-1e-7, 1e-7])
    vectors = [[1, 0], *np.stack([np.cos(angle), np.sin(angle)], 1)]
    path = write_examples(tmp_path / "x.tfr", IDS[:3], vectors)
    expected = expected_edges(IDS, vectors, 0.8)
    tools.build_graph(path, tmp_path / "graph.tsv")
    assert {(s, t) for s, t, _ in lines_of(tmp_path / "graph.tsv")} == set(expected)


def test_files_of_every_kind_give_the_same_bytes(tmp_path):
    vectors = random_vectors(40)
    one = write_examples(tmp_path / "one.tfr", IDS, vectors)
    tools.build_graph(one, tmp_path / "one.tsv", 0.5)
    parts = tmp_path / "parts [1]"
    parts.mkdir()
    for i, name in enumerate(["c.tfr", "b.tfr.gz", "a"]):
        write_examples(parts / name, IDS[i::3], vectors[i::3])
    expected = (tmp_path / "one.tsv").read_bytes()
    calls = [
        [str(parts / "c.tfr"), str(parts / "b.tfr.gz"), str(parts / "a")],
        [parts / "a", str(tmp_path / "parts*" / "?.tfr*")],
        str(tmp_path / "parts*" / "*"),
    ]
    for files in calls:
        tools.build_graph_from_config(
            files, tmp_path / "graph.tsv.gz", GraphBuilderConfig(similarity_threshold=0.5)
        )
        assert gzip.decompress((tmp_path / "graph.tsv.gz").read_bytes()) == expected


def test_hashing_and_seed_change_nothing_and_nothing_is_remembered(tmp_path):
    path = write_examples(tmp_path / "x.tfr", IDS, random_vectors(40))
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the state that NSL changed
    contents = set()
    for splits, rounds, seed in [(0, 2, None), (3, 5, 7), (3, 5, 7), (9, 1, 1)]:
        tools.build_graph(
            path, tmp_path / "y", 0.5, lsh_splits=splits, lsh_rounds=rounds, random_seed=seed
        )
        contents.add((tmp_path / "y").read_bytes())
    assert len(contents) == 1
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_features_of_other_names_and_ids_of_any_bytes(tmp_path):
    names = {"id_feature": "key", "embedding_feature": "x"}
    path = write_examples(tmp_path / "x", [b"\xff", "\N{SNOWMAN}".encode()], [[1, 2]] * 2, **names)
    tools.build_graph(path, tmp_path / "y", id_feature_name="key", embedding_feature_name="x")
    assert lines_of(tmp_path / "y") == [
        ("\N{SNOWMAN}".encode(), b"\xff", b"1.000000"),
        (b"\xff", "\N{SNOWMAN}".encode(), b"1.000000"),
    ]


def test_examples_without_similar_ones_make_an_empty_file(tmp_path):
    path = write_examples(tmp_path / "x", IDS[:2], [[1, 0], [0, 1]])
    tools.build_graph(path, tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b""


BAD = {
    "no id": ([None, b"b"], [[1, 2]] * 2, "an id in the feature 'id' of every example"),
    "empty id": ([b"", b"b"], [[1, 2]] * 2, "an id in the feature 'id' of every example"),
    "id twice": ([b"a", b"a"], [[1, 2]] * 2, "several times: 'a'"),
    "no vector": ([b"a", b"b"], [[1, 2], None], "none for 'b'"),
    "empty vector": ([b"a", b"b"], [[1, 2], []], "none for 'b'"),
    "other dimension": ([b"a", b"b"], [[1, 2], [1]], "1 for 'b'; 2 for 'a'"),
    "NaN": ([b"a", b"b"], [[1, 2], [1, np.nan]], "NaN or infinity in those of 'b'"),
    "infinity": ([b"a", b"b"], [[1, 2], [1, np.inf]], "NaN or infinity in those of 'b'"),
    "tab in an id": ([b"a\tc", b"b"], [[1, 2]] * 2, "Received: b'a\\\\tc'"),
    "no examples": ([], [], "Received none. Name other files"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_examples_are_named_and_nothing_is_written(tmp_path, case):
    ids, vectors, message = BAD[case]
    path = write_examples(tmp_path / "x", ids, vectors)
    with pytest.raises(ValueError, match=message):
        tools.build_graph(path, tmp_path / "new" / "y")
    assert not list(tmp_path.glob("new/*"))


def test_files_that_are_not_there_or_damaged(tmp_path):
    whole = write_examples(tmp_path / "x", IDS[:3], random_vectors(3))
    (tmp_path / "cut").write_bytes(Path(whole).read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"cut.*record 2"):
        tools.build_graph(tmp_path / "cut", tmp_path / "y")
    absent = {"none": "there is no such file", "": r"a folder.*/\*'", "*.tfr": "matches none"}
    for name, text in absent.items():
        with pytest.raises(FileNotFoundError, match=text):
            tools.build_graph([whole, os.path.join(tmp_path, name)], tmp_path / "y")
    with pytest.raises(FileNotFoundError, match="at least one file"):
        tools.build_graph([], tmp_path / "y")
    assert not (tmp_path / "y").exists()


def test_settings_out_of_range():
    for wrong in ({"lsh_splits": -1}, {"lsh_rounds": 0}, {"similarity_threshold": 1.5}):
        with pytest.raises(ValueError, match="Expected GraphBuilderConfig"):
            tools.build_graph("x", "y", **wrong)
    with pytest.raises(TypeError, match="Expected graph_builder_config"):
        tools.build_graph_from_config("x", "y", {})


def invoke(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_command_takes_what_nsl_takes(tmp_path):
    vectors = random_vectors(40)
    names = {"id_feature": "key", "embedding_feature": "x"}
    paths = [
        write_examples(tmp_path / f"{i}.tfr", IDS[i::2], vectors[i::2], **names) for i in (0, 1)
    ]
    done = invoke(
        "--similarity_threshold=0.5", "--id_feature_name=key", "--embedding_feature_name", "x",
        "--lsh_splits=2", "--lsh_rounds=4", "--random_seed=5", *paths, tmp_path / "graph.tsv",
    )  # fmt: skip
    assert (done.exit_code, done.output) == (0, "")
    check(tmp_path / "graph.tsv", IDS, vectors, 0.5)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--help"], 0, "--lsh_rounds INTEGER"),
        ([], 2, "Missing argument"),
        (["--no_such=1", "a", "b"], 2, "No such option"),
        (["--similarity_threshold=x", "a", "b"], 2, "is not a valid float"),
        (["--similarity_threshold=2", "a", "b"], 2, "Error: Expected --similarity_threshold"),
        (["a", "b"], 2, "Error: Expected a file. Received: 'a'"),
    ],
)
def test_exit_codes(tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == code
    assert message in done.output
    assert "Traceback" not in done.output
    assert not os.listdir(tmp_path)
