"""The layers' settings, checked where they are given."""

from __future__ import annotations

from typing import Any, TypeVar

import tensorflow as tf

from nsl_tfx.configs.base import Config

ConfigT = TypeVar("ConfigT", bound=Config)


def check_config(name: str, value: Any, expected: type[ConfigT]) -> ConfigT:
    """Returns a config of the expected type.

    Args:
        name: The argument that it was given as.
        value: What was given.
        expected: The type of config that it has to be.

    Raises:
        TypeError: It is something else; the message says where to find the right one.
    """
    if isinstance(value, expected):
        return value
    kind = expected.__name__
    # A graph regularization's config holds both of the layers' configs, under these names.
    inside = isinstance(getattr(value, name, None), expected)
    cure = f"Pass its field {name}" if inside else f"Make one with nsl_tfx.configs.{kind}(...)"
    raise TypeError(f"Expected {name} to be a {kind}. Received: {value!r}. {cure}.")


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
