"""What the ready pipelines begin with, made up or from files of the user's."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn import datasets

from nsl_tfx import io
from nsl_tfx.pipelines.citations.data import EDGES_FILE, write_citations
from nsl_tfx.pipelines.reviews.data import write_reviews
from nsl_tfx.pipelines.split_files import make_example
from nsl_tfx.pipelines.tumors.config import COLUMNS
from nsl_tfx.pipelines.tumors.data import SPLIT_SIZES, write_tumors

CORA = Path(__file__).parents[2].parent / "shared" / "data" / "cora"
WRITE = {"citations": write_citations, "reviews": write_reviews, "tumors": write_tumors}
SPLITS = ("train", "eval", "test")


def read(folder, split):
    return [
        tf.train.Example.FromString(record).features.feature
        for record in io.read_records(str(folder / split / "*")).as_numpy_iterator()
    ]


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made_up")
    for name, write in WRITE.items():
        write(str(folder / name))
    return folder


@pytest.mark.parametrize("name", WRITE)
class TestEach:
    def test_the_seed_decides(self, name, made_up, tmp_path):
        for seed in (0, 1):
            WRITE[name](str(tmp_path / str(seed)), seed=seed)
        assert contents(tmp_path / "0") == contents(made_up / name)
        assert contents(tmp_path / "1") != contents(made_up / name)

    def test_existing_files_are_left_alone(self, name, made_up):
        before = {path: path.stat().st_mtime_ns for path in made_up.rglob("*")}
        WRITE[name](str(made_up / name), seed=5)
        assert before == {path: path.stat().st_mtime_ns for path in made_up.rglob("*")}

    def test_what_is_missing_is_written(self, name, made_up, tmp_path):
        WRITE[name](str(tmp_path))
        next((tmp_path / "eval").iterdir()).unlink()
        WRITE[name](str(tmp_path))
        assert contents(tmp_path) == contents(made_up / name)


def test_an_example_holds_values_of_each_kind():
    features = make_example({"a": b"x", "b": 3, "c": [1, 2], "d": [0.5], "e": 1.5}).features.feature
    assert features["a"].bytes_list.value == [b"x"]
    assert features["b"].int64_list.value == [3]
    assert features["c"].int64_list.value == [1, 2]
    assert features["d"].float_list.value == [0.5]
    assert features["e"].float_list.value == [1.5]


class TestCitations:
    @staticmethod
    def papers(folder):
        return {
            split: {
                paper["id"].bytes_list.value[0].decode(): paper for paper in read(folder, split)
            }
            for split in SPLITS
        }

    def test_most_papers_to_train_on_have_no_label_and_the_others_all(self, made_up):
        papers = self.papers(made_up / "citations")
        labelled = {s: sum("label" in p for p in found.values()) for s, found in papers.items()}
        assert {split: len(found) for split, found in papers.items()} == {
            "train": 400, "eval": 100, "test": 300,
        }  # fmt: skip
        assert labelled == {"train": 40, "eval": 100, "test": 300}

    def test_papers_cite_their_own_class(self, made_up):
        papers = {k: v for f in self.papers(made_up / "citations").values() for k, v in f.items()}
        labels = {k: p["label"].int64_list.value[0] for k, p in papers.items() if "label" in p}
        citations = pd.read_csv(made_up / "citations" / EDGES_FILE, sep="\t", header=None)
        known = citations[citations[0].isin(labels) & citations[1].isin(labels)]
        assert len(known) > 500
        assert np.mean(known[0].map(labels) == known[1].map(labels)) > 0.7

    @pytest.mark.skipif(not CORA.exists(), reason="Cora is missing")
    def test_files_of_ones_own_are_taken_as_they_are(self, tmp_path):
        nodes, edges = CORA / "nodes.tsv.gz", CORA / "edges.tsv.gz"
        write_citations(str(tmp_path), str(nodes), str(edges))
        papers = self.papers(tmp_path)
        lines = gzip.decompress(nodes.read_bytes()).decode().splitlines()
        names = {"train": "train", "other": "train", "val": "eval", "test": "test"}
        for paper, label, split, words in (line.split("\t") for line in lines):
            found = papers[names[split]][paper]
            assert found["label"].int64_list.value == ([] if split == "other" else [int(label)])
            assert np.flatnonzero(found["words"].float_list.value).tolist() == sorted(
                map(int, words.split())
            )
            assert len(found["words"].float_list.value) == 1433
        assert sum(map(len, papers.values())) == len(lines) == 2708
        written = [
            line.split("\t")[:2] for line in (tmp_path / EDGES_FILE).read_text().splitlines()
        ]
        given = gzip.decompress(edges.read_bytes()).decode().splitlines()
        assert written == [line.split("\t")[:2] for line in given]

    def test_one_file_alone_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Expected nodes and edges, or neither"):
            write_citations(str(tmp_path), nodes="papers.tsv")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("a\t0\tdev\t1 2", "Expected splits named .* Received: dev"),
            ("a\tx\ttrain\t1 2", "Expected integers in the second and the fourth column"),
            ("a\t0\ttrain\t1 y", "Expected integers in the second and the fourth column"),
        ],
    )
    def test_a_file_that_is_not_as_described_is_refused(self, line, message, tmp_path):
        (tmp_path / "papers.tsv").write_text(f"{line}\n")
        (tmp_path / "edges.tsv").write_text("a\ta\n")
        with pytest.raises(ValueError, match=message):
            write_citations(
                str(tmp_path / "out"), str(tmp_path / "papers.tsv"), str(tmp_path / "edges.tsv")
            )
        assert not (tmp_path / "out").exists()


class TestReviews:
    def test_sentences_are_shared_out_and_most_have_no_label(self, made_up):
        found = {split: read(made_up / "reviews", split) for split in SPLITS}
        assert {s: len(rows) for s, rows in found.items()} == {
            "train": 480, "eval": 120, "test": 200,
        }  # fmt: skip
        labelled = {split: sum("label" in row for row in rows) for split, rows in found.items()}
        assert labelled == {"train": 60, "eval": 120, "test": 200}
        assert all("id" not in row for rows in found.values() for row in rows)

    def test_a_table_of_ones_own_is_taken_as_it_is(self, tmp_path):
        rows = [(f'text, "number" {i}', "" if i % 4 == 0 else str(i % 2)) for i in range(40)]
        with open(tmp_path / "table.csv", "w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
        write_reviews(str(tmp_path / "out"), str(tmp_path / "table.csv"))
        found = {split: read(tmp_path / "out", split) for split in SPLITS}
        told = {
            row["text"].bytes_list.value[0].decode(): list(row["label"].int64_list.value)
            for part in found.values()
            for row in part
        }
        assert told == {text: [int(label)] if label else [] for text, label in rows}
        assert {split: len(part) for split, part in found.items()} == {
            "train": 24, "eval": 6, "test": 10,
        }  # fmt: skip
        assert all(row["label"].int64_list.value for row in found["eval"] + found["test"])

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("sentence,label\na,1\n", "Expected the columns text and label"),
            ("text,label\na,good\n", "Expected labels 0, 1 or none .* Received: 'good'"),
            ("text,label\na,1\nb,\nc,\n", "Expected labels in more than 40%"),
        ],
    )
    def test_a_table_that_is_not_as_described_is_refused(self, table, message, tmp_path):
        (tmp_path / "table.csv").write_text(table)
        with pytest.raises(ValueError, match=message):
            write_reviews(str(tmp_path / "out"), str(tmp_path / "table.csv"))
        assert not (tmp_path / "out").exists()


class TestTumors:
    def test_each_row_is_in_one_split_with_the_original_measurements(self, made_up):
        bunch = datasets.load_breast_cancer()
        tables = [pd.read_csv(made_up / "tumors" / split / "tumors.csv") for split in SPLITS]
        assert [len(table) for table in tables] == list(SPLIT_SIZES.values())
        table = pd.concat(tables).sort_values("id").reset_index(drop=True)
        assert list(table) == ["id", *COLUMNS, "label"]
        assert table["id"].is_unique
        np.testing.assert_array_equal(table["label"], bunch.target)
        values, originals = table[list(COLUMNS)].to_numpy(), bunch.data[:, :10]
        present = ~np.isnan(values)
        np.testing.assert_allclose(values[present], originals[present])
        assert 0.01 < np.mean(~present) < 0.03
        names = [name.removeprefix("mean ").replace(" ", "_") for name in bunch.feature_names[:10]]
        assert names == list(COLUMNS)

    def test_the_share_of_empty_cells_is_the_users(self, tmp_path):
        write_tumors(str(tmp_path), missing_share=0.0)
        for split in SPLITS:
            assert not pd.read_csv(tmp_path / split / "tumors.csv").isna().to_numpy().any()
