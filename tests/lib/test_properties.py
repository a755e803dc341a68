"""What holds for inputs of every shape and dtype, every norm, mask and reduction."""

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from nsl_tfx import lib
from nsl_tfx.configs import (
    AdvNeighborConfig,
    DistanceConfig,
    DistanceType,
    NormType,
    Reduction,
    TransformType,
)

EXAMPLES = hypothesis.settings(max_examples=20, deadline=None)
# One unit in the last place of a number near 1.
PRECISION = {tf.float16: 2**-10, tf.bfloat16: 2**-7, tf.float32: 2**-23, tf.float64: 2**-52}
DTYPES = st.sampled_from(list(PRECISION))
NORMS = st.sampled_from(NormType)
SHAPES = hnp.array_shapes(max_dims=4, max_side=3)


def arrays(shape, low=-4, high=4):
    """Arrays of multiples of 1/8, which are exact in every dtype."""
    return hnp.arrays(
        np.float64, shape, elements=st.integers(8 * low, 8 * high).map(lambda n: n / 8)
    )


def norm_of(x, norm):
    """`[batch]`: the norm over all axes but the first."""
    order = {NormType.L1: 1, NormType.L2: 2, NormType.INFINITY: np.inf}[norm]
    return np.linalg.norm(np.reshape(x, [len(x), -1]), order, axis=1)


def per_row(values, x):
    return values.reshape([-1] + [1] * (x.ndim - 1))


def wide(tensor):
    return tf.cast(tensor, tf.float64).numpy()


@EXAMPLES
@hypothesis.given(SHAPES.flatmap(arrays), DTYPES, NORMS)
def test_normalize_divides_by_the_norm(x, dtype, norm):
    found = lib.normalize(tf.constant(x, dtype), norm)
    assert (found.dtype, found.shape) == (dtype, x.shape)
    size = norm_of(x, norm)
    expected = x / per_row(np.where(size > 0, size, 1), x)
    np.testing.assert_allclose(wide(found), expected, rtol=4 * PRECISION[dtype])


@EXAMPLES
@hypothesis.given(SHAPES.flatmap(arrays), DTYPES, NORMS, st.integers(1, 40))
def test_every_dtype_finds_the_same_point_of_the_ball(x, dtype, norm, eighths):
    for function in (
        lambda x: lib.maximize_within_unit_norm(x, norm),
        lambda x: lib.project_to_ball(x, eighths / 8, norm),
    ):
        found = function(tf.constant(x, dtype))
        assert (found.dtype, found.shape) == (dtype, x.shape)
        np.testing.assert_allclose(wide(found), function(x), atol=8 * PRECISION[dtype])


@EXAMPLES
@hypothesis.given(st.lists(st.tuples(SHAPES, DTYPES), min_size=1, max_size=3), NORMS, st.data())
def test_random_points_lie_in_the_ball_of_all_features(features, norm, data):
    radius, seed = data.draw(st.floats(0.125, 100)), data.draw(st.tuples(*[st.integers(0, 9)] * 2))
    like = [tf.zeros([3, *shape], dtype) for shape, dtype in features]
    found, again, other = (
        lib.random_in_norm_ball(like, radius, norm, s)
        for s in (seed, seed, (seed[0], seed[1] + 10))
    )
    for point, same, x in zip(found, again, like, strict=True):
        assert (point.dtype, point.shape) == (x.dtype, x.shape)
        np.testing.assert_array_equal(point, same)
    together, elsewhere = (
        np.concatenate([wide(point).reshape(3, -1) for point in points], axis=1)
        for points in (found, other)
    )
    least = max(PRECISION[dtype] for _, dtype in features)
    assert np.all(norm_of(together, norm) <= radius * (1 + least))
    assert np.any(together != elsewhere)


@EXAMPLES
@hypothesis.given(SHAPES, DTYPES, NORMS, st.data())
def test_adversarial_neighbors(shape, dtype, norm, data):
    """Of a linear loss: they stay in ball and box, leave what is masked, and gain what they can."""
    x, slope = data.draw(arrays(shape)), data.draw(arrays(shape))
    mask = data.draw(
        st.one_of(
            st.just(None), hnp.arrays(np.float64, shape[1:], elements=st.sampled_from([0, 1]))
        )
    )
    step, steps = data.draw(st.integers(1, 8)) / 8, data.draw(st.integers(1, 3))
    epsilon = data.draw(st.sampled_from([None, 0.25, 1.0]))
    box = {"clip_value_min": -4, "clip_value_max": 4} if data.draw(st.booleans()) else {}
    config = AdvNeighborConfig(mask, step, norm, **box, pgd_iterations=steps, pgd_epsilon=epsilon)

    def model(x):
        return x * tf.constant(slope, dtype)

    def loss_fn(labels, predictions):
        return tf.reduce_sum(predictions)

    start = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(start)
        loss = loss_fn(None, model(start))
    found, weights = lib.gen_adv_neighbor(start, loss, config, False, tape, model, loss_fn)
    assert (found.dtype, found.shape) == (dtype, x.shape)
    assert (weights.dtype, weights.shape) == (tf.float32, (len(x), 1))

    slope = slope * (1 if mask is None else mask)
    moved = wide(found) - x
    assert np.all(moved[slope == 0] == 0)
    # The sum of x and what it moved by is rounded to the dtype.
    slack = 16 * PRECISION[dtype] * max(1, moved[0].size)
    reach = min(step * steps, np.inf if epsilon is None else epsilon)
    assert np.all(norm_of(moved, norm) <= reach + slack)
    gain = (slope * moved).reshape(len(x), -1).sum(axis=1)
    if box:
        assert np.all(np.abs(wide(found)) <= 4)
        assert np.all(gain >= -4 * slack)
    else:
        dual = {NormType.L1: NormType.INFINITY, NormType.INFINITY: NormType.L1}.get(norm, norm)
        np.testing.assert_allclose(gain, reach * norm_of(slope, dual), atol=4 * slack)


def distances(a, b, config):
    axis = config.sum_over_axis
    if config.transform_fn is TransformType.SOFTMAX:
        a, b = (softmax(side, -1 if axis is None else axis) for side in (a, b))
    if config.distance_type is DistanceType.L1:
        return np.abs(a - b)
    if config.distance_type is DistanceType.L2:
        return np.square(a - b)

    def total(values):
        return values.sum(axis=axis, keepdims=True)

    if config.distance_type is DistanceType.COSINE:
        return 1 - total(a * b) / np.sqrt(total(a * a) * total(b * b))
    if config.distance_type is DistanceType.KL_DIVERGENCE:
        return total(rel_entr(a, b))
    middle = (a + b) / 2
    return total(rel_entr(a, middle) + rel_entr(b, middle)) / 2


def reduce(each, weights, reduction):
    weighted, weights = each * weights, np.broadcast_to(weights, each.shape)
    if reduction is Reduction.NONE:
        return weighted
    divisor = {
        Reduction.SUM: 1,
        Reduction.MEAN: weights.sum(),
        Reduction.SUM_OVER_BATCH_SIZE: weighted.size,
        Reduction.SUM_BY_NONZERO_WEIGHTS: np.count_nonzero(weights),
    }[reduction]
    return weighted.sum() / divisor if divisor else 0.0


@EXAMPLES
@hypothesis.given(hnp.array_shapes(min_dims=2, max_dims=4, max_side=3), DTYPES, DTYPES, st.data())
def test_pairwise_distance(shape, dtype, other_dtype, data):
    # Cosine and divergences are of positive numbers, and have a floor where these come near 0.
    a, b = (data.draw(arrays(shape, 1, 4)) for _ in range(2))
    axes = list(range(-len(shape), len(shape)))
    kind = data.draw(st.sampled_from(DistanceType))
    elementwise = kind in (DistanceType.L1, DistanceType.L2)
    axis = data.draw(st.sampled_from([None, *axes] if elementwise else axes))
    config = DistanceConfig(
        kind, data.draw(st.sampled_from(Reduction)), axis, data.draw(st.sampled_from(TransformType))
    )
    sizes = [data.draw(st.sampled_from([1, size])) for size in shape]
    if axis is not None:
        sizes[axis] = 1
    weights = data.draw(st.one_of(arrays([], 0), arrays(sizes, 0)))
    found = lib.pairwise_distance_wrapper(
        tf.constant(a, dtype), tf.constant(b, other_dtype), weights, config
    )
    assert found.dtype == (tf.float64 if tf.float64 in (dtype, other_dtype) else tf.float32)
    expected = reduce(distances(a, b, config), weights, config.reduction)
    if elementwise and axis is not None and config.reduction not in (Reduction.NONE, Reduction.SUM):
        expected *= shape[axis]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@EXAMPLES
@hypothesis.given(hnp.array_shapes(min_dims=2, max_dims=3, max_side=4), DTYPES, st.data())
def test_divergences_of_what_softmax_gives(shape, dtype, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    p, q = (tf.nn.softmax(tf.constant(data.draw(arrays(shape)), dtype), axis) for _ in range(2))
    reduction = data.draw(st.sampled_from(Reduction))
    sizes = list(shape)
    sizes[axis] = 1
    weights = data.draw(st.one_of(arrays([], 0), arrays(sizes, 0)))
    for function, kind in (
        (lib.kl_divergence, DistanceType.KL_DIVERGENCE),
        (lib.jensen_shannon_divergence, DistanceType.JENSEN_SHANNON_DIVERGENCE),
    ):
        found = function(p, q, axis, weights, reduction=reduction)
        each = distances(wide(p), wide(q), DistanceConfig(kind, sum_over_axis=axis))
        np.testing.assert_allclose(found, reduce(each, weights, reduction), rtol=1e-3, atol=1e-5)
