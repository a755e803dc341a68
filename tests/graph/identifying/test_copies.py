"""Numbering of copies, against the same done with dictionaries."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.graph.identifying.copies import TO_BE_GIVEN, number_copies

# Few keys and few numbers, so that they meet often.
ROWS = st.lists(
    st.tuples(st.sampled_from([(0, 0), (0, 1), (1, 0), (2**64 - 1, 5)]), st.integers(-1, 4)),
    max_size=25,
)


def number(rows):
    keys = np.array([key for key, _ in rows], np.uint64).reshape(-1, 2)
    numbers = np.array([given for _, given in rows], np.int64)
    result, pairs = number_copies(keys, numbers)
    return result.tolist(), [tuple(pair) for pair in pairs.tolist()]


@given(ROWS)
def test_equals_dictionaries(rows):
    taken = defaultdict(dict)
    clashes = set()
    for place, (key, copy) in enumerate(rows):
        if copy != TO_BE_GIVEN and taken[key].setdefault(copy, place) != place:
            clashes.add(place)
    expected = []
    for key, copy in rows:
        if copy == TO_BE_GIVEN:
            copy = next(free for free in range(100) if free not in taken[key])
            taken[key][copy] = None
        expected.append(copy)
    result, pairs = number(rows)
    assert result == expected
    assert {later for _, later in pairs} == clashes
    assert all(rows[one] == rows[other] and one < other for one, other in pairs)


@pytest.mark.parametrize("rows", [[], [((3, 4), -1)], [((3, 4), 7)]])
def test_few_rows(rows):
    assert number(rows) == ([max(0, copy) for _, copy in rows], [])


def test_many_copies_of_one():
    count = 1_000_000
    result, pairs = number_copies(np.ones((count, 2), np.uint64), np.full(count, TO_BE_GIVEN))
    assert np.array_equal(result, np.arange(count))
    assert len(pairs) == 0
