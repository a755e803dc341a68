"""Exact nearest neighbors against a float64 comparison of all pairs."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nsl_tfx.graph import neighbors
from nsl_tfx.graph.neighbors import nearest_neighbors


def all_pairs(vectors: np.ndarray, k: int) -> list[tuple[int, int, float]]:
    """What must come out, straight from the definition."""
    exact = vectors.astype(np.float64)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    similarity = np.round(np.clip(unit @ unit.T, -1, 1), 6)
    edges = []
    for row in range(len(vectors)):
        others = [other for other in range(len(vectors)) if other != row]
        others.sort(key=lambda other: (-similarity[row, other], other))
        edges += [(row, other, float(similarity[row, other])) for other in others[:k]]
    return edges


def as_triples(edges) -> list[tuple[int, int, float]]:
    weights = [round(float(weight), 6) for weight in edges.weight]
    return list(zip(edges.source.tolist(), edges.target.tolist(), weights, strict=True))


def as_bytes(edges) -> bytes:
    return edges.source.tobytes() + edges.target.tobytes() + edges.weight.tobytes()


def random_vectors(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)


def same_direction(rows: int) -> np.ndarray:
    """Different vectors, all of similarity 1: no float32 score can order them."""
    return np.arange(1, rows + 1, dtype=np.float32)[:, None] * np.array([[3.0, 4.0]], np.float32)


def cone() -> np.ndarray:
    """Vectors around the last one, at angles that differ by less than a millionth.

    The later ones are nearer, so they are what float32 scores propose; the ties go to the earlier.
    """
    angle = 2 * np.pi * np.arange(14) / 14
    height = 1 + np.arange(14) * 2.0**-23
    ring = np.stack([height, np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([ring, [[1, 0, 0]]]).astype(np.float32)


CASES = {
    "one": random_vectors(1, 3),
    "two": random_vectors(2, 3),
    "fewer_than_k": random_vectors(4, 3),
    "random": random_vectors(150, 16),
    "one_dimension": random_vectors(60, 1),
    "wide": random_vectors(40, 700),
    "all_equal": np.ones((60, 3), np.float32),
    "same_direction": same_direction(60),
    "cone": cone(),
    "each_twice": np.repeat(random_vectors(40, 4), 2, axis=0),
    "one_among_many_equal": np.concatenate([np.ones((50, 4)), random_vectors(10, 4)]).astype("f4"),
    "opposite": np.concatenate([random_vectors(20, 4), -random_vectors(20, 4)]),
    "signed_zeros": np.array([[1, 0.0], [1, -0.0], [0.0, 1], [-0.0, 1]] * 8, np.float32),
    "huge_and_tiny": random_vectors(30, 5) * np.logspace(-35, 35, 30)[:, None].astype("f4"),
    "subnormal": np.array([[1e-45, 0], [1e-45, 1e-45], [0, 1e-40], [1, 1]], np.float32),
}


@pytest.mark.parametrize("k", [1, 3, 10, 1000])
@pytest.mark.parametrize("name", CASES)
def test_equals_all_pairs(name, k):
    vectors = CASES[name]
    assert as_triples(nearest_neighbors(vectors, k)) == all_pairs(vectors, k)


@settings(max_examples=150, deadline=None)
@given(
    vectors=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
        elements=st.integers(-2, 2).map(float),
    ),
    k=st.integers(1, 12),
)
def test_equals_all_pairs_where_ties_abound(vectors, k):
    vectors = vectors[vectors.any(axis=1)]
    assert as_triples(nearest_neighbors(vectors, k)) == all_pairs(vectors, k)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["random", "same_direction", "each_twice"])
def test_bytes_do_not_depend_on_blocks_or_threads(name, threads, monkeypatch):
    expected = as_bytes(nearest_neighbors(CASES[name], 5))
    monkeypatch.setattr(neighbors, "_SLACK", 0)
    monkeypatch.setattr(neighbors, "_BLOCK_CANDIDATES", 50)
    monkeypatch.setattr(neighbors, "_BLOCK_NUMBERS", 64)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        assert as_bytes(nearest_neighbors(CASES[name], 5)) == expected
    finally:
        faiss.omp_set_num_threads(before)


def test_a_pair_has_one_weight_whatever_surrounds_it():
    vectors = random_vectors(200, 33)
    everything = {(s, t): w for s, t, w in as_triples(nearest_neighbors(vectors, 199))}
    for rows in ([0, 1], [7, 3, 5], list(range(50, 150))):
        part = nearest_neighbors(vectors[rows], len(rows) - 1)
        for source, target, weight in as_triples(part):
            assert weight == everything[rows[source], rows[target]]


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
def test_length_does_not_matter(factor):
    vectors = random_vectors(50, 8)
    scaled = vectors * np.where(np.arange(50) % 2, factor, 1)[:, None].astype(np.float32)
    assert as_bytes(nearest_neighbors(scaled, 4)) == as_bytes(nearest_neighbors(vectors, 4))


def test_many_equal_vectors_cost_no_comparison_of_all_pairs(monkeypatch):
    looked_at = []
    knn = faiss.knn

    def counting_knn(queries, base, k, metric):
        looked_at.append(len(queries) * len(base))
        return knn(queries, base, k, metric)

    monkeypatch.setattr(neighbors.faiss, "knn", counting_knn)
    vectors = np.tile(np.array([[1, 0.0], [1, -0.0]], np.float32), (2500, 1))
    edges = nearest_neighbors(vectors, 3)
    assert sum(looked_at) == 1
    assert edges.target[-3:].tolist() == [0, 1, 2]
    assert edges.target[:3].tolist() == [1, 2, 3]
