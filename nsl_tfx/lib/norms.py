"""Norms, balls and steepest directions of batched features.

Everywhere, a "structure" is a tensor `[batch, ...]` or a dict or list of such tensors that together
are one input of a model. An example's norm is taken over all its elements in all tensors, which may
differ in dtype. Half precision is left for the time of the computation: float16 cannot hold the
square of 300, nor bfloat16 a sum of 300 ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import NormType
from nsl_tfx.lib import draws
from nsl_tfx.lib.casting import expand_like, flatten_rows, to_dtype, wide_dtype


def normalize(tensor: tf.Tensor, norm_type: NormType | str, epsilon: float = 1e-6) -> tf.Tensor:
    """Scales each example to norm 1.

    Args:
        tensor: `[batch, ...]`, floating.
        norm_type: The norm.
        epsilon: Smallest norm that is divided by, so that zeros stay zeros.

    Returns:
        A tensor of the same shape.

    Example:
        >>> normalize(tf.constant([[3.0, 4.0]]), "l2").numpy().tolist()
        [[0.6..., 0.8...]]
    """
    (tensor,), pack = _unpack(tf.convert_to_tensor(tensor))
    norm = tf.maximum(_example_norm([tensor], NormType(norm_type)), to_dtype(epsilon, tensor.dtype))
    return pack([tensor / expand_like(norm, tensor)])


def maximize_within_unit_norm(
    weights: Any, norm_type: NormType | str, epsilon: float = 1e-6
) -> Any:
    """Finds the perturbation of norm 1 whose inner product with the weights is the largest.

    For the infinity norm that is the sign; for L2 the weights scaled to norm 1; for L1 one unit on
    the element that is the largest in magnitude, shared evenly among ties.

    Args:
        weights: A structure, usually a gradient.
        norm_type: The norm that the perturbation has.
        epsilon: Smallest L2 norm that is divided by.

    Returns:
        The same structure; zero for an example whose weights are all zero.

    Example:
        >>> maximize_within_unit_norm(tf.constant([[3.0, -4.0]]), "l1").numpy().tolist()
        [[0.0, -1.0]]
    """
    norm_type = NormType(norm_type)
    tensors, pack = _unpack(weights)
    if norm_type is NormType.INFINITY:
        found = [tf.sign(tensor) for tensor in tensors]
    elif norm_type is NormType.L2:
        floor = to_dtype(epsilon, tensors[0].dtype)
        norm = tf.maximum(_example_norm(tensors, norm_type), floor)
        found = [tensor / expand_like(norm, tensor) for tensor in tensors]
    else:
        largest = _example_norm(tensors, NormType.INFINITY)
        hits = [
            tf.cast(tf.abs(tensor) == expand_like(largest, tensor), tensor.dtype) * tf.sign(tensor)
            for tensor in tensors
        ]
        ties = tf.maximum(_example_norm(hits, NormType.L1), tf.cast(1, tensors[0].dtype))
        found = [hit / expand_like(ties, hit) for hit in hits]
    return pack(found)


def project_to_ball(
    tensors: Any, radius: float | tf.Tensor, norm_type: NormType | str, epsilon: float = 1e-6
) -> Any:
    """Moves each example to the nearest point of the ball around zero.

    The projection to the L1 ball follows Duchi et al. 2008, "Efficient projections onto the
    l1-ball for learning in high dimensions", figure 1.

    Args:
        tensors: A structure.
        radius: Radius of the ball, in the tensors' units.
        norm_type: The ball's norm.
        epsilon: Smallest L2 norm that is divided by.

    Returns:
        The same structure, unchanged for examples inside the ball.

    Example:
        >>> project_to_ball(tf.constant([[3.0, 1.0]]), 1.0, "l1").numpy().tolist()
        [[1.0, 0.0]]
    """
    norm_type = NormType(norm_type)
    flat, pack = _unpack(tensors)
    radius = to_dtype(radius, flat[0].dtype)
    if norm_type is NormType.INFINITY:
        projected = [tf.clip_by_value(tensor, -radius, radius) for tensor in flat]
    elif norm_type is NormType.L2:
        norm = tf.maximum(_example_norm(flat, norm_type), to_dtype(epsilon, flat[0].dtype))
        scale = tf.minimum(radius / norm, tf.ones_like(norm))
        projected = [tensor * expand_like(scale, tensor) for tensor in flat]
    else:
        projected = _shrink_to_l1_ball(flat, radius)
    return pack(projected)


def example_norm(tensors: Any, norm_type: NormType | str) -> tf.Tensor:
    """Measures each example.

    Args:
        tensors: A structure.
        norm_type: The norm.

    Returns:
        `[batch]`, in float64 if one of the tensors is, else in float32. That of zeros is 0 up to
        1e-18.

    Example:
        >>> example_norm({"a": tf.constant([[3.0]]), "b": tf.constant([[-4.0]])}, "l2").numpy()
        array([5.], dtype=float32)
    """
    flat, _ = _unpack(tensors)
    return _example_norm(flat, NormType(norm_type))


def random_in_norm_ball(
    tensor_structure: Any,
    radius: float | tf.Tensor,
    norm_type: NormType | str,
    seed: Any = None,
) -> Any:
    """Draws a point of the ball around zero for each example, uniformly by volume.

    L2 and L1 follow Barthe et al. 2005, "A probabilistic approach to the geometry of the l_p^n
    ball", theorem 1: a vector of the matching density is divided by its norm, enlarged by an
    exponential variable.

    Args:
        tensor_structure: A structure that gives shapes and dtypes.
        radius: Radius of the ball.
        norm_type: The ball's norm.
        seed: Two integers, or two for each example; the same seed gives the same point, under XLA
            too. Random when None.

    Returns:
        The same structure.
    """
    norm_type = NormType(norm_type)
    flat, pack = _unpack(tensor_structure)
    radius = to_dtype(radius, flat[0].dtype)
    seeds = _split_seed(seed, len(flat) + 1)
    if norm_type is NormType.INFINITY:
        points = [radius * _uniform(t, s) for t, s in zip(flat, seeds, strict=False)]
        return pack(points)
    rows = tf.zeros(tf.shape(flat[0])[:1])
    exponential = tf.cast(-tf.math.log1p(-draws.uniform(rows, seeds[-1])), flat[0].dtype)
    if norm_type is NormType.L2:
        drawn = [draws.normal(t, s) for t, s in zip(flat, seeds, strict=False)]
        # The density exp(-x^2/2) goes with an exponential variable of mean 2.
        norm = tf.sqrt(tf.square(_example_norm(drawn, norm_type)) + 2 * exponential)
    else:
        drawn = [_laplace(t, s) for t, s in zip(flat, seeds, strict=False)]
        norm = _example_norm(drawn, norm_type) + exponential
    points = [draw * expand_like(radius / norm, draw) for draw in drawn]
    return pack(points)


def random_normal(tensors: Mapping[str, tf.Tensor], seed: Any = None) -> dict[str, tf.Tensor]:
    """Draws from the standard normal distribution.

    Args:
        tensors: Give shapes and dtypes, by name.
        seed: Two integers, or two for each example; the same seed gives the same draws, under XLA
            too. Random when None.

    Example:
        >>> x = {"x": tf.zeros([2, 3])}
        >>> bool(tf.reduce_all(random_normal(x, [0, 1])["x"] == random_normal(x, [0, 1])["x"]))
        True
    """
    seeds = _split_seed(seed, len(tensors))
    return {name: draws.normal(t, s) for (name, t), s in zip(tensors.items(), seeds, strict=True)}


def _unpack(structure: Any) -> tuple[list[tf.Tensor], Callable[[list[tf.Tensor]], Any]]:
    """Returns a structure's tensors in one dtype that is wide enough, and the way back."""
    leaves = [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(structure)]
    for leaf in leaves:
        if not leaf.dtype.is_floating:
            raise TypeError(f"Expected floating tensors. Received: {leaf.dtype.name}.")
    dtype = wide_dtype(leaves)

    def pack(found: list[tf.Tensor]) -> Any:
        own = [tf.cast(value, leaf.dtype) for value, leaf in zip(found, leaves, strict=True)]
        return tf.nest.pack_sequence_as(structure, own)

    return [tf.cast(leaf, dtype) for leaf in leaves], pack


def _example_norm(tensors: list[tf.Tensor], norm_type: NormType) -> tf.Tensor:
    """Returns `[batch]`: the norm of each example over all tensors."""
    rows = [flatten_rows(tensor) for tensor in tensors]
    if norm_type is NormType.INFINITY:
        return tf.reduce_max(tf.stack([_row_max(tf.abs(row)) for row in rows]), axis=0)
    if norm_type is NormType.L1:
        return tf.add_n([tf.reduce_sum(tf.abs(row), axis=1) for row in rows])
    squares = tf.add_n([tf.reduce_sum(tf.square(row), axis=1) for row in rows])
    # The root is infinitely steep at 0, where XLA would make the gradient NaN.
    return tf.sqrt(tf.maximum(squares, 1e-37))


def _row_max(rows: tf.Tensor) -> tf.Tensor:
    """Returns the largest element of each row, at least 0: that of none would be -infinity."""
    return tf.maximum(tf.reduce_max(rows, axis=1), tf.cast(0, rows.dtype))


def _shrink_to_l1_ball(tensors: list[tf.Tensor], radius: tf.Tensor) -> list[tf.Tensor]:
    rows = [flatten_rows(tensor) for tensor in tensors]
    together = tf.concat(rows, axis=1)
    magnitudes = tf.sort(tf.abs(together), axis=1, direction="DESCENDING")
    excess = tf.cumsum(magnitudes, axis=1) - radius
    counts = tf.cast(tf.range(1, tf.shape(together)[1] + 1), together.dtype)
    # The threshold is the excess spread over the elements above it. Spread over fewer or more of
    # the largest ones, it is lower.
    threshold = _row_max(excess / counts)[:, None]
    shrunk = tf.sign(together) * tf.maximum(tf.abs(together) - threshold, 0)
    parts = tf.split(shrunk, [tf.shape(row)[1] for row in rows], axis=1)
    return [
        tf.ensure_shape(tf.reshape(part, tf.shape(tensor)), tensor.shape)
        for part, tensor in zip(parts, tensors, strict=True)
    ]


def _split_seed(seed: Any, count: int) -> list[tf.Tensor]:
    return tf.unstack(draws.split_seed(draws.random_seed() if seed is None else seed, count))


def _uniform(tensor: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return 2 * draws.uniform(tensor, seed) - 1


def _laplace(tensor: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    uniform = _uniform(tensor, seed)
    # log1p of at most one float32 step below 1 keeps the draw finite.
    magnitude = -tf.math.log1p(-tf.minimum(tf.abs(uniform), 1 - 1e-7))
    return tf.sign(uniform) * magnitude
