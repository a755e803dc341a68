"""The best neighbors so far: whatever is offered, in whatever order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.search import top_neighbors
from nsl_tfx.graph.search.points import Points
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    TopNeighbors,
    make_keys,
    numbers_of,
    weights_of,
)

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(floats, st.integers(0, 2**32 - 1)), min_size=2, max_size=20))
def test_keys_order_by_weight_then_against_the_number(neighbors):
    weights = np.array([weight + 0.0 for weight, _ in neighbors], np.float32) + np.float32(0)
    numbers = np.array([number for _, number in neighbors])
    keys = make_keys(weights, numbers)
    assert np.array_equal(weights_of(keys), weights)
    assert np.array_equal(numbers_of(keys), numbers)
    assert keys.min() > NO_NEIGHBOR
    by_key = sorted(range(len(keys)), key=lambda i: -int(keys[i]))
    by_hand = sorted(range(len(keys)), key=lambda i: (-float(weights[i]), int(numbers[i])))
    assert [int(keys[i]) for i in by_key] == [int(keys[i]) for i in by_hand]


offers = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(-3, 3)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(offers, st.integers(1, 5), st.integers(1, 4), st.randoms())
def test_the_best_are_kept_in_any_order_and_any_parts(neighbors, k, parts, random):
    # A pair has one weight.
    offered = {(row, number): weight for row, number, weight in neighbors}
    pairs = sorted(offered)
    expected = {
        row: sorted((-offered[pair], pair[1]) for pair in pairs if pair[0] == row)[:k]
        for row in range(4)
    }
    random.shuffle(pairs)
    top = TopNeighbors(Points(np.ones((4, 1), np.float32), Similarity.INNER_PRODUCT), k)
    for part in range(parts):
        # What is offered again changes nothing.
        chosen = sorted(pairs[part::parts] + pairs[:1])
        places = np.array([row for row, _ in chosen])
        weights = np.array([offered[pair] for pair in chosen], np.float32)
        keys = make_keys(weights, np.array([number for _, number in chosen]))
        top.offer(np.arange(4), places, keys)
    for row in range(4):
        keys = top.keys[row][top.keys[row] != NO_NEIGHBOR]
        found = zip((-weights_of(keys)).tolist(), numbers_of(keys).tolist(), strict=True)
        assert list(found) == expected[row]


def test_more_offers_than_are_sorted_in_at_once(monkeypatch):
    monkeypatch.setattr(top_neighbors, "_WIDTH", 3)
    top = TopNeighbors(Points(np.ones((2, 1), np.float32), Similarity.INNER_PRODUCT), 4)
    weights = np.random.default_rng(0).permutation(50).astype(np.float32)
    places = np.repeat([0, 1], [20, 30])
    top.offer(np.arange(2), places, make_keys(weights, np.arange(50)))
    for row in (0, 1):
        best = np.sort(weights[places == row])[::-1][:4]
        assert np.array_equal(weights_of(top.keys[row]), best)
    assert (top.cutoffs <= weights_of(top.keys[:, -1])).all()
