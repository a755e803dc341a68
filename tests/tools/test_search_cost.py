"""What a search will take, told before the files are read."""

import gzip
import re

import numpy as np
import pytest

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.io.tfrecords import frame_record
from nsl_tfx.tools import search_cost
from nsl_tfx.tools.amounts import size_on_disk
from nsl_tfx.tools.search_cost import (
    describe_long_search,
    describe_search,
    foresee_pairs,
    foresee_search,
)

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
    files = [write(tmp_path / "x", count)]
    assert foresee_search(files, CONFIG.replace(embedding_feature=feature)) == ""
    assert foresee_pairs(files, feature) == ""


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1500))
    (tmp_path / "b").write_bytes(bytes(100))
    assert size_on_disk(str(tmp_path)) == " (2 KiB)"
    assert size_on_disk(str(tmp_path / "b")) == " (100 bytes)"


@pytest.mark.parametrize(
    ("rows", "dimension", "settings", "mebibytes"),
    [
        # What whole runs grew by.
        (40_000, 16, {"method": "exact"}, 228),
        (40_000, 16, {"method": "exact", "num_neighbors": 50}, 527),
        (120_000, 16, {}, 344),
        (120_000, 128, {"num_neighbors": 50}, 1452),
    ],
)
def test_the_memory_told_is_about_what_was_measured(rows, dimension, settings, mebibytes):
    cost = search_cost._cost(rows, dimension, CONFIG.replace(**settings))
    assert cost.memory == pytest.approx(mebibytes * 2**20, rel=0.25)


@pytest.mark.parametrize(
    ("rows", "method", "low", "high"),
    [
        # What two cores took for 128 numbers and ten neighbors: twice as long may be told.
        (200_000, "auto", 4, 16),
        (1_000_000, "approximate", 25, 100),
        # All pairs take the square of the rows.
        (200_000, "exact", 100, 400),
    ],
)
def test_the_time_told_is_that_of_the_method(monkeypatch, rows, method, low, high):
    monkeypatch.setattr(search_cost, "_cores", lambda: 2)
    assert low < search_cost._cost(rows, 128, CONFIG.replace(method=method)).seconds < high


def test_a_search_in_buckets_holds_one_of_them_at_a_time():
    whole = search_cost._cost(90_000, 1000, CONFIG.replace(worker_memory_mb=4096))
    cut = search_cost._cost(90_000, 1000, CONFIG.replace(worker_memory_mb=100))
    assert (whole.all_pairs, cut.all_pairs) == (True, False)
    assert whole.memory > 4 * cut.memory
    assert not describe_long_search(90_000, 1000, CONFIG.replace(worker_memory_mb=100))


def test_an_exact_search_that_does_not_fit_is_told_of_whole():
    config = CONFIG.replace(method="exact", worker_memory_mb=1)
    assert describe_search(40_000, 16, config).endswith(" and 209 MiB of memory.")


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
