import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import GraphNeighborConfig, make_graph_reg_config
from nsl_tfx.keras.layers import NeighborFeatures, make_missing_neighbor_inputs

CONFIG = GraphNeighborConfig(max_neighbors=2)
RAGGED_INPUTS = pytest.mark.skipif(
    "ragged" not in inspect.signature(keras.Input).parameters,
    reason="this Keras has no ragged inputs",
)

# A kind of feature: how its keras.Input is made, the rows of an example and its two neighbors in a
# batch of two, and how rows become a tensor.
ROWS = [[[1, 2], [3]], [[10], [20, 21]], [[11], [4, 5]]]
KINDS = {
    "dense": (
        {"shape": (3,)},
        np.arange(18.0).reshape(3, 2, 3).tolist(),
        lambda rows: tf.constant(rows, tf.float32),
    ),
    "dense of higher rank": (
        {"shape": (3, 1)},
        np.arange(18.0).reshape(3, 2, 3, 1).tolist(),
        lambda rows: tf.constant(rows, tf.float32),
    ),
    "double": (
        {"shape": (1,), "dtype": "float64"},
        (np.arange(6.0).reshape(3, 2, 1) / 10 + 70000).tolist(),
        lambda rows: tf.constant(rows, tf.float64),
    ),
    "integer": (
        {"shape": (1,), "dtype": "int64"},
        (np.arange(6).reshape(3, 2, 1) + 2**40).tolist(),
        lambda rows: tf.constant(rows, tf.int64),
    ),
    "string": (
        {"shape": (1,), "dtype": "string"},
        [[[b"a"], [b"b"]], [[b"c"], [b"d"]], [[b"e"], [b"f"]]],
        tf.constant,
    ),
    "without an axis": (
        {"shape": ()},
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        lambda rows: tf.constant(rows, tf.float32),
    ),
    "sparse": (
        {"shape": (3,), "sparse": True},
        [[[1.0, 0, 2], [0, 0, 3]], [[4.0, 0, 0], [0, 5, 6]], [[0, 7.0, 0], [0, 0, 8]]],
        lambda rows: tf.sparse.from_dense(tf.constant(rows, tf.float32)),
    ),
    "ragged": (
        {"shape": (None,), "dtype": "int32", "ragged": True},
        ROWS,
        lambda rows: tf.ragged.constant(rows, tf.int32),
    ),
}
SYMBOLIC = [pytest.param(kind, marks=RAGGED_INPUTS if kind == "ragged" else ()) for kind in KINDS]
WEIGHTS = np.float32([[[0.5], [0.25]], [[1.0], [0.0]]])


def make_batch(kind):
    """Two examples with two neighbors each; the weights are neighbor by neighbor."""
    _, (own, *neighbors), make = KINDS[kind]
    batch = {"x": make(own)}
    for i, rows in enumerate(neighbors):
        batch[f"NL_nbr_{i}_x"] = make(rows)
        batch[f"NL_nbr_{i}_weight"] = tf.constant(WEIGHTS[i])
    return batch


def make_inputs(kind, **changes):
    own = {"x": keras.Input(name="x", **KINDS[kind][0])}
    return {**own, **make_missing_neighbor_inputs(CONFIG, own), **changes}


def to_rows(tensor):
    if isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    return tensor.to_list() if isinstance(tensor, tf.RaggedTensor) else tensor.numpy().tolist()


def expected_rows(neighbors, keep_rank):
    """Neighbors example by example."""
    by_example = [list(group) for group in zip(*neighbors, strict=True)]
    return [row for group in by_example for row in group] if keep_rank else by_example


def check(outputs, kind, keep_rank):
    own, neighbors, weights = outputs
    _, (own_rows, *neighbor_rows), make = KINDS[kind]
    assert to_rows(own["x"]) == own_rows
    assert to_rows(neighbors["x"]) == expected_rows(neighbor_rows, keep_rank)
    np.testing.assert_array_equal(weights, expected_rows(WEIGHTS, keep_rank))
    for found in (own["x"], neighbors["x"]):
        assert (type(found), found.dtype) == (type(make(own_rows)), make(own_rows).dtype)


@pytest.mark.parametrize("keep_rank", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_features_are_regrouped_as_they_come(kind, keep_rank, policy):
    batch = make_batch(kind)
    before = dict(batch)
    outputs = NeighborFeatures(CONFIG, dtype=policy)(batch, keep_rank=keep_rank)
    check(outputs, kind, keep_rank)
    assert batch == before


@pytest.mark.parametrize("keep_rank", [True, False])
@pytest.mark.parametrize("kind", SYMBOLIC)
def test_symbolic_outputs_foretell_the_tensors(kind, keep_rank):
    inputs = make_inputs(kind)
    before = dict(inputs)
    outputs = NeighborFeatures(CONFIG, dtype="mixed_float16")(inputs, keep_rank=keep_rank)
    assert inputs.keys() == before.keys()
    model = keras.Model(inputs, outputs)
    found = model(make_batch(kind))
    check(found, kind, keep_rank)
    for symbolic, tensor in zip(
        [outputs[0]["x"], outputs[1]["x"], outputs[2]],
        [found[0]["x"], found[1]["x"], found[2]],
        strict=True,
    ):
        assert symbolic.shape[0] is None
        assert tensor.shape.is_compatible_with(symbolic.shape)
        assert tensor.dtype == symbolic.dtype
        assert isinstance(tensor, tf.SparseTensor) == symbolic.sparse
        assert isinstance(tensor, tf.RaggedTensor) == getattr(symbolic, "ragged", False)


def test_known_batch_sizes_stay_known():
    own = {"x": keras.Input(batch_shape=(4, 3), name="x")}
    inputs = {**own, **make_missing_neighbor_inputs(CONFIG, own)}
    _, neighbors, weights = NeighborFeatures(CONFIG)(inputs)
    assert (neighbors["x"].shape, weights.shape) == ((8, 3), (8, 1))
    _, neighbors, weights = NeighborFeatures(CONFIG)(inputs, keep_rank=False)
    assert (neighbors["x"].shape, weights.shape) == ((4, 2, 3), (4, 2, 1))


def test_sparse_neighbors_feed_a_dense_layer():
    inputs = make_inputs("sparse")
    _, neighbors, _ = NeighborFeatures(CONFIG)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(neighbors["x"]))
    np.testing.assert_array_equal(model(make_batch("sparse")), [[4], [7], [11], [8]])


@pytest.mark.parametrize("form", ["tensors", "inputs"])
def test_without_neighbors(form):
    features = {"x": tf.ones([2, 3]) if form == "tensors" else keras.Input((3,), name="x")}
    for keep_rank, shape in ((True, (0, 1)), (False, (0, 0, 1))):
        own, neighbors, weights = NeighborFeatures()(features, keep_rank=keep_rank)
        assert (list(own), neighbors, tuple(weights.shape)) == (["x"], {}, shape)


@pytest.mark.parametrize("form", ["tensors", "inputs"])
def test_only_the_named_features_come_back(form):
    label = {"label": tf.constant([1, 2])}
    features = {**make_batch("dense"), **label}
    if form == "inputs":
        features = make_inputs("dense", label=keras.Input((), name="label", dtype="int32"))
    own, neighbors, _ = NeighborFeatures(CONFIG, feature_names=["x"])(features)
    assert (list(own), list(neighbors)) == (["x"], ["x"])


def test_the_count_of_neighbors_stays_with_the_example():
    batch = {**make_batch("dense"), "NL_num_nbrs": tf.constant([[2], [1]])}
    own, neighbors, _ = NeighborFeatures(CONFIG)(batch)
    assert (sorted(own), list(neighbors)) == (["NL_num_nbrs", "x"], ["x"])


@pytest.mark.parametrize("dtype", ["float16", tf.float64, np.float64, None], ids=str)
def test_weights_are_cast_on_demand_only(dtype):
    layer = NeighborFeatures(CONFIG, weight_dtype=dtype)
    expected = tf.as_dtype(dtype or "float32")
    assert layer(make_batch("integer"))[2].dtype == expected
    assert layer(make_inputs("integer"))[2].dtype == expected


def test_other_names():
    config = GraphNeighborConfig(prefix="near_", weight_suffix="_w", max_neighbors=1)
    batch = {"x": tf.constant([[1.0]]), "near_0_x": tf.constant([[2.0]]), "near_0_w": tf.ones([1])}
    _, neighbors, weights = NeighborFeatures(config)(batch)
    assert float(neighbors["x"][0, 0]) == 2.0
    assert weights.shape == (1, 1)


LAYERS = {
    "default": {},
    "all": {
        "neighbor_config": GraphNeighborConfig("near_", "_w", 3),
        "feature_names": {"x"},
        "weight_dtype": tf.float64,
        "name": "mine",
        "dtype": "mixed_bfloat16",
        "trainable": False,
    },
}


@pytest.mark.parametrize("case", LAYERS)
def test_settings_survive_serialisation(case):
    layer = NeighborFeatures(**LAYERS[case])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again, NeighborFeatures)
    assert again.get_config() == layer.get_config()
    assert again.neighbor_config == layer.neighbor_config
    assert (again.name, again.trainable) == (layer.name, layer.trainable)
    assert again.dtype_policy.name == layer.dtype_policy.name


@pytest.mark.parametrize(
    "kind", ["dense", "string", "sparse", pytest.param("ragged", marks=RAGGED_INPUTS)]
)
def test_a_model_survives_saving(kind, tmp_path):
    inputs = make_inputs(kind)
    layer = NeighborFeatures(CONFIG, ["x"], "float32")
    keras.Model(inputs, layer(inputs, keep_rank=False)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    check(loaded(make_batch(kind)), kind, keep_rank=False)


def without(name):
    return {key: value for key, value in make_batch("dense").items() if key != name}


@pytest.mark.parametrize(
    ("options", "features", "error", "text"),
    [
        ({}, without("NL_nbr_1_x"), ValueError, r"Missing: NL_nbr_1_x\. .*make_missing_neighbor"),
        ({}, without("NL_nbr_0_weight"), ValueError, r"Missing: NL_nbr_0_weight\."),
        ({"feature_names": ["x", "y"]}, make_batch("dense"), ValueError, "Received also: y"),
        (
            {},
            {**make_batch("dense"), "weight": tf.ones([2])},
            ValueError,
            "Received: 'weight'. Rename it",
        ),
        (
            {},
            [tf.ones([2, 1])],
            TypeError,
            "inputs as a dict of features by name. Received: a list",
        ),
        ({}, {**make_batch("dense"), "NL_nbr_1_x": tf.ones([2, 9])}, ValueError, "of neighbor 1"),
    ],
    ids=["feature", "weight", "unknown name", "clash", "list", "shape"],
)
def test_features_that_do_not_fit_are_refused(options, features, error, text):
    with pytest.raises(error, match=text):
        NeighborFeatures(CONFIG, **options)(features)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"NL_nbr_1_x": ((4,), {})}, "'x' of neighbor 1"),
        ({"NL_nbr_0_x": ((3, 1), {})}, "'x' of neighbor 0"),
        ({"NL_nbr_0_x": ((3,), {"sparse": True})}, "'x' of neighbor 0"),
        ({"NL_nbr_1_x": ((3,), {"dtype": "int32"})}, "'x' of neighbor 1"),
        ({"NL_nbr_1_weight": ((2,), {})}, "weights dense"),
        ({"NL_nbr_0_weight": ((1,), {"sparse": True})}, "weights dense"),
    ],
    ids=["width", "rank", "kind", "dtype", "weight's width", "weight's kind"],
)
def test_inputs_that_do_not_fit_are_refused(changes, text):
    inputs = {
        name: keras.Input(shape, name=name, **kind) for name, (shape, kind) in changes.items()
    }
    with pytest.raises(ValueError, match=text):
        NeighborFeatures(CONFIG)(make_inputs("dense", **inputs))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"neighbor_config": make_graph_reg_config(max_neighbors=1)},
            TypeError,
            r"neighbor_config to be a GraphNeighborConfig\. Received: GraphRegConfig.*its field",
        ),
        ({"neighbor_config": {"max_neighbors": 1}}, TypeError, r"Make one with .*NeighborConfig\("),
        ({"feature_names": "x"}, TypeError, r"Pass \['x'\]"),
        ({"weight_dtype": "int64"}, ValueError, "weight_dtype to be floating"),
    ],
    ids=["graph config", "dict", "string", "integer weights"],
)
def test_wrong_settings_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        NeighborFeatures(**options)


class TestMissingInputs:
    def test_each_neighbor_has_each_feature_and_a_weight(self):
        own = {
            "x": keras.Input((3,), name="x"),
            "id": keras.Input((), name="id", dtype="string"),
            "bag": keras.Input((None, 5), name="bag", dtype="int64", sparse=True),
            "NL_num_nbrs": keras.Input((1,), name="NL_num_nbrs", dtype="int64"),
        }
        made = make_missing_neighbor_inputs(CONFIG, own, "float16")
        for i in range(2):
            for name in ("x", "id", "bag"):
                found = made.pop(f"NL_nbr_{i}_{name}")
                assert (found.shape, found.dtype) == (own[name].shape, own[name].dtype)
                assert (found.sparse, found.name) == (own[name].sparse, f"NL_nbr_{i}_{name}")
            weight = made.pop(f"NL_nbr_{i}_weight")
            assert (weight.shape, weight.dtype) == ((None, 1), "float16")
        assert made == {}

    @RAGGED_INPUTS
    def test_ragged_stays_ragged(self):
        made = make_missing_neighbor_inputs(
            CONFIG, {"x": keras.Input((None, 2), name="x", ragged=True)}
        )
        assert made["NL_nbr_1_x"].ragged
        assert made["NL_nbr_1_x"].shape == (None, None, 2)
        assert not made["NL_nbr_1_weight"].ragged

    def test_only_what_is_absent_is_made(self):
        inputs = {
            "x": keras.Input((3,), name="x"),
            "NL_nbr_0_x": keras.Input((3,), name="NL_nbr_0_x"),
            "NL_nbr_1_weight": keras.Input((1,), name="NL_nbr_1_weight"),
        }
        before = dict(inputs)
        made = make_missing_neighbor_inputs(CONFIG, inputs)
        assert list(made) == ["NL_nbr_0_weight", "NL_nbr_1_x"]
        assert list(inputs) == list(before)
        assert make_missing_neighbor_inputs(CONFIG, {**inputs, **made}) == {}

    def test_no_neighbors_no_inputs(self):
        assert make_missing_neighbor_inputs(GraphNeighborConfig(), {"x": keras.Input((1,))}) == {}

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            ((make_graph_reg_config(), {}), TypeError, "Pass its field neighbor_config"),
            ((None, {}), TypeError, "GraphNeighborConfig. Received: None"),
            ((CONFIG, [keras.KerasTensor((None, 1))]), TypeError, "dict of features"),
            ((CONFIG, {"x": tf.ones([1])}), TypeError, "keras.Input. Received: a EagerTensor"),
            ((CONFIG, {"weight": keras.KerasTensor((None, 1))}), ValueError, "Rename it"),
            ((CONFIG, {}, "int32"), ValueError, "weight_dtype to be floating"),
        ],
        ids=["graph config", "none", "list", "tensor", "clash", "integer weights"],
    )
    def test_wrong_arguments_are_refused(self, arguments, error, text):
        with pytest.raises(error, match=text):
            make_missing_neighbor_inputs(*arguments)
