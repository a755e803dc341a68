"""From augmented Examples to batches that a regularized model trains on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.io import parsing_spec, read_records

# No class has this number, so it can stand for a label that is not there.
_UNLABELLED = -1
_SHUFFLE_ROWS = 10_000


def training_dataset(
    patterns: str | Sequence[str],
    schema: schema_pb2.Schema,
    config: TrainerConfig,
    training: bool = True,
) -> tf.data.Dataset:
    """Reads examples, with their neighbors where the config has a graph term.

    Args:
        patterns: Globs of TFRecord files of tf.Examples.
        schema: Describes the examples.
        config: Names the features and the label; sizes the batches; seeds the shuffling.
        training: Whether to repeat and shuffle. Without it each example comes once, in file order,
            and neighbors stay unread: they serve training alone.

    Returns:
        Batches of `(features, label [batch], weight [batch])`. An example without a label has label
        0 and weight 0.

    Raises:
        ValueError: The schema lacks a feature that the config names.
    """
    spec = _spec(schema, config, neighbors=training)
    if not training:
        batches = read_records(patterns).batch(config.batch_size)
    else:
        # Shuffled while still serialized: a record is smaller than its parsed form.
        records = read_records(patterns).shuffle(_SHUFFLE_ROWS, seed=config.seed).repeat()
        batches = records.batch(config.batch_size, drop_remainder=True)

    def parse(records: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        features = tf.io.parse_example(records, spec)
        label = tf.reshape(features.pop(config.label_feature), [-1])
        labelled = tf.not_equal(label, _UNLABELLED)
        return features, tf.where(labelled, label, 0), tf.cast(labelled, tf.float32)

    return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _spec(schema: schema_pb2.Schema, config: TrainerConfig, neighbors: bool) -> dict[str, Any]:
    names = [*config.features, config.label_feature]
    if neighbors and config.graph is not None:
        named = config.graph.neighbor_config
        for i in range(named.max_neighbors):
            names += [named.weight_name(i), *(named.feature_name(i, f) for f in config.features)]
    try:
        spec = parsing_spec(schema, names, missing={config.label_feature: _UNLABELLED})
    except ValueError as error:
        raise ValueError(
            f"{error} Check `features` and `label_feature` of TrainerConfig; neighbors' features "
            "come from NeighborAugmenter, and its `schema` output describes them."
        ) from error
    ragged = [name for name, value in spec.items() if isinstance(value, tf.io.VarLenFeature)]
    if ragged:
        raise ValueError(
            "Expected features of a fixed number of values. The schema gives none for: "
            f"{', '.join(ragged)}. Set a shape or equal bounds of value_count."
        )
    return spec
