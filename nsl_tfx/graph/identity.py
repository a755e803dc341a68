"""The id of a tf.Example: reading it, making it of the example's content, writing it.

An id that is made is the hexadecimal BLAKE2b digest (128 bits) of what the example holds, so that
it is the same wherever and whenever it is made. Its content is a set of features, each with its
type and its values; the protobuf library writes one in a single way (features by name, numbers
packed, unknown fields left out), whichever way it was read in.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import ExistingIds, IdentifyConfig

DIGEST_BYTES = 16

# What makes the digest of an example differ from that of an id, whatever both consist of.
_CONTENT = b"nsl_tfx content"
_ID = b"nsl_tfx id"
_MADE = re.compile(rb"([0-9a-f]{32})(?:-([1-9][0-9]{0,17}))?")


def parse_example(record: bytes) -> Any:
    """Returns a tf.Example without what tells nothing: unknown fields, features without a type.

    Raises:
        ValueError: The record is no tf.Example.
    """
    example = tf.train.Example()
    try:
        # Of bytes that look like the end of a group, older protobuf reads what comes before them,
        # and tells by the number of bytes, and by a warning, that this was not all.
        whole = example.MergeFromString(record) == len(record)
    except (DecodeError, SystemError):  # the latter where warnings are errors
        whole = False
    if not whole:
        raise ValueError("Expected a serialized tf.Example. Received something else")
    example.DiscardUnknownFields()
    without_type = []
    for name, feature in example.features.feature.items():
        if feature.WhichOneof("kind") is None:
            without_type.append(name)
        else:
            feature.DiscardUnknownFields()  # the call above does not reach into a map
    for name in without_type:
        del example.features.feature[name]
    return example


def read_id(example: Any, feature: str) -> bytes | int | None:
    """Returns an example's id, None where it has none or an empty one.

    Raises:
        ValueError: It has several, or one that is neither bytes nor an integer.
    """
    features = example.features.feature
    if feature not in features:  # asking for it would make it
        return None
    kind = features[feature].WhichOneof("kind")
    values = getattr(features[feature], kind).value
    if len(values) > 1:
        raise ValueError(
            f"Expected at most one value in the id's feature {feature!r}. Received: {len(values)}"
        )
    if kind == "float_list":
        raise ValueError(
            f"Expected bytes or an integer in the id's feature {feature!r}. Received: floats"
        )
    return values[0] if len(values) and values[0] != b"" else None


def digest_content(example: Any, id_feature: str) -> bytes:
    """Returns the digest of what an example holds beside its id, which is taken out of it.

    Example:
        >>> digest_content(parse_example(b""), "id").hex()
        '0ac5132dd4c3914420ae033ea0d7c3e4'
    """
    example.features.feature.pop(id_feature, None)
    content = example.features.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=_CONTENT).digest()


def digest_id(identity: bytes) -> bytes:
    """Returns the digest of an id."""
    return hashlib.blake2b(identity, digest_size=DIGEST_BYTES, person=_ID).digest()


def make_id(prefix: str, digest: bytes, number: int) -> bytes:
    """Returns the id of a copy, counted from 0, of the example with this digest of its content.

    Example:
        >>> make_id("x-", bytes(16), 0), make_id("", bytes(16), 2)[-4:]
        (b'x-00000000000000000000000000000000', b'00-2')
    """
    copy = f"-{number}" if number else ""
    return f"{prefix}{digest.hex()}{copy}".encode()


def undo_id(prefix: str, identity: bytes) -> tuple[bytes, int] | None:
    """Returns digest and number of an id of `make_id`; None of another.

    Example:
        >>> undo_id("", make_id("", bytes(16), 2)) == (bytes(16), 2)
        True
    """
    start = prefix.encode()
    match = _MADE.fullmatch(identity, len(start)) if identity.startswith(start) else None
    return (bytes.fromhex(match[1].decode()), int(match[2] or 0)) if match else None


def write_id(example: Any, feature: str, identity: bytes | int) -> bytes:
    """Returns the serialized example with an id."""
    example.features.feature[feature].Clear()
    if isinstance(identity, int):
        example.features.feature[feature].int64_list.value.append(identity)
    else:
        example.features.feature[feature].bytes_list.value.append(identity)
    return bytes(example.SerializeToString(deterministic=True))


def identify_schema(schema: schema_pb2.Schema, config: IdentifyConfig) -> schema_pb2.Schema:
    """Returns the Schema of the examples once each has an id: one value, always there.

    What the schema says of the values of the id's feature (a domain, a number of unique values) is
    dropped, since new ones come.

    Raises:
        ValueError: The schema declares a feature of that name that can hold no id.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    described = [feature for feature in result.feature if feature.name == config.id_feature]
    kind = schema_pb2.BYTES
    if described and config.existing is ExistingIds.KEEP:
        kind = described[0].type
        if kind not in (schema_pb2.BYTES, schema_pb2.INT):
            raise ValueError(
                f"Expected the id's feature {config.id_feature!r} of type BYTES or INT in the "
                f"Schema. Received: {schema_pb2.FeatureType.Name(kind)}. Name another feature in "
                "IdentifyConfig.id_feature, or replace what is there with existing='replace'."
            )
    identity = described[0] if described else result.feature.add()
    kept = schema_pb2.Feature(
        name=config.id_feature,
        type=kind,
        in_environment=identity.in_environment,
        not_in_environment=identity.not_in_environment,
    )
    if identity.HasField("annotation"):
        kept.annotation.CopyFrom(identity.annotation)
    kept.presence.min_fraction = 1.0
    kept.presence.min_count = 1
    kept.shape.dim.add().size = 1
    identity.CopyFrom(kept)
    return result
