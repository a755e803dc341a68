"""From a Schema to the specification that TensorFlow parses tf.Examples with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io.missing import why_no_file

_DTYPES = {
    schema_pb2.FeatureType.FLOAT: tf.float32,
    schema_pb2.FeatureType.INT: tf.int64,
    schema_pb2.FeatureType.BYTES: tf.string,
}
_MISSING = {tf.float32: 0.0, tf.int64: 0, tf.string: ""}


def read_schema(path: str) -> schema_pb2.Schema:
    """Reads a Schema in text form, as SchemaGen writes it.

    Args:
        path: The file, or the folder of a Schema artifact.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Schema.
    """
    if tf.io.gfile.isdir(path):
        path = f"{path.rstrip('/')}/schema.pbtxt"
    try:
        with tf.io.gfile.GFile(path) as file:
            return text_format.Parse(file.read(), schema_pb2.Schema())
    except tf.errors.NotFoundError:
        raise FileNotFoundError(
            f"Expected a Schema as SchemaGen writes it. Received: {path}, {why_no_file(path)}"
        ) from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(
            f"Expected a Schema in text form, as SchemaGen writes it. Received: {path} ({error})."
        ) from error


def parsing_spec(
    schema: schema_pb2.Schema,
    features: Iterable[str] | None = None,
    missing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the specification for `tf.io.parse_example`.

    A feature whose number of values is fixed (by a shape, or by equal bounds of the value count)
    becomes dense; where examples may lack it, the gaps are filled. Other features become sparse.

    Args:
        schema: Describes the examples.
        features: Names of the features to read; all when None.
        missing: What stands for an absent value, by feature name; else 0, 0.0 or "".

    Returns:
        Feature name to `tf.io.FixedLenFeature` or `tf.io.VarLenFeature`.

    Raises:
        ValueError: The schema lacks a feature, or a feature is neither float, int nor bytes.
    """
    by_name = {feature.name: feature for feature in schema.feature}
    names = list(by_name) if features is None else list(features)
    absent = [name for name in names if name not in by_name]
    if absent:
        raise ValueError(
            f"Expected features of the schema: {', '.join(by_name)}. Received: {', '.join(absent)}."
        )
    return {name: _feature_spec(by_name[name], (missing or {}).get(name)) for name in names}


def _feature_spec(feature: schema_pb2.Feature, missing: Any) -> Any:
    if feature.type not in _DTYPES:
        kind = schema_pb2.FeatureType.Name(feature.type)
        raise ValueError(
            f"Expected feature {feature.name!r} of type FLOAT, INT or BYTES. Received: {kind}."
        )
    dtype = _DTYPES[feature.type]
    shape = _fixed_shape(feature)
    if shape is None:
        return tf.io.VarLenFeature(dtype)
    if feature.presence.min_fraction == 1:
        return tf.io.FixedLenFeature(shape, dtype)
    filler = _MISSING[dtype] if missing is None else missing
    return tf.io.FixedLenFeature(shape, dtype, default_value=tf.fill(shape, filler).numpy())


def _fixed_shape(feature: schema_pb2.Feature) -> list[int] | None:
    if feature.HasField("shape"):
        return [dim.size for dim in feature.shape.dim]
    count = feature.value_count
    if feature.HasField("value_count") and 0 < count.min == count.max:
        return [count.min]
    return None
