"""Ranges of hashes: parts of the data and files of a split."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.graph.examples.shards import (
    cut_into_shards,
    num_shards,
    range_of,
    ranges_within,
    sort_rows,
    write_shard,
)

PLACES = st.lists(st.integers(0, 2**64 - 1), max_size=30)
COUNTS = st.integers(1, 40)


@given(PLACES, COUNTS, COUNTS)
def test_a_place_lies_in_ranges_that_share_it(places, ranges, others):
    places = np.array(places, np.uint64)
    pairs = zip(range_of(places, ranges).tolist(), range_of(places, others).tolist(), strict=True)
    for number, other in pairs:
        first, last = ranges_within(number, ranges, others)
        assert first <= other <= last


@given(COUNTS, COUNTS)
def test_the_ranges_of_all_parts_are_all_ranges(parts, shards):
    spans = [ranges_within(part, parts, shards) for part in range(parts)]
    assert spans[0][0] == 0
    assert spans[-1][1] == shards - 1
    assert all(0 <= after[0] - before[1] <= 1 for before, after in itertools.pairwise(spans))


@given(PLACES, COUNTS)
def test_shards_hold_every_place_once(places, shards):
    places = np.sort(np.array(places, np.uint64))
    cuts = list(cut_into_shards(places, 0, shards - 1, shards))
    assert [shard for shard, _, _ in cuts] == list(range(shards))
    assert [begin for _, begin, _ in cuts] == [0, *(end for _, _, end in cuts[:-1])]
    assert cuts[-1][2] == len(places)
    for shard, begin, end in cuts:
        assert (range_of(places[begin:end], shards) == shard).all()


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=1), st.binary(max_size=1))))
def test_rows_have_one_order(rows):
    places = np.array([row[0] for row in rows], np.uint64)
    order = sort_rows(places, [row[1] for row in rows], [row[2] for row in rows])
    assert [rows[row] for row in order] == sorted(rows)


def test_every_split_has_a_file():
    assert [num_shards(size, 10) for size in (0, 1, 10, 11)] == [1, 1, 1, 2]


def test_a_shard_appears_whole_or_not_at_all(tmp_path):
    def records():
        yield b"one"
        # What a reader of the split would find, or a worker leave that is killed here.
        assert not list((tmp_path / "Split-train").iterdir())
        if fails:
            raise KeyboardInterrupt
        yield b"two"

    fails = False
    contents = set()
    for _ in range(2):
        path = write_shard(str(tmp_path), "train", 0, 2, records())
        with open(path, "rb") as file:
            contents.add(file.read())
        (tmp_path / "Split-train" / "data_tfrecord-00000-of-00002.gz").unlink()
    assert len(contents) == 1
    fails = True
    with pytest.raises(KeyboardInterrupt):
        write_shard(str(tmp_path), "train", 0, 2, records())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
