"""From ids and vectors to a graph: config, order of rows, bad input."""

import numpy as np
import pytest
from scipy import sparse

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import build_similarity_graph, read_graph_info

CONFIG = SimilarityGraphConfig(embedding_feature="x", num_neighbors=4)


def circle(degrees) -> np.ndarray:
    radians = np.deg2rad(np.asarray(degrees, np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def named_edges(graph) -> set[tuple[bytes, bytes]]:
    ends = zip(graph.edges.source, graph.edges.target, strict=True)
    return {(graph.ids[source], graph.ids[target]) for source, target in ends}


# a and b are each other's nearest; c's nearest is b, 20 degrees away; d is far from all.
IDS = [b"a", b"b", b"c", b"d"]
VECTORS = circle([0, 10, 30, 120])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_neighbors": 1, "symmetrize": "none"}, {"ab", "ba", "cb", "dc"}),
        ({"num_neighbors": 1}, {"ab", "ba", "cb", "bc", "dc", "cd"}),
        ({"num_neighbors": 1, "symmetrize": "mutual"}, {"ab", "ba"}),
        ({"similarity_threshold": 0.9}, {"ab", "ba", "bc", "cb"}),
        ({"similarity_threshold": 0.8}, {"ab", "ba", "bc", "cb", "ac", "ca"}),
        ({"similarity_threshold": 1.0}, set()),
    ],
)
def test_each_setting_changes_the_edges(changes, expected):
    graph = build_similarity_graph(IDS, VECTORS, CONFIG.replace(**changes))
    assert named_edges(graph) == {(p[0].encode(), p[1].encode()) for p in expected}


def test_an_edge_at_the_threshold_stays():
    # 0.96 as float32 is less than 0.96 as float64.
    graph = build_similarity_graph(
        [b"a", b"b"], [[1, 0], [24, 7]], CONFIG.replace(similarity_threshold=0.96)
    )
    assert len(graph.edges) == 2


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    vectors = np.concatenate([rng.normal(size=(60, 5)), np.ones((20, 5))])
    ids = [b"%d" % number for number in range(80)]  # b"10" comes before b"9"
    graph = build_similarity_graph(ids, vectors, CONFIG)
    order = rng.permutation(80)
    shuffled = build_similarity_graph([ids[i] for i in order], vectors[order], CONFIG)
    assert graph.ids == shuffled.ids == sorted(ids)
    for name in ("source", "target", "weight"):
        assert getattr(graph.edges, name).tobytes() == getattr(shuffled.edges, name).tobytes()
    assert [ids[order[row]] for row in shuffled.order] == graph.ids


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"num_neighbors": 3, "similarity_threshold": 0.9},
            {"below_threshold": 8, "not_mutual": 0, "nodes_at_cap": 0},
        ),
        (
            {"num_neighbors": 1, "symmetrize": "mutual"},
            {"below_threshold": 0, "not_mutual": 2, "nodes_at_cap": 4},
        ),
        ({"num_neighbors": 3}, {"below_threshold": 0, "not_mutual": 0, "nodes_at_cap": 0}),
        ({"num_neighbors": 2}, {"below_threshold": 0, "not_mutual": 0, "nodes_at_cap": 4}),
    ],
)
def test_drops_are_counted_by_cause(changes, expected):
    assert build_similarity_graph(IDS, VECTORS, CONFIG.replace(**changes)).drops == expected


def test_one_node_has_no_edges():
    graph = build_similarity_graph([b"a"], [[1.0, 2.0]], CONFIG)
    assert (graph.ids, len(graph.edges)) == ([b"a"], 0)


def test_no_node_has_no_edges():
    graph = build_similarity_graph([], np.zeros((0, 3)), CONFIG)
    assert (graph.ids, len(graph.edges)) == ([], 0)


@pytest.mark.parametrize("ids", [[b"\xff\xfe", b"\x00"], [b"a", b"a\x00"]])
def test_ids_are_any_bytes(ids):
    assert build_similarity_graph(ids, [[1.0], [2.0]], CONFIG).ids == sorted(ids)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ([b"a", b"b"], [[1.0], [np.nan]], r"finite.*NaN or infinity in those of 'b'"),
        ([b"a", b"b"], [[1.0], [-np.inf]], r"finite.*NaN or infinity in those of 'b'"),
        ([b"a", b"b"], [[1.0], [1e300]], r"finite.*NaN or infinity in those of 'b'"),
        ([b"a", b"b"], [[0.0, 0.0], [1.0, 0.0]], r"other than zero.*zeros for 'a'"),
        ([b"a", b"b"], [[1e-300], [1.0]], r"other than zero.*zeros for 'a'"),
        ([b"a", b"a", b"b"], [[1.0]] * 3, r"every id once. Received 1 of them.*'a'"),
        ([b"a", b""], [[1.0]] * 2, r"not empty. Received: an empty id in row 1"),
        ([b"a", b"b"], [[1.0]] * 3, r"shape \[2, dimension\].*Received shape: \[3, 1\]"),
        ([b"a", b"b"], [1.0, 2.0], r"Received shape: \[2\]"),
        ([b"a"], np.zeros((1, 0)), r"Received shape: \[1, 0\]"),
        ([b"%d" % i for i in range(9)], np.zeros((9, 2)), r"'4' and 4 more"),
    ],
)
def test_bad_input_is_named(ids, vectors, message):
    with pytest.raises(ValueError, match=message):
        build_similarity_graph(ids, vectors, CONFIG)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["\u00e4", "b"], [b"b", "\u00e4".encode()]),
        ([10, 9], [b"10", b"9"]),
        (np.array([10, 9]), [b"10", b"9"]),
        (np.array(["b", "a"]), [b"a", b"b"]),
        (["b", b"a"], [b"a", b"b"]),
    ],
)
def test_ids_are_taken_as_graphs_take_them(ids, expected):
    graph = build_similarity_graph(
        ids, [[1.0], [2.0]], SimilarityGraphConfig(embedding_feature="x")
    )
    assert graph.ids == expected
    assert [ids[row] for row in graph.order] == sorted(ids, key=lambda one: bytes(str(one), "utf-8")
        if not isinstance(one, bytes) else one)  # fmt: skip
    assert repr(graph) == "SimilarityGraph(nodes=2, edges=2)"


def test_ids_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"Expected bytes, text or an integer in row 1 of ids"):
        build_similarity_graph(
            ["a", 1.5], [[1.0], [2.0]], SimilarityGraphConfig(embedding_feature="x")
        )


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ({"ids": {"a", "b"}}, TypeError, "ids to be a sequence .* Received: set"),
        ({"ids": {"a": 1, "b": 2}}, TypeError, "ids to be a sequence .* Received: dict"),
        ({"ids": iter(["a", "b"])}, TypeError, "ids to be a sequence .* Received: list_iterator"),
        ({"ids": "ab"}, TypeError, "ids to be a sequence .* Received: str"),
        ({"ids": None}, TypeError, "ids to be a sequence .* Received: NoneType"),
        ({"vectors": [[1j], [2.0]]}, TypeError, "vectors of real numbers.* Received: complex128"),
        ({"vectors": [["x"], ["y"]]}, TypeError, "vectors of real numbers.* Received: <U1"),
        ({"vectors": [[None], ["y"]]}, TypeError, "vectors of real numbers.* Received: object"),
        ({"vectors": [[1.0], [2.0, 3.0]]}, ValueError, "vectors of one length"),
        ({"vectors": sparse.csr_array([[1.0], [2.0]])}, TypeError, "vectors as a dense array"),
        ({"config": {"num_neighbors": 1}}, TypeError, "config to be a SimilarityGraphConfig"),
        ({"config": None}, TypeError, "config to be a SimilarityGraphConfig"),
    ],
)
def test_what_is_no_such_argument_is_named(argument, error, message):
    given = {"ids": ["a", "b"], "vectors": [[1.0], [2.0]], "config": CONFIG, **argument}
    with pytest.raises(error, match=f"Expected {message}"):
        build_similarity_graph(**given)


def test_it_leads_to_a_graph(tmp_path):
    built = build_similarity_graph(IDS, VECTORS, CONFIG.replace(similarity_threshold=0.9))
    graph = built.to_graph()
    assert named_edges(graph) == named_edges(built)
    assert graph.ids == built.ids
    graph.write(tmp_path)
    info = read_graph_info(tmp_path)
    assert (info["nodes"], info["drops"]) == (4, built.drops)
    assert info["method"] == built.search["method"]
    assert info["metrics"]["isolated_nodes"] == 1
