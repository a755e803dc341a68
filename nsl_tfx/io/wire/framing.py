"""tf.Examples and their parts as bytes: what stands before a value, and lengths."""

from __future__ import annotations

from collections.abc import Iterable

# Field 1 or 2 of a message, of a type that has a length.
FIRST = 0x0A
SECOND = 0x12
_FIRST_TAG = b"\x0a"
_SECOND_TAG = b"\x12"
MORE = 0x80
_SMALL = [bytes([number]) for number in range(MORE)]


def join_features(features: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns the serialized tf.Example of names and values, in their order.

    Example:
        >>> join_features([])
        b''
    """
    parts: list[bytes] = []
    for name, value in features:
        parts += [entry_header(name, len(value)), value]
    return frame_features(parts)


def frame_features(parts: list[bytes]) -> bytes:
    """Returns the serialized tf.Example whose entries are the parts, joined."""
    if not parts:
        return b""
    size = sum(map(len, parts))
    return b"".join([features_header(size), *parts])


def features_header(size: int) -> bytes:
    """Returns what stands before the entries of a tf.Example, which have `size` bytes."""
    return _FIRST_TAG + encode_varint(size)


def entry_header(name: bytes, size: int) -> bytes:
    """Returns what stands before a feature's value, which has `size` bytes."""
    inside = b"".join(
        (_FIRST_TAG, encode_varint(len(name)), name, _SECOND_TAG, encode_varint(size))
    )
    return b"".join((_FIRST_TAG, encode_varint(len(inside) + size), inside))


def encode_varint(number: int) -> bytes:
    r"""Returns a number that is not negative as bytes of seven bits, the lowest first.

    Example:
        >>> encode_varint(300)
        b'\xac\x02'
    """
    if number < MORE:
        return _SMALL[number]
    result = bytearray()
    while number >= MORE:
        result.append(number & 0x7F | MORE)
        number >>= 7
    result.append(number)
    return bytes(result)
