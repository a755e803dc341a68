"""Random arrays of which each row is drawn by a seed of its own.

What a row draws does not depend on the batch that it is in.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.lib import draws

Seeds = NDArray[np.uint32]
"""Two numbers for each row, `[rows, 2]`, such as `content_seeds` gives."""


def require_seeds(seeds: Any, rows: int) -> Seeds:
    """Returns seeds as an array.

    Args:
        seeds: `[rows, 2]`, integers of 32 bits.
        rows: How many.

    Raises:
        ValueError: They are of another shape or dtype.
    """
    found = np.asarray(seeds)
    if found.shape != (rows, 2) or found.dtype not in (np.uint32, np.int32):
        raise ValueError(
            f"Expected seeds as uint32 of shape [{rows}, 2], two for each row. Received: "
            f"{found.dtype} of shape {list(found.shape)}."
        )
    return np.ascontiguousarray(found).view(np.uint32)


def fork(seeds: Seeds, name: str) -> Seeds:
    """Returns other seeds, which the name decides about.

    Example:
        >>> seeds = np.array([[1, 2]], np.uint32)
        >>> bool((fork(seeds, "a") == fork(seeds, "b")).any())
        False
    """
    # Not Python's hash, which each process salts anew; and 31 bits, for a signed number.
    number = zlib.crc32(name.encode()) >> 1
    return draws.fold_in(_signed(seeds), number).numpy().view(np.uint32)


def uniform(seeds: Seeds, shape: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Draws evenly from [0, 1), `[rows, *shape]`."""
    like = tf.zeros([len(seeds), *shape], tf.float64)
    return draws.uniform(like, _signed(seeds)).numpy()


def integers(seeds: Seeds, shape: tuple[int, ...], count: int) -> NDArray[np.int64]:
    """Draws evenly from 0 to `count - 1`, `[rows, *shape]`.

    Example:
        >>> seeds = np.array([[1, 2], [3, 4]], np.uint32)
        >>> integers(seeds, (3,), 1).tolist()
        [[0, 0, 0], [0, 0, 0]]
    """
    return np.floor(uniform(seeds, shape) * count).astype(np.int64)


def normal(seeds: Seeds, shape: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """Draws from the standard normal distribution, `[rows, *shape]`."""
    return draws.normal(tf.zeros([len(seeds), *shape]), _signed(seeds)).numpy()


def _signed(seeds: Seeds) -> tf.Tensor:
    return tf.constant(seeds.view(np.int32))
