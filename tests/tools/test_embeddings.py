"""What a search will take, told before the files are read."""

import gzip
import re

import numpy as np
import pytest

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.io.tfrecords import frame_record
from nsl_tfx.tools.amounts import size_on_disk
from nsl_tfx.tools.embeddings import describe_long_search, foresee_search

CONFIG = SimilarityGraphConfig(embedding_feature="embedding")


def write(path, count, dimension=8):
    import tensorflow as tf

    content = b""
    for row in range(count):
        example = tf.train.Example()
        example.features.feature["id"].bytes_list.value.append(b"%05d" % row)
        values = np.random.default_rng(row).normal(size=dimension)
        example.features.feature["embedding"].float_list.value.extend(values)
        content += frame_record(example.SerializeToString())
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


@pytest.mark.parametrize("name", ["x.tfr", "x.tfr.gz"])
def test_the_number_of_examples_is_guessed_from_the_sizes_of_files(tmp_path, name):
    files = [write(tmp_path / f"{part}-{name}", 500) for part in range(3)]
    text = foresee_search(files, CONFIG)
    rows, dimension = re.match(r"About ([\d,]+) vectors of (\d+) numbers: ", text).groups()
    assert int(rows.replace(",", "")) == pytest.approx(1500, rel=0.01)
    assert dimension == "8"


def test_an_empty_file_is_passed_over(tmp_path):
    files = [write(tmp_path / "0", 0), write(tmp_path / "1", 10)]
    assert foresee_search(files, CONFIG).startswith("About 10 vectors")


@pytest.mark.parametrize(("count", "feature"), [(0, "embedding"), (3, "other")])
def test_nothing_is_said_where_there_are_no_vectors(tmp_path, count, feature):
    config = CONFIG.replace(embedding_feature=feature)
    assert foresee_search([write(tmp_path / "x", count)], config) == ""


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1500))
    (tmp_path / "b").write_bytes(bytes(100))
    assert size_on_disk(str(tmp_path)) == " (2 KiB)"
    assert size_on_disk(str(tmp_path / "b")) == " (100 bytes)"


@pytest.mark.parametrize(
    ("rows", "settings", "long"),
    [
        (10_000, {"method": "exact"}, False),
        (100_000_000, {"method": "exact"}, True),
        (100_000_000, {"method": "auto"}, False),
        (100_000_000, {"method": "approximate"}, False),
    ],
)
def test_a_long_search_of_all_pairs_is_told_of(rows, settings, long):
    text = describe_long_search(rows, 100, CONFIG.replace(**settings))
    assert text.startswith(f"All pairs of {rows:,} vectors are compared, which takes up to about "
                           if long else "")  # fmt: skip
    assert bool(text) == long
