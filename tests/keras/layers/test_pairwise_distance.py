import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import DistanceConfig, make_graph_reg_config
from nsl_tfx.keras.layers import (
    NeighborFeatures,
    PairwiseDistance,
    make_missing_neighbor_inputs,
)

BATCH, N, DIMS = 3, 2, 4
RNG = np.random.default_rng(0)
SOURCES = RNG.dirichlet(np.ones(DIMS), BATCH).astype(np.float32)
TARGETS = RNG.dirichlet(np.ones(DIMS), (BATCH, N)).astype(np.float32)
EDGES = np.float32([[0.5, 1.0], [0.0, 2.0], [1.0, 0.0]])

DISTANCES = {
    "l1": lambda s, t: np.abs(s - t).sum(),
    "l2": lambda s, t: ((s - t) ** 2).sum(),
    "cosine": lambda s, t: 1 - s @ t / np.linalg.norm(s) / np.linalg.norm(t),
    "kl_divergence": lambda s, t: (s * np.log(s / t)).sum(),
    "jensen_shannon_divergence": lambda s, t: (
        ((s * np.log(2 * s / (s + t))).sum() + (t * np.log(2 * t / (s + t))).sum()) / 2
    ),
}
REDUCTIONS = {
    "weighted_sum": lambda edges: 1,
    "weighted_mean": lambda edges: edges.sum(),
    "weighted_sum_over_batch_size": lambda edges: edges.size,
    "weighted_sum_by_nonzero_weights": lambda edges: np.count_nonzero(edges),
}
# The two forms of targets, and the weights that go with them.
FORMS = {
    "rows": (TARGETS.reshape(-1, DIMS), EDGES.reshape(-1, 1)),
    "axis": (TARGETS, EDGES[..., None]),
}


def reference(distance, reduction, edges=EDGES):
    """Edge by edge."""
    total = sum(
        edges[b, i] * DISTANCES[distance](SOURCES[b].astype(float), TARGETS[b, i].astype(float))
        for b in range(BATCH)
        for i in range(N)
    )
    return total / REDUCTIONS[reduction](edges)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_each_source_meets_each_of_its_targets(form, reduction, distance):
    layer = PairwiseDistance(DistanceConfig(distance, reduction, sum_over_axis=-1))
    targets, weights = FORMS[form]
    found = layer(SOURCES, targets, weights=weights)
    assert found.shape == ()
    np.testing.assert_allclose(found, reference(distance, reduction), rtol=1e-4)


CONFIG = DistanceConfig("l2", sum_over_axis=-1)
EXPECTED = reference("l2", "weighted_sum_by_nonzero_weights")
UNWEIGHTED = reference("l2", "weighted_mean", np.ones([BATCH, N]))


@pytest.mark.parametrize("form", FORMS)
class TestArguments:
    def test_apart(self, form):
        targets, weights = FORMS[form]
        layer = PairwiseDistance(CONFIG)
        np.testing.assert_allclose(layer(SOURCES, targets, weights), EXPECTED, rtol=1e-5)
        np.testing.assert_allclose(layer(SOURCES, targets=targets), UNWEIGHTED, rtol=1e-5)
        halved = layer(SOURCES, targets, weights=0.5)
        np.testing.assert_allclose(halved, UNWEIGHTED / 2, rtol=1e-5)

    def test_in_a_tuple(self, form):
        targets, weights = FORMS[form]
        layer = PairwiseDistance(CONFIG)
        np.testing.assert_allclose(layer((SOURCES, targets, weights)), EXPECTED, rtol=1e-5)
        np.testing.assert_allclose(layer((SOURCES, targets)), UNWEIGHTED, rtol=1e-5)
        halved = layer((SOURCES, targets), weights=0.5)
        np.testing.assert_allclose(halved, UNWEIGHTED / 2, rtol=1e-5)

    @pytest.mark.parametrize("compiled", [False, True])
    def test_in_a_graph_of_unknown_sizes(self, form, compiled):
        targets, weights = FORMS[form]
        specs = [
            tf.TensorSpec([None] * array.ndim, tf.float32) for array in (SOURCES, targets, weights)
        ]
        layer = PairwiseDistance(CONFIG)
        function = tf.function(layer, input_signature=specs, jit_compile=compiled)
        np.testing.assert_allclose(function(SOURCES, targets, weights), EXPECTED, rtol=1e-5)

    def test_the_gradient_reaches_both_sides(self, form):
        sources, targets = tf.constant(SOURCES), tf.constant(FORMS[form][0])
        with tf.GradientTape() as tape:
            tape.watch([sources, targets])
            loss = PairwiseDistance(CONFIG)(sources, targets)
        slope = 2 * (SOURCES[:, None] - TARGETS) / (BATCH * N)
        found = tape.gradient(loss, [sources, targets])
        np.testing.assert_allclose(found[0], slope.sum(axis=1), atol=1e-6)
        np.testing.assert_allclose(found[1], -slope.reshape(targets.shape), atol=1e-6)


def test_features_of_higher_rank():
    rng = np.random.default_rng(1)
    sources = rng.normal(size=(2, 5, 3)).astype(np.float32)
    targets = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    layer = PairwiseDistance(DistanceConfig("l1", "weighted_sum"))
    expected = np.abs(sources[:, :, None] - targets).sum()
    np.testing.assert_allclose(layer(sources, targets), expected, rtol=1e-5)
    rows = np.moveaxis(targets, 2, 1).reshape(8, 5, 3)
    np.testing.assert_allclose(layer(sources, rows), expected, rtol=1e-5)


def test_unreduced():
    layer = PairwiseDistance(DistanceConfig("cosine", "none", sum_over_axis=-1))
    assert layer(SOURCES, FORMS["rows"][0]).shape == (BATCH * N, 1)
    assert layer(SOURCES, TARGETS).shape == (BATCH, N, 1)


@pytest.mark.parametrize(("rows", "neighbors"), [(0, 0), (2, 0)], ids=["no batch", "no neighbors"])
def test_nothing_is_at_distance_zero(rows, neighbors):
    layer = PairwiseDistance(CONFIG)
    empty = tf.zeros([neighbors, DIMS])
    assert float(layer(tf.ones([rows, DIMS]), empty, tf.ones([neighbors, 1]))) == 0.0
    unknown = [tf.TensorSpec([None, DIMS]), tf.TensorSpec([None, DIMS])]
    function = tf.function(layer, input_signature=unknown)
    assert float(function(tf.ones([rows, DIMS]), empty)) == 0.0


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("mixed_float16", tf.float32),
        ("mixed_bfloat16", tf.float32),
        ("float64", tf.float64),
    ],
)
def test_a_mixed_policy_does_not_cost_precision(policy, expected):
    layer = PairwiseDistance(DistanceConfig("l2", "weighted_sum"), dtype=policy)
    large = tf.fill([1, 2], tf.constant(200.0, tf.float16))
    found = layer(tf.zeros([1, 2], tf.float16), large)
    assert found.dtype == expected
    assert float(found) == 80000.0
    symbolic = layer(keras.KerasTensor((None, 2), "float16"), keras.KerasTensor((None, 2)))
    assert symbolic.dtype == expected.name


def test_integers_are_measured_too():
    found = PairwiseDistance(DistanceConfig("l1"))(np.array([[1, 2]]), np.array([[2, 4]]))
    assert float(found) == 1.5


SHAPES = {
    "rows are no multiple": ([4, 2], [6, 2]),
    "fewer targets than sources": ([4, 2], [2, 2]),
    "sources without rows": ([0, 2], [2, 2]),
    "other width": ([2, 3], [4, 2]),
    "other width, axis": ([2, 3], [2, 5, 2]),
    "other batch, axis": ([2, 3], [1, 5, 3]),
    "two axes more": ([2, 3], [2, 5, 2, 3]),
    "an axis fewer": ([2, 3], [2]),
    "sources without an axis": ([2], [2, 2]),
    "scalars": ([], []),
}


@pytest.mark.parametrize("case", SHAPES)
def test_targets_that_do_not_fit_are_refused(case):
    sources, targets = (tf.ones(shape) for shape in SHAPES[case])
    with pytest.raises(ValueError, match=r"targets \[batch \* n, ...\].*Received shapes: sources"):
        PairwiseDistance(CONFIG)(sources, targets)


@pytest.mark.parametrize(
    "case",
    [
        "rows are no multiple",
        "fewer targets than sources",
        "sources without rows",
        "other batch, axis",
    ],
)
def test_what_shows_only_when_it_runs_is_refused_then(case):
    specs = [tf.TensorSpec([None] * len(shape)) for shape in SHAPES[case]]
    function = tf.function(PairwiseDistance(CONFIG), input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected targets"):
        function(*(tf.ones(shape) for shape in SHAPES[case]))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((SOURCES,), "no tuple, targets as NoneType"),
        (((SOURCES,),), "a tuple of 1"),
        (((SOURCES, SOURCES), SOURCES), "a tuple of 2, targets as"),
        (((SOURCES,) * 4,), "a tuple of 4"),
    ],
    ids=["no targets", "one", "targets twice", "four"],
)
def test_arguments_that_do_not_fit_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        PairwiseDistance()(*arguments)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Expected weights"):
        PairwiseDistance(CONFIG)(SOURCES, FORMS["rows"][0], EDGES)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (make_graph_reg_config(), "Received: GraphRegConfig.*Pass its field distance_config"),
        ({"sum_over_axis": -1}, r"Make one with nsl_tfx.configs.DistanceConfig\("),
        ("l2", "Received: 'l2'"),
    ],
    ids=["graph config", "dict", "name"],
)
def test_wrong_settings_are_refused(config, text):
    with pytest.raises(TypeError, match=text):
        PairwiseDistance(config)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "distance_config": DistanceConfig("cosine", "weighted_mean", -1, "softmax"),
            "name": "mine",
            "dtype": "float64",
            "trainable": False,
        },
    ],
    ids=["default", "all"],
)
def test_settings_survive_serialisation(options):
    layer = PairwiseDistance(**options)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again, PairwiseDistance)
    assert again.get_config() == layer.get_config()
    assert again.distance_config == layer.distance_config
    assert (again.name, again.trainable) == (layer.name, layer.trainable)
    assert again.dtype_policy.name == layer.dtype_policy.name


@pytest.mark.parametrize("keep_rank", [True, False])
def test_a_model_of_both_layers_survives_saving(keep_rank, tmp_path):
    neighbors = make_graph_reg_config(max_neighbors=N).neighbor_config
    inputs = {"x": keras.Input((DIMS,), name="x")}
    inputs |= make_missing_neighbor_inputs(neighbors, inputs)
    own, theirs, weights = NeighborFeatures(neighbors)(inputs, keep_rank=keep_rank)
    distance = PairwiseDistance(CONFIG)(own["x"], theirs["x"], weights)
    assert distance.shape == ()
    batch = {"x": SOURCES}
    for i in range(N):
        batch |= {f"NL_nbr_{i}_x": TARGETS[:, i], f"NL_nbr_{i}_weight": EDGES[:, i : i + 1]}
    model = keras.Model(inputs, distance)
    np.testing.assert_allclose(model(batch), EXPECTED, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(batch), EXPECTED, rtol=1e-5)


def test_a_tuple_survives_saving(tmp_path):
    inputs = [keras.Input((DIMS,), name="source"), keras.Input((DIMS,), name="target")]
    model = keras.Model(inputs, PairwiseDistance(CONFIG)(tuple(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded([SOURCES, FORMS["rows"][0]]), UNWEIGHTED, rtol=1e-5)
