"""Edge lists and their symmetrization."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.configs import Symmetrize
from nsl_tfx.graph import EdgeList, symmetrize

PAIRS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] != pair[1]),
    unique=True,
)


def weight_of(source: int, target: int) -> float:
    """A weight that both directions share, and that several pairs have."""
    return float((source + target) % 4) / 4


def edges_of(pairs) -> EdgeList:
    return EdgeList(
        [source for source, _ in pairs],
        [target for _, target in pairs],
        [weight_of(*pair) for pair in pairs],
    )


def triples(edges: EdgeList):
    return list(
        zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    )


@pytest.mark.parametrize("how", list(Symmetrize))
@given(pairs=PAIRS)
def test_symmetrize_equals_its_definition(how, pairs):
    given_pairs = set(pairs)
    turned = {(target, source) for source, target in pairs}
    wanted = {
        Symmetrize.UNION: given_pairs | turned,
        Symmetrize.MUTUAL: given_pairs & turned,
        Symmetrize.NONE: given_pairs,
    }[how]
    expected = sorted(
        ((s, t, weight_of(s, t)) for s, t in wanted), key=lambda edge: (edge[0], -edge[2], edge[1])
    )
    assert triples(symmetrize(edges_of(pairs), how)) == expected
    assert triples(symmetrize(edges_of(pairs), how.value)) == expected


@pytest.mark.parametrize("how", ["x", "UNION", None, 1])
@pytest.mark.parametrize("pairs", [[], [(0, 1)]])
def test_another_way_to_symmetrize_is_refused(how, pairs):
    with pytest.raises(ValueError, match=f"how to be one of .*'union'.* Received: {how!r}"):
        symmetrize(edges_of(pairs), how)


@given(pairs=PAIRS)
def test_symmetrize_twice_changes_nothing_more(pairs):
    for how in Symmetrize:
        once = symmetrize(edges_of(pairs), how)
        assert triples(symmetrize(once, how)) == triples(once)


def test_concatenate_nothing():
    empty = EdgeList.concatenate([])
    assert len(empty) == 0
    assert (empty.source.dtype, empty.weight.dtype) == (np.int64, np.float32)


def test_rejects_different_lengths():
    with pytest.raises(ValueError, match=r"of one length\. Received lengths: 2, 1, 2"):
        EdgeList([0, 1], [1], [0.5, 0.5])
