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
