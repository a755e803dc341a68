"""Batches of labelled examples out of Examples artifacts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.util import examples_utils

from nsl_tfx.components.reading import check_splits, split_names
from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.io import parsing_spec, read_records
from nsl_tfx.robustness.data import NO_LABEL
from nsl_tfx.robustness.models.records import RECORD

# What tells that an example lacks a feature to slice by.
_ABSENT = {
    schema_pb2.FeatureType.FLOAT: math.nan,
    schema_pb2.FeatureType.INT: NO_LABEL,
    schema_pb2.FeatureType.BYTES: "",
}


def labelled_batches(
    examples: list[types.Artifact], schema: schema_pb2.Schema, config: RobustnessConfig
) -> Callable[[list[str]], Iterator[dict[str, Any]]]:
    """Returns what reads the named features of the config's splits, batch by batch.

    Args:
        examples: Examples artifacts that hold the splits.
        schema: Describes them.
        config: Names the splits, the label and the slices.

    Returns:
        For `nsl_tfx.robustness.evaluate`. Examples that lack a feature which is only sliced by have
        NaN, -1 or an empty text there; of the model's inputs what the model is served instead.

    Raises:
        ValueError: A split is absent; and, while it is read, empty or not labelled throughout.
    """
    for artifact in examples:
        check_splits(config.splits, split_names(artifact), "RobustnessConfig.splits")
    files = {
        split: examples_utils.get_split_file_patterns(examples, split) for split in config.splits
    }
    absent = {feature.name: _ABSENT.get(feature.type) for feature in schema.feature}

    def read(names: list[str]) -> Iterator[dict[str, Any]]:
        further = names[names.index(config.label_feature) :]
        missing = {name: absent.get(name) for name in further if name in config.slices}
        wanted = [name for name in names if name != RECORD]
        spec = parsing_spec(schema, wanted, missing)
        label = spec[config.label_feature]
        if isinstance(label, tf.io.FixedLenFeature):
            # A required label would end in TensorFlow's error, which names no split.
            unlabelled = tf.fill(label.shape, NO_LABEL).numpy().astype(label.dtype.as_numpy_dtype)
            spec[config.label_feature] = label._replace(default_value=unlabelled)
        for split, patterns in files.items():
            count = 0
            for records in read_records(patterns).batch(config.batch_size):
                batch = tf.io.parse_example(records, spec)
                _check_labelled(batch[config.label_feature], split, config.label_feature)
                count += 1
                yield {**batch, RECORD: records} if RECORD in names else batch
            if not count:
                raise ValueError(
                    f"Expected examples in the split {split!r}. Received: none; evaluate on "
                    "another split (RobustnessConfig.splits), or mend ExampleGen's split."
                )

    return read


def _check_labelled(label: Any, split: str, name: str) -> None:
    if isinstance(label, tf.SparseTensor):
        rows = int(label.dense_shape[0])
        present = len(set(label.indices[:, 0].numpy().tolist()))
    else:
        rows = len(label)
        present = int(tf.reduce_sum(tf.cast(label != tf.cast(NO_LABEL, label.dtype), tf.int32)))
    if present < rows:
        raise ValueError(
            f"Expected a label {name!r} for every example of the split {split!r}. Received: a "
            f"batch of {rows} with {rows - present} unlabelled; name labelled splits in "
            "RobustnessConfig.splits, or filter the others out upstream."
        )
