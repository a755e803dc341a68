"""Nearest neighbors against a float64 comparison of all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_limits

from nsl_tfx.configs import SearchMethod, Similarity
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.search import comparing, exact, nearest, nearest_neighbors, points, top_scores
from nsl_tfx.graph.search.top_neighbors import weights_of

SIMILARITIES = [similarity.value for similarity in Similarity]


def random_vectors(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)


def same_direction(rows: int) -> np.ndarray:
    """Different vectors, all of cosine similarity 1: no float32 score can order them."""
    return np.arange(1, rows + 1, dtype=np.float32)[:, None] * np.array([[3.0, 4.0]], np.float32)


def cone() -> np.ndarray:
    """Vectors around the last one, at angles that differ by less than a millionth.

    The later ones are nearer, so they are what float32 scores propose; the ties go to the earlier.
    """
    angle = 2 * np.pi * np.arange(14) / 14
    height = 1 + np.arange(14) * 2.0**-23
    ring = np.stack([height, np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([ring, [[1, 0, 0]]]).astype(np.float32)


def clusters(rows: int, dimension: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(max(2, rows // 100), dimension))
    points = centers[rng.integers(0, len(centers), rows)] + 0.4 * rng.normal(size=(rows, dimension))
    return points.astype(np.float32)


def words(rows: int) -> np.ndarray:
    """Bags of few words: most pairs share none and tie at zero."""
    rng = np.random.default_rng(0)
    counts = (rng.random((rows, 60)) < 0.02).astype(np.float32)
    counts[np.arange(rows), rng.integers(0, 60, rows)] = 1
    return counts


CASES = {
    "one": random_vectors(1, 3),
    "two": random_vectors(2, 3),
    "fewer_than_k": random_vectors(4, 3),
    "random": random_vectors(150, 16),
    "two_blocks": random_vectors(600, 5),
    "one_dimension": random_vectors(60, 1),
    "wide": random_vectors(40, 700),
    "all_equal": np.ones((60, 3), np.float32),
    "same_direction": same_direction(60),
    "cone": cone(),
    "nearly_equal": np.ones((70, 6), np.float32) + 1e-7 * random_vectors(70, 6),
    "each_twice": np.repeat(random_vectors(40, 4), 2, axis=0),
    "one_among_many_equal": np.concatenate([np.ones((50, 4)), random_vectors(10, 4)]).astype("f4"),
    "opposite": np.concatenate([random_vectors(20, 4), -random_vectors(20, 4)]),
    "signed_zeros": np.array([[1, 0.0], [1, -0.0], [0.0, 1], [-0.0, 1]] * 8, np.float32),
    "words": words(90),
    "far_away": random_vectors(80, 4) + 1000,
    "far_off": np.concatenate([random_vectors(80, 4), 1e6 * random_vectors(2, 4)]).astype("f4"),
    "right_angles": np.array([[1, 1, 1], [0.1, 0.2, -0.3], [0.3, -0.1, -0.2]] * 9, np.float32)
    * np.arange(1, 28, dtype=np.float32)[:, None],
    "large": random_vectors(60, 4) * np.float32(1e15),
    "subnormal": np.array([[1e-45, 0], [1e-45, 1e-45], [0, 1e-40], [1, 1]], np.float32),
}
# Beyond what products in float32 can hold: for cosine alone.
LARGE_CASES = {
    "huge_and_tiny": random_vectors(30, 5) * np.logspace(-35, 35, 30)[:, None].astype("f4")
}


def exact_weights(vectors: np.ndarray, similarity: str) -> np.ndarray:
    """The weight of every pair, straight from the definition, float32 `[n, n]`.

    In extended precision, whose error is two thousand times less than that of float64. A product
    that float64 cannot tell from zero is zero.
    """
    exact = vectors.astype(np.longdouble)
    if similarity == "euclidean":
        distances = np.sqrt(np.square(exact[:, None] - exact[None]).sum(axis=-1))
        values = 1 / (1 + distances)
    else:
        values = (exact[:, None] * exact[None]).sum(axis=-1)
        norms = np.sqrt(np.square(exact).sum(axis=1))
        lengths = norms[:, None] * norms[None]
        values[np.abs(values) <= 4 * (vectors.shape[1] + 8) * 2.0**-53 * lengths] = 0
        if similarity == "cosine":
            values = np.clip(values / lengths, -1, 1)
    return values.astype(np.float32)


def all_pairs(vectors: np.ndarray, k: int, similarity: str) -> list[tuple[int, int, float]]:
    """Each row's best others: by weight, equal ones by number."""
    weights = exact_weights(vectors, similarity)
    edges = []
    for row in range(len(vectors)):
        others = [other for other in range(len(vectors)) if other != row]
        others.sort(key=lambda other: (-weights[row, other], other))
        edges += [(row, other, float(weights[row, other])) for other in others[:k]]
    return edges


def as_triples(edges) -> list[tuple[int, int, float]]:
    ends = edges.source.tolist(), edges.target.tolist()
    return list(zip(*ends, edges.weight.tolist(), strict=True))


def exact_edges(vectors, k, **settings):
    found = nearest_neighbors(vectors, k, method=SearchMethod.EXACT, **settings)
    assert found.method is SearchMethod.EXACT
    return as_triples(found.edges())


@pytest.mark.parametrize("k", [1, 3, 10, 1000])
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", [*CASES, *LARGE_CASES])
def test_exact_equals_all_pairs(name, similarity, k):
    if name in LARGE_CASES and similarity != "cosine":
        return
    vectors = (CASES | LARGE_CASES)[name]
    found = exact_edges(vectors, k, similarity=Similarity(similarity))
    assert found == all_pairs(vectors, k, similarity)


@settings(max_examples=150, deadline=None)
@given(
    vectors=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
        elements=st.integers(-2, 2).map(float),
    ),
    k=st.integers(1, 12),
    similarity=st.sampled_from(SIMILARITIES),
)
def test_exact_equals_all_pairs_where_ties_abound(vectors, k, similarity):
    vectors = vectors[vectors.any(axis=1)]
    found = exact_edges(vectors, k, similarity=Similarity(similarity))
    assert found == all_pairs(vectors, k, similarity)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", ["two_blocks", "same_direction", "words", "nearly_equal"])
@pytest.mark.parametrize(
    ("module", "constant", "value"),
    [
        (comparing, "_DENSE", 0),
        (comparing, "_DENSE", 2),
        (comparing, "_GROUPS", 1000),
        (comparing, "_MANY", 0),
        (exact, "_WAITING", 0),
        (top_scores, "_SLACK", 0),
        (top_scores, "_SLACK", 50),
        (points, "_GATHERED", 7),
    ],
)
def test_bytes_do_not_depend_on_how_the_work_is_cut(
    name, similarity, module, constant, value, monkeypatch
):
    settings = {"similarity": Similarity(similarity), "method": SearchMethod.EXACT}
    expected = nearest_neighbors(CASES[name], 5, **settings).keys
    monkeypatch.setattr(module, constant, value)
    assert np.array_equal(nearest_neighbors(CASES[name], 5, **settings).keys, expected)


@pytest.mark.parametrize("block", [3, 64])
@pytest.mark.parametrize("name", ["random", "same_direction", "words"])
def test_bytes_do_not_depend_on_blocks(name, block, monkeypatch):
    expected = nearest_neighbors(CASES[name], 5).keys
    for module in (comparing, exact):
        monkeypatch.setattr(module, "BLOCK", block)
    assert np.array_equal(nearest_neighbors(CASES[name], 5).keys, expected)


@pytest.mark.parametrize("method", ["exact", "approximate"])
@pytest.mark.parametrize("threads", [2, 5])
def test_bytes_do_not_depend_on_threads(method, threads):
    vectors = clusters(1500)
    settings = {"method": SearchMethod(method), "cell_size": 30}
    one = nearest_neighbors(vectors, 5, threads=1, **settings)
    several = nearest_neighbors(vectors, 5, threads=threads, **settings)
    assert np.array_equal(one.keys, several.keys)
    assert one.describe(0.9) == several.describe(0.9)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_bytes_do_not_depend_on_the_threads_of_products(similarity):
    # Counts tie, so that the last bits of a product decide; and there are groups of centers.
    vectors = np.random.default_rng(0).poisson(0.6, (3000, 64)).astype(np.float32)
    vectors[:, 0] += 1
    settings = {"similarity": similarity, "method": "approximate", "cell_size": 5}
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(nearest_neighbors(vectors, 5, recall_sample=100, **settings))
    assert found[0].describe(0.95) == found[1].describe(0.95)
    assert np.array_equal(found[0].keys, found[1].keys)


def test_a_pair_has_one_weight_whatever_surrounds_it():
    vectors = random_vectors(200, 33)
    everything = {(s, t): w for s, t, w in exact_edges(vectors, 199)}
    for rows in ([0, 1], [7, 3, 5], list(range(50, 150))):
        for source, target, weight in exact_edges(vectors[rows], len(rows) - 1):
            assert weight == everything[rows[source], rows[target]]


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
def test_length_does_not_matter_to_the_cosine(factor):
    vectors = random_vectors(50, 8)
    scaled = vectors * np.where(np.arange(50) % 2, factor, 1)[:, None].astype(np.float32)
    assert exact_edges(scaled, 4) == exact_edges(vectors, 4)


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_many_equal_vectors_cost_no_comparison_of_all_pairs(method, monkeypatch):
    compared = []
    scores = points.Points.scores

    def counting(self, left, right, *rest):
        compared.append(len(left) * len(right))
        return scores(self, left, right, *rest)

    monkeypatch.setattr(points.Points, "scores", counting)
    vectors = np.tile(np.array([[1, 0.0], [1, -0.0]], np.float32), (2500, 1))
    edges = nearest_neighbors(vectors, 3, method=SearchMethod(method)).edges()
    assert sum(compared) <= 2  # once to search, once to measure the recall
    assert edges.target[-3:].tolist() == [0, 1, 2]
    assert edges.target[:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("vectors", "nodes"),
    [
        (np.ones((300, 3), np.float32), 50),
        (np.repeat(random_vectors(20, 3), 15, axis=0), 50),
        (np.repeat(random_vectors(4, 3), 3, axis=0), 12),  # fewer than the sample wants
    ],
)
def test_recall_is_of_rows_not_of_different_ones(vectors, nodes):
    recall = nearest_neighbors(vectors, 4, recall_sample=50).recall
    assert (recall.nodes, recall.pairs, recall.share) == (nodes, 4 * nodes, 1)
    assert (recall.low == 1) == (nodes == len(vectors))


APPROXIMATE = {"method": SearchMethod.APPROXIMATE, "cell_size": 20}


class TestApproximate:
    @pytest.mark.parametrize("similarity", SIMILARITIES)
    def test_is_a_part_of_the_exact_graph_with_equal_weights(self, similarity):
        vectors = clusters(1200)
        settings = {"similarity": Similarity(similarity), "target_recall": 0.8, **APPROXIMATE}
        found = nearest_neighbors(vectors, 8, **settings)
        assert found.method is SearchMethod.APPROXIMATE
        weights = exact_weights(vectors, similarity)
        edges = found.edges()
        assert np.array_equal(edges.weight, weights[edges.source, edges.target])
        assert (edges.source != edges.target).all()

    @pytest.mark.parametrize("similarity", SIMILARITIES)
    @pytest.mark.parametrize("target", [0.7, 0.95])
    def test_reaches_the_recall_that_it_says(self, similarity, target):
        vectors = clusters(1200)
        settings = {"similarity": Similarity(similarity), "target_recall": target, **APPROXIMATE}
        found = nearest_neighbors(vectors, 8, recall_sample=400, **settings)
        truth = set(all_pairs(vectors, 8, similarity))
        share = len(truth & set(as_triples(found.edges()))) / len(truth)
        assert found.recall.nodes == 400
        assert target <= found.recall.low <= share + 0.03
        assert abs(found.recall.share - share) < 0.03

    def test_recall_counts_every_copy(self):
        vectors = np.repeat(clusters(400), np.arange(400) % 4 + 1, axis=0)
        settings = {"target_recall": 0.5, "recall_sample": len(vectors), **APPROXIMATE}
        found = nearest_neighbors(vectors, 8, **settings)
        truth = nearest_neighbors(vectors, 8, method="exact").keys
        last = weights_of(truth)[:, -1:]
        share = float((weights_of(found.keys) >= last).mean())
        assert 0.5 < share < 1
        assert found.recall.share == pytest.approx(share)
        sampled = nearest_neighbors(vectors, 8, **(settings | {"recall_sample": 300})).recall
        assert sampled.nodes == 300
        assert sampled.low <= share <= sampled.high

    def test_few_nodes_prove_a_target_of_the_exact_method_alone(self):
        settings = {"recall_sample": 3, "cell_size": 20}
        for method in SearchMethod.EXACT, SearchMethod.APPROXIMATE:
            found = nearest_neighbors(clusters(300), 5, method=method, **settings)
            assert found.recall.share == 1
            reached = found.describe(0.95)["target_recall_reached"]
            assert reached is (method is SearchMethod.EXACT)

    def test_a_higher_target_takes_more_rounds(self):
        rounds = [
            nearest_neighbors(clusters(1200), 8, target_recall=target, **APPROXIMATE).rounds
            for target in (0.5, 0.99, 0.999)
        ]
        assert rounds == sorted(set(rounds))

    def test_ends_where_there_is_nothing_more_to_find(self):
        found = nearest_neighbors(clusters(300), 5, target_recall=1.0, **APPROXIMATE)
        assert found.recall.share == 1
        assert found.rounds < 64
        # Every round parts equal directions by chance alone; none is better than another.
        alike = nearest_neighbors(same_direction(300), 5, target_recall=1.0, **APPROXIMATE)
        assert alike.rounds < 64

    def test_the_order_of_the_rows_does_not_matter(self):
        vectors = clusters(900)
        ids = [b"%04d" % i for i in range(900)]
        hashes = hash_ids(ids)
        first = nearest_neighbors(vectors, 5, hashes=hashes, **APPROXIMATE)
        order = np.random.default_rng(1).permutation(900)
        second = nearest_neighbors(vectors[order], 5, hashes=hashes[order], **APPROXIMATE)
        # Numbers, and with them the order of equal weights, are others; weights are not.
        weights = [first.edges(), second.edges()]
        assert second.rounds == first.rounds
        assert second.recall == first.recall
        renamed = {(order[s], order[t], w) for s, t, w in as_triples(weights[1])}
        assert len(renamed & set(as_triples(weights[0]))) >= 0.999 * len(renamed)

    @pytest.mark.parametrize("setting", [{"seed": 1}, {"cell_size": 30}])
    def test_each_setting_changes_the_result(self, setting):
        vectors = clusters(1200)
        settings = {"target_recall": 0.6, **APPROXIMATE}
        first = nearest_neighbors(vectors, 8, **settings).keys
        assert not np.array_equal(nearest_neighbors(vectors, 8, **(settings | setting)).keys, first)
        assert np.array_equal(nearest_neighbors(vectors, 8, **settings).keys, first)

    @pytest.mark.parametrize(
        "vectors",
        [
            np.ones((500, 3), np.float32),
            same_direction(500),
            np.repeat(clusters(250), 2, axis=0),
            np.ones((500, 6), np.float32) + 1e-7 * random_vectors(500, 6),
        ],
        ids=["all_equal", "same_direction", "each_twice", "nearly_equal"],
    )
    def test_vectors_that_no_partition_can_part(self, vectors):
        found = nearest_neighbors(vectors, 5, **APPROXIMATE)
        edges = found.edges()
        assert len(edges) == 5 * len(vectors)
        weights = exact_weights(vectors, "cosine")
        assert np.array_equal(edges.weight, weights[edges.source, edges.target])


class TestChoiceOfMethod:
    @pytest.mark.parametrize(
        ("method", "rows", "k", "expected"),
        [
            ("auto", 400, 5, "exact"),
            ("auto", 601, 5, "approximate"),
            ("auto", 601, 101, "exact"),  # three cells for 101 neighbors are all rows
            ("auto", 607, 101, "approximate"),
            ("exact", 601, 5, "exact"),
            ("approximate", 61, 5, "approximate"),
            ("approximate", 60, 5, "exact"),  # all cells are compared
        ],
    )
    def test_depends_on_the_size(self, method, rows, k, expected, monkeypatch):
        monkeypatch.setattr(nearest, "EXACT_ROWS", 600)
        settings = {"method": SearchMethod(method), "cell_size": 20, "target_recall": 0.3}
        found = nearest_neighbors(random_vectors(rows, 4), k, **settings)
        assert found.method.value == expected
        assert (found.rounds > 0) == (expected == "approximate")

    @pytest.mark.parametrize("method", ["exact", "approximate"])
    def test_progress_ends_at_one(self, method):
        steps = []
        settings = {"method": SearchMethod(method), "cell_size": 20, "threads": 1}
        nearest_neighbors(clusters(600), 5, advance=steps.append, **settings)
        assert sum(steps) == pytest.approx(1)
        assert min(steps) >= 0


class TestInput:
    @pytest.mark.parametrize("kind", ["float64", "int32", "float16", "list"])
    def test_numbers_of_every_kind_are_taken(self, kind):
        numbers = np.array([[1, 0], [2, 1], [0, 1]])
        vectors = numbers.tolist() if kind == "list" else numbers.astype(kind)
        found = nearest_neighbors(vectors, 1, similarity="euclidean", method="exact").edges()
        expected = nearest_neighbors(
            numbers.astype(np.float32), 1, similarity=Similarity.EUCLIDEAN
        ).edges()
        assert as_triples(found) == as_triples(expected)

    @pytest.mark.parametrize(
        ("vectors", "settings", "message"),
        [
            ([1.0, 2.0], {}, r"shape \[rows, dimension\]. Received shape: \[2\]"),
            ([[1.0], [np.nan]], {}, r"NaN or infinity in those of 'row 1'"),
            ([[1.0], [0.0]], {}, r"zeros for 'row 1'"),
        ],
    )
    def test_what_cannot_be_compared_is_named(self, vectors, settings, message):
        with pytest.raises(ValueError, match=message):
            nearest_neighbors(vectors, **({"num_neighbors": 1} | settings))

    @pytest.mark.parametrize(
        ("settings", "error", "message"),
        [
            ({"similarity": "dot"}, ValueError, "similarity to be one of 'cosine', .*: 'dot'"),
            ({"method": "approx"}, ValueError, "method to be one of 'auto', .*: 'approx'"),
            ({"num_neighbors": 0}, ValueError, "num_neighbors >= 1. Received: num_neighbors=0"),
            ({"num_neighbors": "2"}, TypeError, "num_neighbors to be int. Received: '2'"),
            ({"num_neighbors": 2.5}, TypeError, "num_neighbors to be int. Received: 2.5"),
            ({"threads": 0}, ValueError, "threads >= 1. Received: threads=0"),
            ({"threads": -1}, ValueError, "threads >= 1. Received: threads=-1"),
            ({"target_recall": 2}, ValueError, "target_recall > 0 and <= 1. Received"),
            ({"target_recall": 0}, ValueError, "target_recall > 0 and <= 1. Received"),
            ({"cell_size": 0}, ValueError, "cell_size >= 1. Received: cell_size=0"),
            ({"recall_sample": 0}, ValueError, "recall_sample >= 1. Received: recall_sample=0"),
            ({"hashes": np.zeros(1, np.uint64)}, ValueError, r"uint64 \[2\], .*: uint64 \[1\]"),
            ({"hashes": [0, 1]}, ValueError, r"uint64 \[2\], .*: int64 \[2\]"),
        ],
    )
    def test_what_is_no_such_setting_is_named(self, settings, error, message):
        with pytest.raises(error, match=message):
            nearest_neighbors([[1.0], [2.0]], **({"num_neighbors": 1} | settings))


def test_neighbors_are_shown_as_their_number_and_not_one_by_one():
    found = nearest_neighbors(np.eye(5), 2)
    assert repr(found) == "Neighbors(rows=5, neighbors=2, method='exact')"
