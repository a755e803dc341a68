"""Counts of parts: they add up in any order, and to what the whole counts."""

import dataclasses
import itertools

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.configs import DanglingIds, Symmetrize
from nsl_tfx.graph import EdgeList
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.finishing.completion import Completion, complete_graph
from nsl_tfx.graph.finishing.description import describe_counts
from nsl_tfx.graph.id_ranges import (
    IdSample,
    cut_ids,
    join_samples,
    own_memory,
    sample_ids,
    split_batch,
)
from nsl_tfx.graph.measuring import tallies
from nsl_tfx.graph.measuring.counting import GraphCounts, add_counts
from nsl_tfx.graph.measuring.forests import Forest, join_forests
from nsl_tfx.graph.measuring.tallies import WeightTally, add_weight_tallies
from nsl_tfx.graph.merging import merge_edges, sort_by_weight
from nsl_tfx.graph.numbering import number_ids

WEIGHTS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=12)
LIMIT = 100


def counts_of(letters):
    """Counts of the graph whose edges are pairs of letters, with node keys that all parts share."""
    table = pa.table(
        [
            pa.array([letter.encode() for letter in ends], pa.binary())
            for ends in ([a for a, _ in letters], [b for _, b in letters])
        ]
        + [pa.array(np.ones(len(letters), np.float32))],
        schema=EDGE_SCHEMA,
    )
    how = Completion(symmetrize=Symmetrize.NONE, dangling=DanglingIds.KEEP, max_linked_nodes=LIMIT)
    return complete_graph(table, None, how).counts


def as_info(counts):
    how = Completion(symmetrize=Symmetrize.NONE, dangling=DanglingIds.KEEP, max_linked_nodes=LIMIT)
    return describe_counts(counts, how, {})


PARTS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=4),
    min_size=3,
    max_size=3,
)


@settings(deadline=None)
@given(parts=PARTS)
def test_counts_add_up_in_any_order(parts):
    counts = [counts_of(part) for part in parts]
    results = []
    for one, two, three in itertools.permutations(counts):
        left = add_counts([add_counts([one, two], LIMIT), three], LIMIT)
        right = add_counts([one, add_counts([two, GraphCounts(), three], LIMIT)], LIMIT)
        results += [as_info(left), as_info(right), as_info(add_counts([one, two, three], LIMIT))]
    assert all(result == results[0] for result in results)


def as_list(tally):
    return tally.shift, tally.tally.keys.tolist(), tally.tally.counts.tolist()


@given(parts=st.lists(WEIGHTS, min_size=3, max_size=3), most=st.integers(1, 40))
def test_weights_add_up_in_any_order_within_bounds(parts, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "_MAX_WEIGHTS", most)
        arrays = [np.array(part, np.float32) for part in parts]
        whole = WeightTally.of(np.concatenate(arrays), np.concatenate(arrays) > 0)
        for order in itertools.permutations(WeightTally.of(part, part > 0) for part in arrays):
            left = add_weight_tallies([add_weight_tallies(order[:2]), order[2]])
            right = add_weight_tallies([order[0], add_weight_tallies(order[1:])])
            assert as_list(left) == as_list(right) == as_list(whole)
        assert len(whole.tally) <= max(most, 1)
        assert np.isfinite(whole.values).all()


@given(weights=WEIGHTS.filter(bool), probability=st.floats(0, 1))
def test_quantiles_equal_numpys(weights, probability):
    array = np.array(weights, np.float32)
    tally = WeightTally.of(array)
    expected = np.quantile(array.astype(np.float64), probability)
    size = float(np.abs(array).max())
    assert tally.quantile(probability) == pytest.approx(expected, rel=1e-9, abs=size * 1e-9)


def test_quantiles_of_more_weights_than_are_kept_are_close():
    weights = np.random.default_rng(0).random(20_000).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "_MAX_WEIGHTS", 4000)
        tally = WeightTally.of(weights)
    assert tally.shift > 0
    for probability in (0, 0.1, 0.5, 0.99, 1):
        expected = np.quantile(weights, probability)
        assert tally.quantile(probability) == pytest.approx(expected, rel=1e-3, abs=1e-6)


PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(parts=st.lists(PAIRS, min_size=1, max_size=4))
def test_components_of_parts_are_those_of_the_whole(parts):
    keys = np.array([83, 12, 5, 99, 41, 7, 60, 3, 28, 70], np.uint64)
    forests = [
        Forest.of(
            np.array([a for a, _ in part], np.int64),
            np.array([b for _, b in part], np.int64),
            keys,
            limit=10,
        )
        for part in parts
    ]
    graph = nx.Graph(pair for part in parts for pair in part)
    expected = sorted((len(c) for c in nx.connected_components(graph)), reverse=True)
    for order in (forests, forests[::-1]):
        joined = join_forests(order, limit=10)
        assert joined.sizes().tolist() == expected
        roots = dict(zip(joined.members.tolist(), joined.roots.tolist(), strict=True))
        for component in nx.connected_components(graph):
            members = {int(keys[node]) for node in component}
            assert {roots[member] for member in members} == {min(members)}


def test_more_members_than_the_limit_are_not_kept():
    low, high, keys = np.array([0, 1]), np.array([1, 2]), np.arange(9, dtype=np.uint64)
    assert not Forest.of(low, high, keys, limit=3).overflowed
    few = Forest.of(low, high, keys, limit=2)
    assert few.overflowed
    assert not len(few.members)
    parts = [Forest.of(low[i : i + 1], high[i : i + 1], keys, limit=2) for i in range(2)]
    assert not parts[0].overflowed
    assert join_forests(parts, limit=2).overflowed
    assert join_forests([few, Forest()], limit=2).overflowed


def test_components_beyond_the_limit_are_said_to_be_not_measured():
    counts = dataclasses.replace(counts_of(["ab", "bc"]), components=Forest(overflowed=True))
    metrics = as_info(counts)["metrics"]
    assert metrics["components"] is None
    assert metrics["largest_component_share"] is None
    assert metrics["not_measured"]["components"].startswith("more nodes than fit")


TRIPLES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-4, 4).map(lambda w: w / 4)),
    max_size=20,
)


@given(triples=TRIPLES)
def test_sorting_equals_the_plain_sort(triples):
    source, target, weight = zip(*triples, strict=True) if triples else ((), (), ())
    edges = EdgeList(source, target, weight)
    both = EdgeList.concatenate([edges, edges.reversed()])
    turned = np.arange(len(both)) >= len(edges)
    for how in Symmetrize:
        merged = merge_edges(both, turned, how).edges
        ours, plain = sort_by_weight(merged), merged.sorted()
        assert ours.source.tolist() == plain.source.tolist()
        assert ours.target.tolist() == plain.target.tolist()
        assert ours.weight.tolist() == plain.weight.tolist()


@given(columns=st.lists(st.lists(st.binary(max_size=3), max_size=6), min_size=1, max_size=3))
def test_numbers_are_places_in_ascending_order(columns):
    arrays = [pa.chunked_array([pa.array(column, pa.binary())]) for column in columns]
    ids, numbers = number_ids(*arrays)
    assert ids.to_pylist() == sorted({one for column in columns for one in column})
    for column, found in zip(columns, numbers, strict=True):
        assert [ids.to_pylist()[number] for number in found] == column


def test_cuts_part_the_bytes_evenly_even_where_blocks_differ_in_size():
    rng = np.random.default_rng(0)
    samples, ids = [], []
    for size in (1, 5000, 50, 20_000, 300):
        block = [b"%07d" % i for i in rng.integers(10**7, size=size)]
        ids += block
        samples.append(sample_ids([pa.array(block, pa.binary())], num_bytes=size))
    starts = cut_ids(join_samples(samples), bytes_in_range=len(ids) / 4)
    assert len(starts) == 3
    table = pa.record_batch([pa.array(ids, pa.binary())], ["id"])
    parts = dict(split_batch(table, 0, starts))
    assert sorted(parts) == [0, 1, 2, 3]
    assert max(part.num_rows for part in parts.values()) < 0.6 * len(ids)
    bounds = [b"", *starts, b"99999999"]
    for number, part in parts.items():
        found = part.column(0).to_pylist()
        assert all(bounds[number] <= one < bounds[number + 1] for one in found)


@pytest.mark.parametrize("ids", [[], [b"a"] * 50])
def test_what_cannot_be_cut_stays_whole_or_nearly(ids):
    sample = IdSample(tuple((0.0, one) for one in ids), num_bytes=10**9)
    assert len(cut_ids(sample, bytes_in_range=10)) <= 1


def test_a_slice_leaves_the_rest_of_its_batch_behind():
    batch = pa.record_batch([pa.array([b"x" * 50] * 1000)], ["id"])
    part = own_memory(batch.slice(7, 3))
    assert part.equals(batch.slice(7, 3))
    assert part.get_total_buffer_size() < 1000
    assert own_memory(batch) is batch
