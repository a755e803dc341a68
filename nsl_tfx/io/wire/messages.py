"""Values of features, and examples that are written in an odd way, by the protobuf library."""

from __future__ import annotations

import warnings
from typing import Any

from nsl_tfx.io.wire.framing import FIRST, MORE, join_features


def normalize(record: bytes) -> bytes:
    """Returns the same tf.Example, written in the way that can be split.

    What the format allows and tf.Examples do not hold (unknown fields) is dropped.

    Raises:
        ValueError: The record is no tf.Example.
    """
    try:
        example = _parse(_example_type(), record)
        example.DiscardUnknownFields()
        values = {
            name.encode(): feature.SerializeToString(deterministic=True)
            for name, feature in example.features.feature.items()
        }
    except ValueError as error:
        raise ValueError(
            f"Expected a serialized tf.Example. Received {len(record)} bytes that are none "
            f"({error}). Write the records as tf.Examples, or name other files."
        ) from error
    return join_features(sorted(values.items()))


def read_values(value: bytes) -> list[bytes] | list[float] | list[int]:
    """Returns the values of a feature.

    Args:
        value: The feature, serialized.

    Raises:
        ValueError: It is no feature.
    """
    short = _short_bytes(value)
    if short is not None:
        return [short]
    try:
        feature = _parse(_feature_type(), value)
    except ValueError as error:
        raise ValueError(f"Expected the values of a feature. They are damaged ({error}).") from None
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def read_single(value: bytes) -> bytes | None:
    r"""Returns a feature's only value as bytes, an integer as its digits; None where it has none.

    Args:
        value: The feature, serialized.

    Raises:
        ValueError: It has several values, or one that is neither bytes nor an integer.

    Example:
        >>> read_single(b"\x0a\x04\x0a\x02me")
        b'me'
    """
    values = read_values(value)
    if len(values) > 1:
        raise ValueError(f"Expected at most one value. Received: {len(values)}.")
    if not values:
        return None
    (single,) = values
    if isinstance(single, float):
        raise ValueError(f"Expected bytes or an integer. Received: {single!r} (a float).")
    return single if isinstance(single, bytes) else b"%d" % single


def _short_bytes(value: bytes) -> bytes | None:
    """Returns the single bytes that a feature holds where both of its lengths take one byte."""
    size = len(value)
    if not (4 <= size < MORE and value[0] == FIRST == value[2]):
        return None
    return value[4:] if value[1] == size - 2 and value[3] == size - 4 else None


def _parse(message_type: Any, data: bytes) -> Any:
    """Returns a message.

    Raises:
        ValueError: The data are none.
    """
    from google.protobuf.message import DecodeError

    message = message_type()
    try:
        # Protobuf 3.20 stops at some damage with no more than a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            message.MergeFromString(data)
    except (DecodeError, SystemError) as error:
        raise ValueError(str(error.__cause__ or error)) from error
    return message


# TensorFlow takes seconds to load; only examples that are written in an odd way need it.
def _example_type() -> Any:
    from tensorflow.core.example import example_pb2

    return example_pb2.Example


def _feature_type() -> Any:
    from tensorflow.core.example import feature_pb2

    return feature_pb2.Feature
