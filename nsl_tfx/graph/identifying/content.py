"""What a tf.Example holds beside its id, in the one form that this content has.

A content is a set of features, each with its type and its values. Its form is that of protobuf,
with features by ascending name, and numbers packed and in as few bytes as they take. The library's
own deterministic form would not do: its versions order a name and what begins with it differently.
What an example may hold beyond its content is left out: unknown fields, and features without a
type, which readers take for absent.
"""

from __future__ import annotations

import bisect
import functools
import re
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from nsl_tfx.io.wire import (
    Layout,
    Split,
    Splitter,
    encode_varint,
    entry_header,
    features_header,
    join_features,
)

# The tags of the three types, and of the values in each of them.
_BYTES, _FLOATS, _INTEGERS = 0x0A, 0x12, 0x1A
_VALUES = b"\x0a"
# Integers in more bytes than they take, or with more bits than there are.
_ODD_INTEGERS = re.compile(rb"[\x80-\xff]\x00|[\x80-\xff]{9}[\x02-\x7f]|[\x80-\xff]{10}")


class Content(NamedTuple):
    """A tf.Example, apart from its id.

    Attributes:
        before: The features whose names come before the id's, serialized.
        after: The others.
        identity: The value of the id's feature, serialized; None where the example lacks it.
    """

    before: bytes
    after: bytes
    identity: bytes | None


class ContentReader:
    """Reads the contents of serialized tf.Examples.

    Args:
        id_feature: The feature that holds the id.

    Example:
        >>> ContentReader("id").read(b"")
        Content(before=b'', after=b'', identity=None)
    """

    def __init__(self, id_feature: str):
        self._name = id_feature.encode()
        self._splitter = Splitter()

    def read(self, record: bytes) -> Content:
        """Returns an example's content.

        Raises:
            ValueError: The record is no tf.Example.
        """
        split = self._split(record)
        for header, begin in split.features:
            if not _is_canonical(split.record, begin, header.size):
                split = self._splitter.split(_normalize_values(split))
                break
        record, features, layout = split.record, split.features, split.layout
        place, is_there = _place_of(layout, self._name)
        if not features:
            return Content(b"", b"", None)
        start = features[0][1] - features[0][0].width
        if place == len(features):
            return Content(record[start:], b"", None)
        header, begin = features[place]
        before = record[start : begin - header.width]
        if not is_there:
            return Content(before, record[begin - header.width :], None)
        end = begin + header.size
        return Content(before, record[end:], record[begin:end])

    def write(self, content: Content, identity: bytes) -> bytes:
        """Returns the serialized example of a content and an id."""
        header = _bytes_header(self._name, len(identity))
        size = len(content.before) + len(header) + len(identity) + len(content.after)
        return b"".join((features_header(size), content.before, header, identity, content.after))

    def _split(self, record: bytes) -> Split:
        try:
            split = self._splitter.split(record)
        except (ValueError, SystemError):  # the latter as below
            raise _no_example() from None
        # Written in an odd way, and not merely in another order.
        if split.record is not record and not record.startswith(_example_head(len(record))):
            _merge(_example_type()(), record)
        return split


def _is_canonical(record: bytes, begin: int, size: int) -> bool:
    """Tells whether a feature's value is surely in canonical form."""
    if size == 2:
        return record[begin] in (_BYTES, _FLOATS, _INTEGERS) and not record[begin + 1]
    head, payload = _list_head(size)
    if not payload or not record.startswith(head, begin + 1):
        return False
    kind = record[begin]
    if kind == _BYTES:
        return True
    if kind == _FLOATS:
        return not payload % 4
    end = begin + size
    return (
        kind == _INTEGERS
        and record[end - 1] < 0x80
        and _ODD_INTEGERS.search(record, end - payload, end) is None
    )


@functools.lru_cache(maxsize=1 << 14)
def _list_head(size: int) -> tuple[bytes, int]:
    """Returns what follows the type in a feature of one value or packed ones, and their bytes."""
    content = _length_within(size - 1)
    payload = _length_within(content - 1) if content > 1 else -1
    if payload < 0:
        return b"", 0
    return encode_varint(content) + _VALUES + encode_varint(payload), payload


@functools.lru_cache(maxsize=1 << 14)
def _example_head(size: int) -> bytes:
    """Returns what a tf.Example of so many bytes begins with, where it is one field."""
    length = _length_within(size - 1)
    return features_header(length) if length >= 0 else b"no example begins like this"


def _length_within(size: int) -> int:
    """Returns the length of what takes `size` bytes with its length before it; -1 for none."""
    for width in range(1, 6):
        length = size - width
        if length >= 0 and len(encode_varint(length)) == width:
            return length
    return -1


@functools.lru_cache(maxsize=1 << 14)
def _bytes_header(name: bytes, size: int) -> bytes:
    """Returns what stands before the only value, of `size` bytes, of a feature."""
    values = _VALUES + encode_varint(size)
    kind = bytes([_BYTES]) + encode_varint(len(values) + size)
    return entry_header(name, len(kind) + len(values) + size) + kind + values


@functools.lru_cache(maxsize=1 << 10)
def _place_of(layout: Layout, name: bytes) -> tuple[int, bool]:
    """Returns where a feature stands or would stand, and whether it is there."""
    place = bisect.bisect_left(layout.names, name)
    return place, layout.names[place : place + 1] == (name,)


def _normalize_values(split: Split) -> bytes:
    values = (
        (header.name, _normalize(split.record[begin : begin + header.size]))
        for header, begin in split.features
    )
    return join_features((name, value) for name, value in values if value)


def _normalize(value: bytes) -> bytes:
    feature = _merge(_feature_type()(), value)
    feature.DiscardUnknownFields()
    return bytes(feature.SerializeToString(deterministic=True))


def _merge(message: Any, record: bytes) -> Any:
    # Of bytes that look like the end of a group, older protobuf reads what comes before them, and
    # tells by the number of bytes, and by a warning, that this was not all.
    try:
        whole = message.MergeFromString(record) == len(record)
    except (DecodeError, SystemError):  # the latter where warnings are errors
        whole = False
    if not whole:
        raise _no_example()
    return message


def _no_example() -> ValueError:
    return ValueError("Expected a serialized tf.Example. Received something else")


# TensorFlow takes seconds to load; only examples that are written in an odd way need it.
def _example_type() -> Any:
    from tensorflow.core.example import example_pb2

    return example_pb2.Example


def _feature_type() -> Any:
    from tensorflow.core.example import feature_pb2

    return feature_pb2.Feature
