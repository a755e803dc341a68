"""Every name of `nsl_tfx.lib`, in every mode of execution and every floating dtype.

What a function computes is checked against NumPy and SciPy in the other files, eagerly and in
float64. Here that eager result is the reference.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import lib
from nsl_tfx.configs import (
    AdvNeighborConfig,
    AdvTargetConfig,
    AdvTargetType,
    DecayConfig,
    DecayType,
    DistanceConfig,
    DistanceType,
    GraphNeighborConfig,
    NormType,
    Reduction,
    VirtualAdvConfig,
)

DTYPES = [tf.float16, tf.bfloat16, tf.float32, tf.float64]
# Of the size of the numbers below: two units in the last place, and some more of the wide dtypes,
# in which more than one operation rounds.
TOLERANCE = {tf.float16: 2e-3, tf.bfloat16: 1.6e-2, tf.float32: 2e-6, tf.float64: 1e-13}


def own(dtype):
    return dtype


def wide(dtype):
    return tf.float64 if dtype == tf.float64 else tf.float32


class Row(NamedTuple):
    """A call with all variants of one name.

    Attributes:
        call: From tensors to a structure of them.
        inputs: Arrays, in structures; those of floats are brought to the dtype, and so is the
            result of a function of the dtype. All numbers are exact in every dtype.
        result: From the inputs' dtype to that of the floating results.
        reference: From the inputs' dtype to the one that the reference is computed in.
    """

    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    result: Callable[[tf.DType], tf.DType] = own
    reference: Callable[[tf.DType], tf.DType] = lambda dtype: tf.float64


X = np.array([[0.5, -1.25, 2.0, -0.125], [-3.0, 0.25, 0.75, 1.5], [0.0, 0.0, 0.0, 0.0]])
Y = np.array([[1.5, 0.75, -2.0, 0.5], [3.0, -0.25, 1.0, 1.25], [1.0, 2.0, 0.5, 0.125]])
P = np.array([[0.125, 0.5, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]])
Q = np.array([[0.25, 0.25, 0.125, 0.375], [0.5, 0.125, 0.25, 0.125], [0.5, 0.5, 0.0, 0.0]])
WEIGHTS = np.array([[1.0], [0.0], [0.5]])
INPUT = {"a": X, "b": Y[:, :, None] * [1.0, 0.5]}


def ragged(dtype):
    return tf.RaggedTensor.from_row_lengths(tf.constant([1.0, 2.0, 3.0], dtype), [2, 0, 1])


def sparse(dtype):
    return tf.sparse.from_dense(tf.constant(X, dtype))


# A perturbable feature among some that are not.
FEATURES = {"x": X, "count": np.array([[1], [2], [3]]), "ragged": ragged, "sparse": sparse}


class Halved(lib.GenNeighbor):
    def gen_neighbor(self, input_features):
        return lib.apply_feature_mask(input_features, 0.5), tf.ones([3, 1])


def embed(features):
    """Eight times as sensitive to the first element as to the others."""
    x = features["x"]
    return x * tf.constant([8.0, 1.0, 0.5, 0.25], x.dtype)


def wave(features):
    return tf.sin(embed(features))


def add_up(labels, predictions):
    return tf.reduce_sum(predictions)


def adversarial(features):
    def move(config, use_while_loop):
        with tf.GradientTape() as tape:
            tape.watch(features["x"])
            loss = add_up(None, wave(features))
        return lib.gen_adv_neighbor(
            features, loss, config, False, tape, wave, add_up, use_while_loop=use_while_loop
        )[0]

    box = {"clip_value_min": {"x": -2.0}, "clip_value_max": {"x": 1.75}}
    steps = {"pgd_iterations": 3, "pgd_epsilon": 0.25, **box}
    mask = {"x": [1, 0, 1, 1]}
    return [
        move(AdvNeighborConfig(None, 0.25), False),
        *(move(AdvNeighborConfig(mask, 0.125, norm, **steps), True) for norm in NormType),
    ]


def virtual_adversarial(features):
    distance = DistanceConfig(reduction="weighted_sum")
    config = VirtualAdvConfig(AdvNeighborConfig(None, 0.25), distance, num_approx_steps=6)
    return lib.virtual_adv_regularizer(features, embed, config)


def targets(logits, labels):
    found = {
        kind: lib.get_target_indices(logits, labels, AdvTargetConfig(kind))
        for kind in AdvTargetType
    }
    drawn = found.pop(AdvTargetType.RANDOM)
    return {**found, "drawn": tf.reduce_all((drawn >= 0) & (drawn < 4))}


def divergence(function):
    def measure(p, q, weights):
        return {
            reduction: function(p, q, axis=-1, weights=weights, reduction=reduction)
            for reduction in (Reduction.NONE, Reduction.MEAN)
        }

    return Row(measure, (P, Q, WEIGHTS), wide)


def distances(p, q, weights):
    configs = [DistanceConfig(kind, "weighted_mean", -1, "softmax") for kind in DistanceType]
    configs += [DistanceConfig(reduction=kind, sum_over_axis=-1) for kind in Reduction]
    return [lib.pairwise_distance_wrapper(p, q, weights, config) for config in configs]


def neighbors(features):
    config = GraphNeighborConfig(max_neighbors=2)
    return [
        lib.unpack_neighbor_features(features, config, keep_rank) for keep_rank in (True, False)
    ]


def augmented(make):
    names = {"x": X, "NL_nbr_0_x": Y, "NL_nbr_1_x": P}
    weights = {f"NL_nbr_{i}_weight": WEIGHTS for i in range(2)}
    return {**{name: make(value) for name, value in names.items()}, **weights}


ROWS = {
    "GenNeighbor": Row(lambda x: Halved().gen_neighbor(x)[0], (FEATURES,)),
    "adv_regularizer": Row(
        lambda x, y: lib.adv_regularizer(
            x, y, lambda x, is_train, reuse: 2 * x, lambda y, p: tf.reduce_mean(tf.abs(p - y))
        ),
        (X, Y),
    ),
    "apply_feature_mask": Row(
        lambda features, mask: [
            lib.apply_feature_mask(features),
            lib.apply_feature_mask(features, {"x": [0, 0.5, 1, 0.25]}),
            lib.apply_feature_mask(features, {"x": mask}),
        ],
        (FEATURES, P),
    ),
    "decay_over_time": Row(
        lambda step, start: {
            kind: lib.decay_over_time(step, DecayConfig(10, 0.5, 0.125, kind), start)
            for kind in DecayType
        },
        (np.array(25), np.array(3.0)),
        lambda dtype: tf.float32,
    ),
    "gen_adv_neighbor": Row(adversarial, (FEATURES,)),
    "get_target_indices": Row(targets, (X[:2], np.array([3, 1]))),
    "jensen_shannon_divergence": divergence(lib.jensen_shannon_divergence),
    "kl_divergence": divergence(lib.kl_divergence),
    "maximize_within_unit_norm": Row(
        lambda x: {norm: lib.maximize_within_unit_norm(x, norm) for norm in NormType}, (INPUT,)
    ),
    "normalize": Row(lambda x: {norm: lib.normalize(x, norm) for norm in NormType}, (X,)),
    "pairwise_distance_wrapper": Row(distances, (X, Y, WEIGHTS), wide),
    "project_to_ball": Row(
        lambda x: {norm: lib.project_to_ball(x, 1.5, norm) for norm in NormType}, (INPUT,)
    ),
    "random_in_norm_ball": Row(
        lambda x: {norm: lib.random_in_norm_ball(x, 1.5, norm, (1, 2)) for norm in NormType},
        (INPUT,),
        reference=wide,
    ),
    "replicate_embeddings": Row(
        lambda x, *times: [
            lib.replicate_embeddings(x, number) for number in (2, [0, 1, 2], *times)
        ],
        (X, np.array(3), np.array([1, 0, 2])),
    ),
    "strip_neighbor_features": Row(
        lambda features: lib.strip_neighbor_features(features, GraphNeighborConfig("ra")),
        (FEATURES,),
    ),
    "unpack_neighbor_features": Row(neighbors, (augmented(lambda x: x),)),
    "virtual_adv_regularizer": Row(virtual_adversarial, (FEATURES,), wide),
}


def as_tensors(inputs, dtype):
    def convert(value):
        if callable(value):
            return value(dtype)
        return tf.constant(value, dtype if value.dtype.kind == "f" else None)

    return tf.nest.map_structure(convert, inputs)


def specs(tensors, rank_is_known=True):
    def spec(value):
        shape = [None] * value.shape.rank if rank_is_known else None
        if isinstance(value, tf.SparseTensor):
            return tf.SparseTensorSpec(shape, value.dtype)
        if isinstance(value, tf.RaggedTensor):
            return tf.RaggedTensorSpec(shape, value.dtype, ragged_rank=1)
        return tf.TensorSpec(shape, value.dtype)

    return tf.nest.map_structure(spec, tensors)


def traced(call, signature, jit_compile=False):
    # Rewriting the source code, as in the mode "function", takes a third of the time.
    return tf.function(call, signature, autograph=False, jit_compile=jit_compile)


# XLA compiles for the shapes of the arguments; what it has to find out is what the trace left open.
MODES = {
    "eager": lambda call, inputs: call(*inputs),
    "function": lambda call, inputs: tf.function(call)(*inputs),
    "unknown sizes": lambda call, inputs: traced(call, specs(inputs))(*inputs),
    "unknown ranks": lambda call, inputs: traced(call, specs(inputs, False))(*inputs),
    "XLA": lambda call, inputs: traced(call, specs(inputs), jit_compile=True)(*inputs),
}


def run(name, mode, dtype):
    tf.random.set_seed(1)
    found = MODES[mode](ROWS[name].call, as_tensors(ROWS[name].inputs, dtype))
    return tf.nest.flatten(found, expand_composites=True)


@functools.cache
def reference(name, dtype):
    return run(name, "eager", dtype)


def test_the_table_is_complete():
    assert list(ROWS) == sorted(lib.__all__)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=[] if mode == "eager" else pytest.mark.slow) for mode in MODES],
)
@pytest.mark.parametrize("name", ROWS)
def test_every_mode_and_dtype(name, mode, dtype):
    row = ROWS[name]
    tolerance = max(TOLERANCE[dtype], TOLERANCE[row.result(dtype)])
    expected = reference(name, row.reference(dtype))
    for one, other in zip(run(name, mode, dtype), expected, strict=True):
        if one.dtype.is_floating:
            assert one.dtype == row.result(dtype)
            one, other = tf.cast(one, tf.float64), tf.cast(other, tf.float64)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


HALVES = pytest.mark.parametrize("dtype", DTYPES[:2], ids=lambda dtype: dtype.name)
DETERMINISTIC = ["maximize_within_unit_norm", "normalize", "project_to_ball"]


def agree(found, expected, tolerance, atol=0.0):
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        one, other = tf.cast(one, tf.float64), tf.cast(other, tf.float64)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=atol)


@HALVES
@pytest.mark.parametrize(
    "numbers",
    [np.full([1, 4], 300.0), np.full([1, 4], 2.0**-13), np.ones([1, 70_000])],
    ids=["large", "small", "many"],
)
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_half_precision_holds_every_norm(name, numbers, dtype):
    call = ROWS[name].call
    smallest = 2.0**-24
    agree(call(tf.constant(numbers, dtype)), call(tf.constant(numbers)), TOLERANCE[dtype], smallest)


@HALVES
@pytest.mark.parametrize("kind", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("reduction", ["weighted_sum", "weighted_mean"])
@pytest.mark.parametrize(
    "numbers",
    [np.full([1, 4], 300.0), np.zeros([1, 4]), np.ones([300, 300])],
    ids=["large", "zero", "many"],
)
def test_half_precision_holds_every_distance(numbers, reduction, kind, dtype):
    config = DistanceConfig(kind, reduction, -1)
    found, expected = (
        lib.pairwise_distance_wrapper(side, -side, 1.0, config)
        for side in (tf.constant(numbers, dtype), tf.constant(numbers))
    )
    agree(found, expected, TOLERANCE[tf.float32])


MIXED = {"a": tf.float16, "b": tf.float64, "c": tf.bfloat16}


def mix(cast=True):
    columns = zip(MIXED.items(), np.split(X[:, [0, 1, 2]], 3, axis=1), strict=True)
    return {k: tf.constant(x, dtype if cast else tf.float64) for (k, dtype), x in columns}


@pytest.mark.parametrize("name", [*DETERMINISTIC[::2], "random_in_norm_ball"])
def test_features_of_several_dtypes(name):
    found = ROWS[name].call(mix())
    for norm in NormType:
        assert {k: value.dtype for k, value in found[norm].items()} == MIXED
    agree(found, ROWS[name].call(mix(cast=False)), TOLERANCE[tf.bfloat16], 1e-9)


@pytest.mark.parametrize("name", [*DETERMINISTIC, "random_in_norm_ball"])
@pytest.mark.parametrize("shape", [[0, 3], [2, 0]])
def test_nothing_stays_nothing(shape, name):
    for result in ROWS[name].call(tf.zeros(shape)).values():
        assert result.shape == shape


@pytest.mark.parametrize("name", [*DETERMINISTIC, "random_in_norm_ball"])
def test_integers_have_no_place_in_a_ball(name):
    with pytest.raises(TypeError, match=r"Expected floating tensors\. Received: int32"):
        ROWS[name].call(tf.constant([[1, 2]]))


@pytest.mark.parametrize("name", ["kl_divergence", "pairwise_distance_wrapper"])
def test_sides_of_two_dtypes(name):
    sides, dtypes = (P, Q, WEIGHTS), (tf.bfloat16, tf.float64, tf.float32)
    found = ROWS[name].call(*map(tf.constant, sides, dtypes))
    agree(found, ROWS[name].call(*map(tf.constant, sides)), TOLERANCE[tf.float32])


@pytest.mark.parametrize("name", ["gen_adv_neighbor", "virtual_adv_regularizer"])
def test_perturbing_features_of_several_dtypes(name):
    def embed_all(features):
        return tf.concat([tf.cast(value, tf.float64) for value in features.values()], axis=1)

    if name == "virtual_adv_regularizer":
        assert lib.virtual_adv_regularizer(mix(), embed_all, VirtualAdvConfig()) > 0
        return
    x = mix()
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(embed_all(x))
    found, _ = lib.gen_adv_neighbor(x, loss, AdvNeighborConfig(None, 0.5), gradient_tape=tape)
    assert {k: value.dtype for k, value in found.items()} == MIXED


@pytest.mark.slow
def test_gradients_at_zero_are_numbers_under_xla():
    @tf.function(jit_compile=True, autograph=False)
    def gradients(x):
        found = []
        for name in DETERMINISTIC:
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(x)
                results = ROWS[name].call(x)
            found += [tape.gradient(result, x) for result in results.values()]
        return found

    for gradient in gradients(tf.zeros([2, 3])):
        assert np.all(np.isfinite(gradient))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DETERMINISTIC, "random_in_norm_ball"])
def test_known_sizes_stay_known(name):
    """The layers of a model need them."""
    spec = tf.TensorSpec([None, 2, 3], tf.float16)
    outputs = traced(ROWS[name].call, [spec]).get_concrete_function().structured_outputs
    assert [output.shape.as_list() for output in outputs.values()] == [[None, 2, 3]] * 3


@HALVES
@pytest.mark.parametrize("mode", ["eager", pytest.param("XLA", marks=pytest.mark.slow)])
def test_models_in_mixed_precision(mode, dtype):
    """Their inputs are float32, their outputs in half precision."""

    def call_with(policy):
        layer = keras.layers.Dense(4, use_bias=False, dtype=policy)
        layer.build([None, 4])
        layer.set_weights([np.diag([8.0, 1.0, 0.5, 0.25])])

        def call(x, y):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = add_up(None, tf.sin(layer(x)))
            config = AdvNeighborConfig(None, 0.125, pgd_iterations=2, pgd_epsilon=0.1875)
            moved, _ = lib.gen_adv_neighbor(
                x, loss, config, False, tape, lambda x: tf.sin(layer(x)), add_up
            )
            virtual = VirtualAdvConfig(config, DistanceConfig(), num_approx_steps=6)
            return (
                moved,
                lib.virtual_adv_regularizer(x, layer, virtual),
                lib.pairwise_distance_wrapper(layer(x), y),
            )

        return call

    inputs = as_tensors((X[:2], Y[:2]), tf.float32)
    tf.random.set_seed(1)
    expected = call_with("float32")(*inputs)
    found = MODES[mode](call_with(f"mixed_{dtype.name}"), inputs)
    for one in found:
        assert one.dtype == tf.float32
    agree(found, expected, 2 * TOLERANCE[dtype])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["function", "unknown sizes", "unknown ranks"])
@pytest.mark.parametrize("make", [tf.RaggedTensor.from_tensor, tf.sparse.from_dense])
def test_neighbors_of_other_kinds(make, mode):
    """Not under XLA, which has no kernel that puts sparse or ragged tensors together."""
    inputs = as_tensors((augmented(lambda x: lambda dtype: make(tf.constant(x, dtype))),), tf.half)
    found, expected = (
        tf.nest.flatten(MODES[kind](neighbors, inputs), expand_composites=True)
        for kind in (mode, "eager")
    )
    agree(found, expected, 0.0)


@pytest.mark.slow
def test_xla_leaves_checks_out():
    measure = tf.function(lambda p: lib.kl_divergence(p, p, axis=-1), jit_compile=True)
    assert float(measure(tf.constant([[0.5, 1.5]]))) == 0
