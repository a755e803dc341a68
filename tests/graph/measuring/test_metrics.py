"""Quality of a graph against a straightforward count."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.graph import EdgeList, measure_graph
from nsl_tfx.statistics import wilson_interval

NODES = 7
PAIRS = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), unique=True)
LABELS = st.lists(st.sampled_from([None, b"cat", b"dog"]), min_size=NODES, max_size=NODES)


def edges_of(pairs, weight=0.5) -> EdgeList:
    return EdgeList([s for s, _ in pairs], [t for _, t in pairs], [weight] * len(pairs))


def components_of(pairs) -> list[set[int]]:
    parts = [{node} for node in range(NODES)]
    for pair in pairs:
        touched = [part for part in parts if part & set(pair)]
        parts = [part for part in parts if not part & set(pair)] + [set().union(*touched)]
    return parts


@given(pairs=PAIRS)
def test_shape_equals_a_plain_count(pairs):
    metrics = measure_graph(NODES, edges_of(pairs))
    parts = components_of(pairs)
    degrees = Counter(source for source, _ in pairs)
    touched = {node for pair in pairs for node in pair}
    assert metrics.edges == len(pairs)
    assert metrics.pairs == len({frozenset(pair) for pair in pairs if pair[0] != pair[1]})
    assert metrics.mean_degree == pytest.approx(len(pairs) / NODES)
    assert metrics.degree_histogram == Counter(degrees[node] for node in range(NODES))
    assert metrics.isolated_nodes == NODES - len(touched)
    assert metrics.isolated_share == pytest.approx(metrics.isolated_nodes / NODES)
    assert metrics.components == len(parts)
    assert metrics.largest_component_share == pytest.approx(max(map(len, parts)) / NODES)
    assert metrics.label_agreement is None


@given(pairs=PAIRS, labels=LABELS)
def test_label_agreement_equals_a_plain_count(pairs, labels):
    agreement = measure_graph(NODES, edges_of(pairs), labels).label_agreement
    joined = {frozenset(pair) for pair in pairs if pair[0] != pair[1]}
    both = [tuple(pair) for pair in joined if all(labels[node] for node in pair)]
    equal = sum(labels[a] == labels[b] for a, b in both)
    labeled = [node for node in range(NODES) if labels[node]]
    drawn = [labels[a] == labels[b] for a in labeled for b in labeled if a != b]
    assert agreement.labeled_nodes == len(labeled)
    assert agreement.pairs == len(both)
    assert agreement.share == (pytest.approx(equal / len(both)) if both else None)
    assert (agreement.low, agreement.high) == wilson_interval(equal, len(both))
    assert agreement.chance == (pytest.approx(sum(drawn) / len(drawn)) if drawn else None)


def test_weight_quantiles():
    edges = EdgeList([0, 0, 0], [1, 2, 3], [0.1, 0.3, 0.2])
    quantiles = measure_graph(4, edges).weight_quantiles
    assert [quantiles[q] for q in ("0.0", "0.25", "0.5", "1.0")] == [0.1, 0.15, 0.2, 0.3]


@given(pairs=PAIRS)
def test_directions_equal_a_plain_count(pairs):
    metrics = measure_graph(NODES, edges_of(pairs), directed=True)
    ends = Counter(target for _, target in pairs)
    joining = [pair for pair in pairs if pair[0] != pair[1]]
    answered = [pair for pair in joining if pair[::-1] in pairs]
    assert metrics.in_degree_histogram == Counter(ends[node] for node in range(NODES))
    assert metrics.self_loops == len(pairs) - len(joining)
    assert metrics.reciprocity == (pytest.approx(len(answered) / len(joining)) if joining else None)
    by_itself = measure_graph(NODES, edges_of(pairs))
    assert (by_itself.in_degree_histogram is None) == (len(answered) == len(joining))


@given(pairs=PAIRS, splits=st.lists(st.sampled_from("ab"), min_size=NODES, max_size=NODES))
def test_edges_between_splits_equal_a_plain_count(pairs, splits):
    metrics = measure_graph(NODES, edges_of(pairs), splits=splits)
    counted = Counter((splits[source], splits[target]) for source, target in pairs)
    found = {
        (source, target): count
        for source, row in metrics.split_edges.items()
        for target, count in row.items()
        if count
    }
    assert found == counted
    assert metrics.cross_split_edges == counted["a", "b"] + counted["b", "a"]


def test_degree_quantiles_are_degrees_that_occur():
    # Degrees 3, 1, 1, 1 and 0.
    edges = EdgeList([0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0], [1] * 6)
    quantiles = measure_graph(5, edges).degree_quantiles
    assert quantiles == {"0.0": 0, "0.5": 1, "0.9": 3, "0.99": 3, "1.0": 3}


def test_label_agreement_by_weight():
    # Twenty pairs in the order of weight, of which the lower half disagrees; two weights are equal.
    weight = [number / 20 for number in range(20)]
    weight[5] = weight[4]
    edges = EdgeList([2 * n for n in range(20)], [2 * n + 1 for n in range(20)], weight)
    labels = [number // 2 * 2 + (number % 2 and number < 20) for number in range(40)]
    groups = measure_graph(40, edges, labels).label_agreement.by_weight
    assert [group.pairs for group in groups] == [2] * 10
    assert [group.share for group in groups] == [0.0] * 5 + [1.0] * 5
    assert (groups[2].min_weight, groups[2].max_weight) == (0.2, 0.2)
    assert (groups[9].low, groups[9].high) == wilson_interval(2, 2)


def test_a_pair_counts_with_its_larger_weight():
    edges = EdgeList([0, 1, 1, 2], [1, 0, 2, 1], [0.25, 0.75, 0.5, 0.25])
    groups = measure_graph(3, edges, ["x", "x", "x"]).label_agreement.by_weight
    assert [(group.min_weight, group.pairs) for group in groups] == [(0.5, 1), (0.75, 1)]
    assert measure_graph(3, edges).weight_quantiles["0.5"] == 0.375


def test_no_edges():
    metrics = measure_graph(3, EdgeList.concatenate([]), [None, "a", None])
    assert (metrics.edges, metrics.isolated_share, metrics.components) == (0, 1.0, 3)
    assert metrics.weight_quantiles == {}
    assert metrics.label_agreement.share is None
    assert metrics.label_agreement.chance is None


def test_becomes_json():
    metrics = measure_graph(2, edges_of([(0, 1)]), [1, 1])
    text = json.dumps(metrics.to_dict(), allow_nan=False)
    assert json.loads(text)["label_agreement"]["share"] == 1.0


@pytest.mark.parametrize(
    ("nodes", "labels", "message"),
    [(0, None, "at least one node"), (2, ["a"], "Expected 2 labels")],
)
def test_rejects(nodes, labels, message):
    with pytest.raises(ValueError, match=message):
        measure_graph(nodes, EdgeList.concatenate([]), labels)
