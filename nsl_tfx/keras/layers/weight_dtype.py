"""The edge weights' dtype, checked where it is given."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def check_weight_dtype(value: Any) -> str:
    """Returns the name of the edge weights' dtype.

    Raises:
        ValueError: It is not floating: every weight below 1 would become 0, a missing neighbor's.
    """
    dtype = tf.as_dtype(value)
    if not dtype.is_floating:
        raise ValueError(
            "Expected weight_dtype to be floating: as integers, weights below 1 would be 0. "
            f"Received: weight_dtype={dtype.name!r}."
        )
    return dtype.name
