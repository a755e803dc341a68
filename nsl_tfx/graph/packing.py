"""Neighbors written into tf.Examples, and the Schema of the result."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, AugmentConfig, GraphNeighborConfig

# What a neighbor's copy of a feature does not share with the original: whether it is there at all
# (neighbors may be fewer), and what holds over a data set rather than over a value.
_NOT_COPIED = (
    "presence",
    "group_presence",
    "shape",
    "distribution_constraints",
    "unique_constraints",
    "skew_comparator",
    "drift_comparator",
)


def project_example(record: bytes, features: Sequence[str]) -> bytes:
    """Returns a serialized tf.Example with only the named features, as far as it has them."""
    example = tf.train.Example.FromString(record)
    kept = tf.train.Example()
    for name in features:
        if name in example.features.feature:
            kept.features.feature[name].CopyFrom(example.features.feature[name])
    return bytes(kept.SerializeToString(deterministic=True))


def pack_example(
    record: bytes, neighbors: Sequence[tuple[float, bytes]], names: GraphNeighborConfig
) -> bytes:
    """Returns a serialized tf.Example with its neighbors' features beside its own.

    Args:
        record: The example, serialized.
        neighbors: Edge weight and serialized features of each neighbor, best first.
        names: How the new features are named.

    Raises:
        ValueError: The example already has a feature of a new name, or two new names are equal.

    Example:
        >>> packed = pack_example(b"", [(0.5, b"")], GraphNeighborConfig())
        >>> sorted(tf.train.Example.FromString(packed).features.feature)
        ['NL_nbr_0_weight', 'NL_num_nbrs']
    """
    example = tf.train.Example.FromString(record)
    features = example.features.feature
    taken = set(features)

    def add(name: str) -> tf.train.Feature:
        if name in taken:
            raise _clash(name)
        taken.add(name)
        return features[name]

    add(NUM_NEIGHBORS_FEATURE).int64_list.value.append(len(neighbors))
    for index, (weight, neighbor) in enumerate(neighbors):
        add(names.weight_name(index)).float_list.value.append(weight)
        for name, feature in tf.train.Example.FromString(neighbor).features.feature.items():
            add(names.feature_name(index, name)).CopyFrom(feature)
    return bytes(example.SerializeToString(deterministic=True))


def carried_features(schema: schema_pb2.Schema, config: AugmentConfig) -> tuple[str, ...]:
    """Returns the names of the features of a neighbor that are carried along.

    Raises:
        ValueError: The schema lacks one of them.
    """
    known = [feature.name for feature in schema.feature]
    if config.features is None:
        return tuple(known)
    absent = [name for name in config.features if name not in known]
    if absent:
        raise ValueError(
            f"Expected AugmentConfig.features to name features of the schema: {', '.join(known)}. "
            f"Received: {', '.join(absent)}."
        )
    return config.features


def augment_schema(schema: schema_pb2.Schema, config: AugmentConfig) -> schema_pb2.Schema:
    """Returns the Schema of examples with neighbors: the given one and the new features.

    A neighbor's features are optional, since an example may have fewer neighbors. One of fixed
    shape becomes a feature of that many values without a shape or a required presence: readers can
    make it dense and fill the gaps, and TensorFlow Transform, which rejects a shape that is not
    always there, takes it too.

    Args:
        schema: Describes the examples before.
        config: Which neighbors' features are added, and how they are named.

    Raises:
        ValueError: The schema lacks a feature that is carried, has one of a new name, or two of
            the new names are equal.
    """
    names = config.neighbors
    by_name = {feature.name: feature for feature in schema.feature}
    carried = [by_name[name] for name in carried_features(schema, config)]
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    taken = set(by_name)

    def add(feature: schema_pb2.Feature) -> None:
        if feature.name in taken:
            raise _clash(feature.name)
        taken.add(feature.name)
        result.feature.append(feature)

    add(_number_of_neighbors())
    for index in range(names.max_neighbors):
        add(_optional(schema_pb2.Feature(type=schema_pb2.FLOAT), names.weight_name(index), 1))
        for feature in carried:
            add(_optional(feature, names.feature_name(index, feature.name), _num_values(feature)))
    return result


def _number_of_neighbors() -> schema_pb2.Feature:
    feature = schema_pb2.Feature(name=NUM_NEIGHBORS_FEATURE, type=schema_pb2.INT)
    feature.presence.min_fraction = 1.0
    feature.presence.min_count = 1
    feature.shape.dim.add().size = 1
    return feature


def _optional(feature: schema_pb2.Feature, name: str, num_values: int | None) -> schema_pb2.Feature:
    result = schema_pb2.Feature()
    result.CopyFrom(feature)
    for field in _NOT_COPIED:
        result.ClearField(field)
    result.name = name
    if num_values is not None:
        result.value_count.min = num_values
        result.value_count.max = num_values
    return result


def _num_values(feature: schema_pb2.Feature) -> int | None:
    if not feature.HasField("shape"):
        return None
    return math.prod(dim.size for dim in feature.shape.dim)


def _clash(name: str) -> ValueError:
    return ValueError(
        f"Expected no feature named {name!r}, which a neighbor's feature is to be called. "
        "Rename the feature, choose another prefix or suffix in AugmentConfig.neighbors, or do "
        "not augment examples twice."
    )
