"""Which features are read of the training examples, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.io import parsing_spec
from nsl_tfx.trainer.transform_graph import TransformGraph

UNLABELLED_CLASS = -1


@dataclasses.dataclass(frozen=True)
class ExampleSpec:
    """How examples are parsed; each is name to `tf.io.FixedLenFeature`.

    Attributes:
        features: What the model takes.
        label: The label, and the weight where there is one; `tf.io.FixedLenSequenceFeature` of at
            most one value where examples may lack it. A missing label reads as `missing_label`.
        neighbors: Weights and features of neighbors; empty without a graph term.
        missing_label: The number that no label has; NaN for a label of floats.
        labels: Number of labels of an example.
    """

    features: dict[str, Any]
    label: dict[str, Any]
    neighbors: dict[str, Any]
    missing_label: float | int
    labels: int

    @property
    def training(self) -> dict[str, Any]:
        """All that training reads."""
        return {**self.features, **self.label, **self.neighbors}

    @property
    def validation(self) -> dict[str, Any]:
        """What validation reads: neighbors serve training alone."""
        return {**self.features, **self.label}

    def has_label(self, label: tf.Tensor) -> tf.Tensor:
        """Returns which labels are there, as booleans of the same shape.

        Example:
            >>> spec = ExampleSpec({}, {}, {}, missing_label=-1, labels=1)
            >>> spec.has_label(tf.constant([2, -1])).numpy().tolist()
            [True, False]
        """
        if label.dtype.is_floating:
            return tf.logical_not(tf.math.is_nan(label))
        return tf.not_equal(label, self.missing_label)


def make_example_spec(
    config: TrainerConfig,
    schema: schema_pb2.Schema | None,
    transform_graph: TransformGraph | None = None,
) -> ExampleSpec:
    """Looks up the config's features in the Schema.

    Args:
        config: Names features, label and neighbors.
        schema: Describes the examples, neighbors included, as NeighborAugmenter's does. Beside a
            Transform graph it is asked only for what Transform does not put out.
        transform_graph: What made the examples, if they are transformed.

    Raises:
        TypeError: `config` is no config, or `schema` no Schema.
        ValueError: There is no schema, it lacks a feature, gives one no fixed number of values, or
            the label is not what the config's task says.
    """
    require_config("config", config, TrainerConfig)
    described = _described(schema, transform_graph)
    neighbors = _neighbor_names(config)
    labels = [name for name in (config.label_feature, config.weight_feature) if name is not None]
    _check_present(config, described, neighbors, labels)
    label = next(f for f in described.feature if f.name == config.label_feature)
    missing = _missing_label(config, label)
    spec = parsing_spec(
        described,
        [*config.features, *labels, *neighbors],
        # An example without a weight of its own counts as any other.
        missing={config.label_feature: missing, config.weight_feature or "": 1.0},
    )
    for name in labels:
        if _may_be_blank(described, name, spec[name]):
            default = missing if name == config.label_feature else 1.0
            spec[name] = _at_most_one(spec[name].dtype, default)
    ragged = [name for name, value in spec.items() if isinstance(value, tf.io.VarLenFeature)]
    if ragged:
        raise ValueError(
            "Expected features of a fixed number of values. The schema gives none for: "
            f"{', '.join(ragged)}. Give each a shape, or equal bounds of value_count, in a Schema "
            "that you curate and import; or make it dense in Transform."
        )
    count = _count_labels(config, spec[config.label_feature])
    return ExampleSpec(
        features={name: spec[name] for name in config.features},
        label={name: spec[name] for name in labels},
        neighbors={name: spec[name] for name in neighbors},
        missing_label=missing,
        labels=count,
    )


def parse_examples(records: tf.Tensor, wanted: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Parses serialized examples.

    Args:
        records: `[examples]` strings.
        wanted: As `ExampleSpec` gives it.

    Returns:
        Name to `[examples, *shape]`.
    """
    columns = tf.io.parse_example(records, dict(wanted))
    for name, feature in wanted.items():
        if isinstance(feature, tf.io.FixedLenSequenceFeature):
            columns[name] = _padded(columns[name], feature.default_value, name)
    return columns


def _at_most_one(dtype: tf.DType, default: float | int) -> Any:
    """Returns the specification of a feature of one value that examples lack, or hold empty.

    A blank in a CSV file becomes an empty list, and SchemaGen then gives the column no shape.
    """
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True, default_value=default)


def _padded(values: tf.Tensor, default: float | int, name: str) -> tf.Tensor:
    """Returns `[examples, 1]` of `[examples, most values of an example]`."""
    most = tf.shape(values)[1]
    one = tf.debugging.assert_less_equal(most, 1, f"Expected at most one value of {name!r}.")
    with tf.control_dependencies([] if one is None else [one]):
        padding = [[0, 0], [0, 1 - most]]
    return tf.ensure_shape(tf.pad(values, padding, constant_values=default), [None, 1])


def _may_be_blank(schema: schema_pb2.Schema, name: str, spec: Any) -> bool:
    """Returns whether a feature holds one value, or none."""
    if isinstance(spec, tf.io.FixedLenFeature):
        return spec.default_value is not None and tf.TensorShape(spec.shape).num_elements() == 1
    feature = next(feature for feature in schema.feature if feature.name == name)
    return not feature.HasField("value_count") or feature.value_count.max <= 1


def _described(
    schema: schema_pb2.Schema | None, transform_graph: TransformGraph | None
) -> schema_pb2.Schema:
    """Returns one schema of all that the examples hold."""
    if transform_graph is None:
        if schema is None:
            raise ValueError(
                "Expected Trainer(schema=...), which describes the examples: SchemaGen's output, "
                "or NeighborAugmenter's where there is a graph term. Received: none."
            )
        if not isinstance(schema, schema_pb2.Schema):
            raise TypeError(
                "Expected a Schema, such as nsl_tfx.io.read_schema(path) reads. Received: "
                f"{schema!r} (a {type(schema).__name__})."
            )
        return schema
    described = schema_pb2.Schema()
    described.CopyFrom(transform_graph.schema)
    # A raw feature may have the same name as a transformed one, and other values.
    known = {feature.name for feature in described.feature}
    if schema is not None:
        described.feature.extend(f for f in schema.feature if f.name not in known)
    return described


def _neighbor_names(config: TrainerConfig) -> list[str]:
    if config.graph is None:
        return []
    named = config.graph.neighbor_config
    features = [
        named.feature_name(i, feature)
        for i in range(named.max_neighbors)
        for feature in config.carried_features
    ]
    return [*named.weight_names, *features]


def _check_present(
    config: TrainerConfig,
    schema: schema_pb2.Schema,
    neighbors: list[str],
    labels: list[str],
) -> None:
    present = {feature.name for feature in schema.feature}
    absent = [name for name in (*config.features, *labels) if name not in present]
    if absent:
        own = [name for name in present if not name.startswith(_prefix(config))]
        raise ValueError(
            "Expected TrainerConfig's features, label_feature and weight_feature in the schema, "
            f"which has: {', '.join(sorted(own))}. Received: {', '.join(absent)}."
        )
    absent = [name for name in neighbors if name not in present]
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise ValueError(
            "Expected neighbors in the schema, for TrainerConfig.graph. Received a schema without "
            f"{', '.join(absent[:3])}{more}. Give Trainer the examples and the schema of a "
            "NeighborAugmenter with these features and at least as many neighbors, or set "
            "neighbor_features or graph.neighbor_config.max_neighbors to what it carries."
        )


def _prefix(config: TrainerConfig) -> str:
    return config.graph.neighbor_config.prefix if config.graph is not None else "NL_"


def _missing_label(config: TrainerConfig, label: schema_pb2.Feature) -> float | int:
    kinds = schema_pb2.FeatureType
    allowed = (kinds.INT,) if config.task is Task.CLASSIFICATION else (kinds.INT, kinds.FLOAT)
    if label.type not in allowed:
        wanted = "integers" if len(allowed) == 1 else "numbers"
        raise ValueError(
            f"Expected label_feature {label.name!r} to hold {wanted}, for task "
            f"{config.task.value!r}. Received a schema that says {kinds.Name(label.type)}. "
            "Encode labels in Transform, such as by a vocabulary, or before the pipeline."
        )
    if label.type == kinds.FLOAT:
        return float("nan")
    # Any integer can be a label to regress.
    return tf.int64.min if config.task is Task.REGRESSION else UNLABELLED_CLASS


def _count_labels(config: TrainerConfig, label: Any) -> int:
    count = int(tf.TensorShape(label.shape).num_elements())
    if count != 1 and config.class_weights is not None:
        raise ValueError(
            "Expected TrainerConfig.class_weights with one label an example. Received a schema "
            f"with shape {list(label.shape)} for {config.label_feature!r}."
        )
    if config.task is Task.CLASSIFICATION and count != 1:
        raise ValueError(
            f"Expected one label an example, for task {config.task.value!r}. Received a schema "
            f"with shape {list(label.shape)} for {config.label_feature!r}. For several yes or no "
            "labels an example, set the task to 'binary'."
        )
    return count
