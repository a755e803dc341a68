"""Random numbers that a seed fixes: of a whole batch, or of each of its rows by itself.

A seed is two integers, `[2]`, or two for each row, `[batch, 2]`. What a row draws by a seed of its
own does not depend on the batch that it is in. The same seed gives the same numbers under XLA too.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

# XLA would choose another generator than TensorFlow, and so another number for the same seed.
_GENERATOR = "philox"
# The increment and the two factors of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom
# number generators"), as signed numbers: of these, GPUs have a multiplication.
_INCREMENT = 0x9E3779B97F4A7C15 - 2**64
_FACTORS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_BITS = {tf.float32: 24, tf.float64: 53}


def random_seed() -> tf.Tensor:
    """Returns a seed `[2]` that TensorFlow's own generator draws."""
    return tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)


def split_seed(seed: Any, count: int) -> tf.Tensor:
    """Returns several seeds instead of one, `[count, 2]` or `[count, batch, 2]`."""
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        return tf.random.split(seed, count, _GENERATOR)
    return tf.stack([fold_in(seed, i) for i in range(count)])


def fold_in(seed: Any, number: Any) -> tf.Tensor:
    """Returns another seed for each number, of the same shape as the seed."""
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        return tf.random.fold_in(seed, number, _GENERATOR)
    mixed = _mix(_mix(tf.bitcast(seed, tf.int64)) + (tf.cast(number, tf.int64) + 1) * _INCREMENT)
    return tf.bitcast(mixed, tf.int32)


def uniform(like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws evenly from [0, 1).

    Args:
        like: Gives the shape `[batch, ...]` and the dtype.
        seed: `[2]` or `[batch, 2]`.

    Example:
        >>> seeds = tf.constant([[1, 2], [3, 4], [1, 2]])
        >>> a, b, c = uniform(tf.zeros([3, 2]), seeds).numpy().tolist()
        >>> a == c, a == b
        (True, False)
    """
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        return tf.random.stateless_uniform(tf.shape(like), seed, dtype=like.dtype, alg=_GENERATOR)
    return tf.cast(_row_uniform(like, seed, 0), like.dtype)


def normal(like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws from the standard normal distribution; see `uniform`."""
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        return tf.random.stateless_normal(tf.shape(like), seed, dtype=like.dtype, alg=_GENERATOR)
    # Box and Muller 1958, "A note on the generation of random normal deviates".
    length = tf.sqrt(-2 * tf.math.log1p(-_row_uniform(like, seed, 0)))
    return tf.cast(length * tf.cos(2 * math.pi * _row_uniform(like, seed, 1)), like.dtype)


def _row_uniform(like: tf.Tensor, seed: tf.Tensor, stream: int) -> tf.Tensor:
    """Draws evenly from [0, 1), in float32 or float64: SplitMix64 for each row."""
    per_row = tf.reduce_prod(tf.shape(like, tf.int64)[1:])
    start = _mix(tf.bitcast(seed, tf.int64) + stream * _FACTORS[0])[:, tf.newaxis]
    found = _mix(start + (tf.range(per_row) + 1)[tf.newaxis] * _INCREMENT)
    dtype = like.dtype if like.dtype in _BITS else tf.float32
    bits = _BITS[dtype]
    share = tf.cast(_shift(found, 64 - bits), dtype) * 2.0**-bits
    return tf.reshape(share, tf.shape(like))


def _mix(x: tf.Tensor) -> tf.Tensor:
    """SplitMix64's output function, of int64 for its bits."""
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        x = tf.bitwise.bitwise_xor(x, _shift(x, shift)) * factor
    return tf.bitwise.bitwise_xor(x, _shift(x, 31))


def _shift(x: tf.Tensor, bits: int) -> tf.Tensor:
    """Shifts to the right; zeros come from the left, as they do for an unsigned number."""
    mask = tf.constant(2 ** (64 - bits) - 1, x.dtype)
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(x, tf.constant(bits, x.dtype)), mask)
