"""Recall: its sample, its share, and how often its interval holds the truth."""

import numpy as np
import pytest

from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.recall import choose_sample, measure_recall, warn_of_missed_recall
from nsl_tfx.graph.search.top_neighbors import NO_NEIGHBOR, make_keys

HASHES = mix(np.arange(1000, dtype=np.uint64), 3)


def test_the_sample_is_the_same_nodes_in_any_order():
    sample = choose_sample(HASHES, 50, seed=1)
    order = np.random.default_rng(0).permutation(1000)
    assert sorted(order[choose_sample(HASHES[order], 50, seed=1)]) == sample.tolist()
    assert sample.tolist() != choose_sample(HASHES, 50, seed=2).tolist()
    assert choose_sample(HASHES, 2000, seed=1).tolist() == list(range(1000))


def keys_of(weights, numbers=None):
    """Keys of neighbors by their weights; NaN stands for none."""
    weights = np.asarray(weights, np.float32)
    numbers = np.arange(weights.size).reshape(weights.shape) if numbers is None else numbers
    return np.where(np.isnan(weights), NO_NEIGHBOR, make_keys(weights, np.asarray(numbers)))


NONE = float("nan")


def test_missing_neighbors_are_none_to_find():
    truth = keys_of([[0.9, 0.8], [0.7, NONE], [NONE, NONE]])
    found = keys_of([[0.9, 0.5], [NONE, NONE], [NONE, NONE]])
    recall = measure_recall(found, truth, population=100)
    assert (recall.nodes, recall.pairs) == (3, 3)
    assert recall.share == pytest.approx(1 / 3)
    assert measure_recall(found[2:], truth[2:], 100).share == 1


def test_a_neighbor_of_the_last_ones_weight_is_as_good():
    truth = keys_of([[0.9, 0.5]], [[1, 2]])
    assert measure_recall(keys_of([[0.9, 0.5]], [[1, 7]]), truth, 1).share == 1
    assert measure_recall(keys_of([[0.5, 0.5]], [[2, 7]]), truth, 1).share == 1
    assert measure_recall(keys_of([[0.9, 0.4]], [[1, 7]]), truth, 1).share == 0.5


def random_keys(rows, columns, seed=0):
    return -np.sort(-keys_of(np.random.default_rng(seed).random((rows, columns))), axis=1)


def test_a_whole_population_has_no_error():
    truth = random_keys(10, 2)
    found = np.where(np.arange(10)[:, None] < 4, truth, NO_NEIGHBOR)
    recall = measure_recall(found, truth, population=10)
    assert (recall.low, recall.share, recall.high) == (0.4, 0.4, 0.4)


def test_finding_everything_in_a_sample_proves_nothing_of_the_rest():
    truth = random_keys(200, 10)
    recall = measure_recall(truth, truth, population=10_000)
    assert recall.share == recall.high == 1
    assert 0.995 < recall.low < 1


@pytest.mark.parametrize(
    ("nodes", "columns", "population", "target", "reached"),
    [
        (3, 5, 1000, 0.95, False),  # all that three nodes have
        (1, 500, 1000, 0.5, False),  # found together, as those of one node are
        (200, 10, 1000, 0.95, True),
        (200, 10, 1000, 1, False),
        (3, 5, 3, 1, True),
        (0, 5, 0, 1, True),
    ],
)
def test_a_sample_that_is_found_whole_reaches_what_it_proves(
    nodes, columns, population, target, reached
):
    truth = random_keys(nodes, columns)
    recall = measure_recall(truth, truth, population)
    assert recall.share == 1
    assert recall.describe(target)["target_recall_reached"] is reached


@pytest.mark.parametrize(
    ("share", "more", "cure"),
    [
        (0.96, {}, "recall_sample"),
        (0.96, {"buckets": {}}, "recall_sample"),
        (0.9, {}, "method='exact'"),
        (0.9, {"buckets": {}}, "worker_memory_mb"),
    ],
)
def test_the_warning_says_what_helps(share, more, cure, caplog):
    recall = {"share": share, "low": 0.8, "high": 0.99, "nodes": 9}
    search = {"recall": recall, "target_recall_reached": False, "rounds": 2, **more}
    warn_of_missed_recall(search, 0.95)
    assert cure in caplog.text.rsplit("rounds.", 1)[1]
    caplog.clear()
    warn_of_missed_recall(search | {"target_recall_reached": True}, 0.95)
    assert not caplog.text


@pytest.mark.parametrize("together", [False, True])
def test_the_interval_holds_the_truth(together):
    """Nodes whose neighbors are found or missed together make a wider interval."""
    rng = np.random.default_rng(0)
    truth = random_keys(2000, 10)
    luck = rng.random((2000, 1 if together else 10))
    found = np.where(luck < 0.9, truth, NO_NEIGHBOR)
    share = float(np.mean(found == truth))
    held = []
    for _ in range(400):
        rows = rng.choice(2000, 150)
        recall = measure_recall(found[rows], truth[rows], population=2000)
        held.append(recall.low <= share <= recall.high)
    assert 0.92 <= np.mean(held) <= 0.985
