"""Choosing neighbors, against sorting each node's edges by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.configs import TieOrder
from nsl_tfx.graph.joining.choosing import choose_neighbors, first_of_each

EDGES = st.lists(
    st.tuples(
        st.integers(0, 4), st.integers(0, 4), st.sampled_from([-1.5, 0.0, 0.25, 0.5, np.inf])
    ),
    max_size=30,
)


def columns(edges):
    source = np.array([edge[0] for edge in edges], np.int64)
    target = np.array([edge[1] for edge in edges], np.int64)
    return source, target, np.array([edge[2] for edge in edges], np.float64)


def chosen_one_by_one(edges, limit, tie_order):
    heaviest = {}
    for source, target, weight in edges:
        heaviest[source, target] = max(weight, heaviest.get((source, target), -np.inf))
    sign = 1 if tie_order is TieOrder.LOWEST_ID else -1
    result = []
    for node in range(5):
        of_node = [(-w, sign * t, t) for (s, t), w in heaviest.items() if s == node]
        result += [(node, t, -w) for w, _, t in sorted(of_node)[:limit]]
    return result


@given(EDGES, st.sampled_from([0, 1, 2, None]), st.sampled_from(TieOrder))
def test_equals_one_by_one(edges, limit, tie_order):
    found = choose_neighbors(*columns(edges), limit, tie_order)
    expected = chosen_one_by_one(edges, limit, tie_order)
    assert [edges[place] for place in found] == expected


def test_a_weight_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match=r"numbers\. Received NaN at 1 edges"):
        choose_neighbors(*columns([(0, 1, np.nan), (0, 2, 1.0)]), 5)


@given(EDGES)
def test_bounds_find_each_nodes_edges(edges):
    source = np.sort(columns(edges)[0])
    first = first_of_each(source, 6)
    assert len(first) == 7
    for node in range(6):
        assert (source[first[node] : first[node + 1]] == node).all()
    assert first[-1] == len(edges)
