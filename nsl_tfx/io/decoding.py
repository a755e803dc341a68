"""Named features of serialized tf.Examples, as Arrow columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from nsl_tfx.io.tfrecords import RecordBlock

_KINDS = {
    schema_pb2.BYTES: "bytes",
    schema_pb2.FLOAT: "floats",
    schema_pb2.INT: "integers",
}


def decode_features(
    block: RecordBlock, features: Iterable[str], schema: schema_pb2.Schema | None = None
) -> pa.RecordBatch:
    """Returns a column of lists for each named feature; what else the examples hold is skipped.

    A list holds large_binary, float or int64, and is null where an example lacks the feature. With
    a schema its declared types hold. Without, types are as found: a feature that no example of the
    block has gives a column of type null, and two blocks may differ; `DecodeFeatures` in
    `nsl_tfx.io.beam_records` refuses that.

    Args:
        block: The records and where they come from.
        features: Names of the features; a name given twice gives one column.
        schema: Describes the examples.

    Raises:
        ValueError: A record is no tf.Example, or holds a feature of another type than the schema or
            than other records; the message names file and record. Or the schema lacks a feature, or
            declares one that is neither float, int nor bytes.

    Example:
        >>> decode_features(("file", 0, [b"", b""]), ["id"])["id"].null_count
        2
    """
    names = tuple(dict.fromkeys(features))
    if schema is not None:
        return _decode(block, declared_types(schema, names))
    columns = [_decode_as_found(block, name) for name in names]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def declared_types(schema: schema_pb2.Schema, features: Sequence[str]) -> dict[str, int]:
    """Returns the type that a schema declares for each named feature.

    Raises:
        ValueError: The schema lacks a feature, or declares one that is neither float, int nor
            bytes.
    """
    types = {feature.name: feature.type for feature in schema.feature}
    absent = [name for name in features if name not in types]
    if absent:
        raise ValueError(
            f"Expected features of the schema: {', '.join(types)}. Received: {', '.join(absent)}."
        )
    for name in features:
        if types[name] not in _KINDS:
            kind = schema_pb2.FeatureType.Name(types[name])
            raise ValueError(
                f"Expected feature {name!r} of type FLOAT, INT or BYTES. Received: {kind}."
            )
    return {name: types[name] for name in features}


def find_type(record: bytes, feature: str) -> int | None:
    """Returns the type of a feature in one serialized tf.Example; None where it is absent.

    Raises:
        ValueError: The record is no tf.Example.
    """
    for kind in _KINDS:
        try:
            column = _decode_batch([record], {feature: kind}).column(0)
        except RuntimeError:
            continue
        return None if column.null_count else kind
    raise ValueError("no tf.Example")


def type_name(kind: int) -> str:
    """Returns what an error calls a type of features.

    Example:
        >>> type_name(schema_pb2.INT)
        'integers'
    """
    return _KINDS[kind]


def _decode_batch(records: Sequence[bytes], types: Mapping[str, int]) -> pa.RecordBatch:
    schema = schema_pb2.Schema()
    for name, kind in types.items():
        schema.feature.add(name=name, type=kind)
    # A new decoder every time: one that has failed puts the rows that it had read by then before
    # those of its next batch.
    return example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString()).DecodeBatch(
        records
    )


def _decode(block: RecordBlock, types: Mapping[str, int]) -> pa.RecordBatch:
    try:
        return _decode_batch(block[2], types)
    except RuntimeError as error:
        raise _fault(block, types) or error from None


def _decode_as_found(block: RecordBlock, name: str) -> pa.Array:
    # One attempt a type: a wrong one fails at the first record that has the feature, and no
    # attempt looks at the values of other features, as a decoder without any schema would.
    for kind in _KINDS:
        try:
            column = _decode_batch(block[2], {name: kind}).column(0)
        except RuntimeError:
            continue
        return pa.nulls(len(column)) if column.null_count == len(column) else column
    raise _fault(block, {name: None}) or RuntimeError(f"Feature {name!r} could not be decoded.")


def _fault(block: RecordBlock, types: Mapping[str, int | None]) -> ValueError | None:
    """Finds the first record that does not fit; without an expected type, that of the first."""
    file, first, records = block
    wanted = {name: (kind, "as the schema declares") for name, kind in types.items()}
    for number, record in enumerate(records, first):
        where = f"record {number} (counted from 0) of {file}"
        for name in types:
            try:
                found = find_type(record, name)
            except ValueError:
                return ValueError(
                    f"Expected serialized tf.Examples. Received something else in {where}. "
                    "Leave the file out, or write it anew."
                )
            kind, why = wanted[name]
            if kind is None:
                wanted[name] = (found, f"as in {where}")
            elif found not in (None, kind):
                return ValueError(
                    f"Expected {type_name(kind)} in the feature {name!r}, {why}. Received: "
                    f"{type_name(found)} in {where}. Write the feature with one type."
                )
    return None
