"""The id of a tf.Example: reading it, making it of the example's content, describing it.

An id that is made is the hexadecimal BLAKE2b digest (128 bits) of what the example holds, in the
form of `nsl_tfx.graph.identifying.content`, so that it is the same wherever and whenever it is
made.
"""

from __future__ import annotations

import hashlib
import re

from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import ExistingIds, IdentifyConfig
from nsl_tfx.graph.identifying.content import Content
from nsl_tfx.io.wire import read_values

DIGEST_BYTES = 16

# What makes the digest of an example differ from that of an id, whatever both consist of.
_CONTENT = b"nsl_tfx content"
_ID = b"nsl_tfx id"
_MADE = re.compile(rb"([0-9a-f]{32})(?:-([1-9][0-9]{0,17}))?")


def read_id(content: Content, feature: str) -> bytes | int | None:
    """Returns an example's id, None where it has none or an empty one.

    Raises:
        ValueError: It has several, or one that is neither bytes nor an integer.
    """
    values = [] if content.identity is None else read_values(content.identity)
    if len(values) > 1:
        raise ValueError(
            f"Expected at most one value in the id's feature {feature!r}. Received: {len(values)}"
        )
    for value in values:
        if isinstance(value, float):
            raise ValueError(
                f"Expected bytes or an integer in the id's feature {feature!r}. Received: {value!r}"
            )
        return None if value == b"" else value
    return None


def digest_content(content: Content) -> bytes:
    """Returns the digest of what an example holds beside its id.

    Example:
        >>> digest_content(Content(b"", b"", None)).hex()
        '0ac5132dd4c3914420ae033ea0d7c3e4'
    """
    digest = hashlib.blake2b(content.before, digest_size=DIGEST_BYTES, person=_CONTENT)
    digest.update(content.after)
    return digest.digest()


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
