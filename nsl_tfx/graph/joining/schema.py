"""The Schema of examples that carry their neighbors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, AugmentConfig
from nsl_tfx.graph.joining.packing import name_clash

# What a neighbor's copy of a feature does not share with the original: whether it is there at all
# (neighbors may be fewer), and what holds over a data set rather than over a value.
_NOT_COPIED = (
    "presence",
    "group_presence",
    "shape",
    "unique_constraints",
    "skew_comparator",
    "drift_comparator",
)
_TYPES = (schema_pb2.FLOAT, schema_pb2.INT, schema_pb2.BYTES)


def carried_features(schema: schema_pb2.Schema, config: AugmentConfig) -> tuple[str, ...]:
    """Returns the names of the features of a neighbor that are carried along.

    Raises:
        ValueError: The schema lacks one of them, or says that it is no list of numbers or bytes.
    """
    known = {feature.name: feature for feature in schema.feature}
    names = tuple(known) if config.features is None else config.features
    absent = [name for name in names if name not in known]
    if absent:
        raise ValueError(
            f"Expected AugmentConfig.features to name features of the schema: {', '.join(known)}. "
            f"Received: {', '.join(absent)}."
        )
    for name in names:
        if known[name].type not in _TYPES:
            kind = schema_pb2.FeatureType.Name(known[name].type)
            raise ValueError(
                f"Expected neighbors' features of type FLOAT, INT or BYTES, which a tf.Example can "
                f"hold. Received: {name} of type {kind}. Correct the schema, or name the features "
                "to carry in AugmentConfig.features."
            )
    return names


def augment_schema(schema: schema_pb2.Schema, config: AugmentConfig) -> schema_pb2.Schema:
    """Returns the Schema of examples with neighbors: the given one and the new features.

    A neighbor's features are optional, since an example may have fewer neighbors. One of fixed
    shape becomes a feature of that many values without a shape or a required presence: readers can
    make it dense and fill the gaps, and TensorFlow Transform, which rejects a shape that is not
    always there, takes it too.

    Where only examples with a label remain, what holds over the data set as a whole (shares and
    numbers of examples and values) is relaxed.

    Args:
        schema: Describes the examples before.
        config: Which neighbors' features are added, and how they are named.

    Raises:
        ValueError: The schema lacks a feature that is carried, has one of a new name, or two of
            the new names are equal.
    """
    by_name = {feature.name: feature for feature in schema.feature}
    carried = [by_name[name] for name in carried_features(schema, config)]
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    if config.label_feature is not None:
        _relax(result)
    taken = set(by_name)
    for feature in _new_features(carried, config):
        if feature.name in taken:
            raise name_clash(feature.name)
        taken.add(feature.name)
        result.feature.append(feature)
    return result


def _new_features(
    carried: Iterable[schema_pb2.Feature], config: AugmentConfig
) -> Iterator[schema_pb2.Feature]:
    names = config.neighbors
    yield _number_of_neighbors()
    for index in range(names.max_neighbors):
        yield _optional(schema_pb2.Feature(type=schema_pb2.FLOAT), names.weight_name(index), 1)
        for feature in carried:
            yield _optional(feature, names.feature_name(index, feature.name), _num_values(feature))


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
    _allow_any_share(result)
    result.name = name
    if num_values is not None:
        result.value_count.min = num_values
        result.value_count.max = num_values
    return result


def _num_values(feature: schema_pb2.Feature) -> int | None:
    if not feature.HasField("shape"):
        return None
    return math.prod(dim.size for dim in feature.shape.dim)


def _allow_any_share(feature: schema_pb2.Feature) -> None:
    """Allows any share of values outside the domain where some share was allowed.

    Neighbors are no even sample of the examples: a hub is the neighbor of many.
    """
    if feature.HasField("distribution_constraints"):
        if feature.distribution_constraints.min_domain_mass < 1:
            feature.distribution_constraints.min_domain_mass = 0
        else:
            feature.ClearField("distribution_constraints")


def _relax(schema: schema_pb2.Schema) -> None:
    schema.ClearField("dataset_constraints")
    for feature in schema.feature:
        feature.ClearField("unique_constraints")
        _allow_any_share(feature)
        if feature.HasField("presence"):
            if 0 < feature.presence.min_fraction < 1:
                feature.presence.ClearField("min_fraction")
            feature.presence.min_count = min(1, feature.presence.min_count)
