"""Random partitions: every row once, no leaf too large, near rows together."""

import numpy as np
import pytest

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.partitions import carve
from nsl_tfx.graph.search.points import Points

RNG = np.random.default_rng(0)
CASES = {
    "random": RNG.normal(size=(3000, 4)),
    "line": np.arange(1, 2001)[:, None] * np.ones((1, 3)),
    "equal": np.ones((1500, 3)),
    "small": RNG.normal(size=(10, 4)),
    "clusters": np.repeat(RNG.normal(size=(3, 4)), 500, axis=0) + 0.01 * RNG.normal(size=(1500, 4)),
}


def leaves_of(name, leaf_size=100, seed=0, round_number=0, similarity=Similarity.COSINE):
    vectors = CASES[name].astype(np.float32)
    hashes = mix(np.arange(len(vectors), dtype=np.uint64), 7)
    return list(carve(Points(vectors, similarity), hashes, leaf_size, seed, round_number))


@pytest.mark.parametrize("similarity", list(Similarity))
@pytest.mark.parametrize("leaf_size", [1, 30, 100])
@pytest.mark.parametrize("name", CASES)
def test_parts_all_rows_into_small_leaves(name, leaf_size, similarity):
    leaves = leaves_of(name, leaf_size, similarity=similarity)
    assert sorted(np.concatenate(leaves).tolist()) == list(range(len(CASES[name])))
    assert max(map(len, leaves)) <= leaf_size
    assert all((np.diff(leaf) > 0).all() for leaf in leaves)


@pytest.mark.parametrize("name", ["random", "line", "clusters"])
def test_leaves_are_not_tiny(name):
    leaves = leaves_of(name)
    assert np.mean([len(leaf) for leaf in leaves]) > 30


def test_rounds_and_seeds_differ_and_repeat():
    first = [leaf.tolist() for leaf in leaves_of("random")]
    assert first == [leaf.tolist() for leaf in leaves_of("random")]
    assert first != [leaf.tolist() for leaf in leaves_of("random", seed=1)]
    assert first != [leaf.tolist() for leaf in leaves_of("random", round_number=1)]


def test_near_rows_meet_more_often_than_by_chance():
    vectors = CASES["random"] / np.linalg.norm(CASES["random"], axis=1, keepdims=True)
    nearest = np.argsort(-(vectors @ vectors.T), axis=1)[:, 1]
    leaf_of = np.empty(len(vectors), int)
    for number, leaf in enumerate(leaves_of("random")):
        leaf_of[leaf] = number
    assert np.mean(leaf_of == leaf_of[nearest]) > 0.4  # by chance: 0.03
