"""From Examples, augmented or not, to batches that a regularized model trains on."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.io import matching_files, read_records
from nsl_tfx.trainer.example_spec import ExampleSpec

# Files read at a time, so that neither one's decompression nor a remote disk holds up the rest.
_FILES_AT_ONCE = 8
_RECORDS_OF_A_FILE = 16
_FUNCTION_SEED = 1
_ROWS_AT_ONCE = 1024

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]
"""Features, label and weight of some examples."""


@dataclasses.dataclass(frozen=True)
class Start:
    """Where in the stream of training examples to begin.

    Attributes:
        examples: How many examples, over all passes, have been trained on.
        rows: How many there are in a pass; where None, the passes before are read again.
    """

    examples: int = 0
    rows: int | None = None


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of each batch that one of several workers trains on.

    Attributes:
        index: The worker's number, from 0.
        count: Number of workers.
    """

    index: int = 0
    count: int = 1


def training_dataset(
    patterns: str | Sequence[str],
    spec: ExampleSpec,
    config: TrainerConfig,
    *,
    class_weights: Mapping[int, float] | None = None,
    start: Start = Start(),
    share: Share = Share(),
) -> tf.data.Dataset:
    """Reads examples to train on, with their neighbors where the config has a graph term.

    Examples that take up to the config's `memory_mb` are parsed once, and all of them shuffled;
    others are read in each pass, and shuffled `shuffle_buffer` at a time.

    Endless: one pass over the examples after the other, each in another order, which the seed and
    the pass's number alone decide. So a training that was cut goes on with the batches that it
    would have had, and all workers of one see the same batches.

    Args:
        patterns: Globs of TFRecord files of tf.Examples, gzipped or not.
        spec: From `make_example_spec`.
        config: Sizes the batches, seeds and sizes the shuffling.
        class_weights: Weights of the classes by number; 1 for those that it leaves out.
        start: Where to begin.
        share: Which part of each batch to give.

    Returns:
        Batches of `(features, label, weight [batch])`. `label` is `[batch]`, int64, for a
        classification and `[batch, labels]`, float32, else. An example without a label has label 0
        and weight 0.

    Raises:
        FileNotFoundError: No file matches.
        ValueError: Batches cannot be divided among the workers.
    """
    if config.batch_size % share.count:
        raise ValueError(
            f"Expected TrainerConfig.batch_size as a multiple of the {share.count} workers. "
            f"Received: batch_size={config.batch_size}."
        )
    files = matching_files(patterns)
    parse = _parser(spec.training, spec, config, _weight_table(class_weights))
    table = load_table(files, parse, spec, config)
    rows = None if table is None else len(table[2])
    if rows == 0:
        raise ValueError(f"Expected examples to train on. Received none in {patterns}.")
    first_pass, skipped = divmod(start.examples, rows or start.rows or start.examples + 1)
    if table is None:
        # Shuffled while still serialized: a record is smaller than its parsed form.
        one_pass, finish = _pass_of_files(files, config), parse
    else:
        one_pass, finish = _pass_of_rows(len(table[2]), config), functools.partial(_gather, table)
    size = config.batch_size // share.count

    def make_batch(batch: tf.Tensor) -> Batch:
        own = batch[share.index * size : (share.index + 1) * size] if share.count > 1 else batch
        return finish(own)

    passes = tf.data.Dataset.counter(start=first_pass)
    batches = passes.flat_map(one_pass).skip(skipped).batch(config.batch_size, drop_remainder=True)
    return batches.map(make_batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def validation_dataset(
    patterns: str | Sequence[str], spec: ExampleSpec, config: TrainerConfig
) -> tf.data.Dataset:
    """Reads each example once, in the order of the files, without neighbors.

    Args:
        patterns: Globs of TFRecord files of tf.Examples, gzipped or not.
        spec: From `make_example_spec`.
        config: Sizes the batches; the last one is smaller.

    Returns:
        Batches as `training_dataset` gives them; no class weighs more than another.

    Raises:
        FileNotFoundError: No file matches.
    """
    batches = read_records(patterns).batch(config.batch_size)
    parse = _parser(spec.validation, spec, config, None)
    return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def load_table(
    files: list[str], parse: Callable[[tf.Tensor], Batch], spec: ExampleSpec, config: TrainerConfig
) -> Batch | None:
    """Returns all examples, parsed; None where they take more than the config's `memory_mb`.

    Args:
        files: TFRecord files.
        parse: Makes a batch of records.
        spec: Shapes and types of what is read.
        config: `memory_mb`.
    """
    if any(feature.dtype == tf.string for feature in spec.training.values()):
        return None  # whose size only reading them tells
    row_bytes = sum(
        feature.dtype.size * math.prod(feature.shape) for feature in spec.training.values()
    )
    most = config.memory_mb * 2**20 // row_bytes
    records = read_records(files).take(most + 1).batch(_ROWS_AT_ONCE)
    parts, rows = [], 0
    for part in records.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE):
        parts.append(part)
        rows += len(part[2])
        if rows > most:
            return None
    if not parts:
        parts = [parse(tf.constant([], tf.string))]
    return tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *parts)


def _pass_of_rows(rows: int, config: TrainerConfig) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns what makes the numbers of all rows, in the order of a pass."""

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(rows)
        if config.shuffle_buffer > 1:
            order = tf.random.experimental.stateless_shuffle(order, _seed_of_pass(config, number))
        return tf.data.Dataset.from_tensor_slices(order)

    return one_pass


def _gather(table: Batch, rows: tf.Tensor) -> Batch:
    return tf.nest.map_structure(lambda column: tf.gather(column, rows), table)


def _pass_of_files(
    files: list[str], config: TrainerConfig
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns what makes all serialized examples, in the order of a pass."""

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.constant(files)
        if config.shuffle_buffer == 1:
            return _interleaved(order, len(files))
        seed = _seed_of_pass(config, number)
        records = _interleaved(tf.random.experimental.stateless_shuffle(order, seed), len(files))
        # Of this traced function alone: else the process's seed would have a say in the order, and
        # be compared to 0 together with the tensor below.
        tf.random.set_seed(_FUNCTION_SEED)
        drawn = tf.random.stateless_uniform([], seed, minval=None, maxval=None, dtype=tf.int64)
        return records.shuffle(config.shuffle_buffer, seed=drawn, reshuffle_each_iteration=False)

    return one_pass


def _seed_of_pass(config: TrainerConfig, number: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(config.seed, tf.int64), number])


def _interleaved(files: tf.Tensor, count: int) -> tf.data.Dataset:
    """Returns the records of all files, some of each in turn."""

    @tf.autograph.experimental.do_not_convert
    def read(file: tf.Tensor) -> tf.data.Dataset:
        gzipped = tf.strings.regex_full_match(file, r".*\.gz")
        return tf.data.TFRecordDataset(file, tf.where(gzipped, "GZIP", ""))

    return tf.data.Dataset.from_tensor_slices(files).interleave(
        read,
        cycle_length=min(count, _FILES_AT_ONCE),
        block_length=_RECORDS_OF_A_FILE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _parser(
    wanted: dict[str, Any],
    spec: ExampleSpec,
    config: TrainerConfig,
    class_weights: tf.Tensor | None,
) -> Callable[[tf.Tensor], Batch]:
    """Returns what makes a batch of serialized examples."""
    labels = tf.TensorShape(wanted[config.label_feature].shape).num_elements()

    def parse(records: tf.Tensor) -> Batch:
        features = tf.io.parse_example(records, wanted)
        label = tf.reshape(features.pop(config.label_feature), [-1, labels])
        given = features.pop(config.weight_feature, None)
        labelled = tf.reduce_all(is_label(label, spec), axis=1)
        label = tf.where(labelled[:, tf.newaxis], label, tf.zeros_like(label))
        weight = tf.cast(labelled, tf.float32)
        if class_weights is not None:
            last = tf.shape(class_weights)[0] - 1
            number = tf.clip_by_value(tf.cast(label[:, 0], tf.int32), 0, last)
            weight *= tf.gather(class_weights, number)
        if given is not None:
            weight *= tf.reshape(tf.cast(given, tf.float32), [-1])
        if config.task is Task.CLASSIFICATION:
            return features, label[:, 0], weight
        return features, tf.cast(label, tf.float32), weight

    return parse


def is_label(label: Any, spec: ExampleSpec) -> Any:
    """Returns which labels are there, as a tensor of booleans of the same shape."""
    if label.dtype.is_floating:
        return tf.logical_not(tf.math.is_nan(label))
    return tf.not_equal(label, spec.missing_label)


def _weight_table(class_weights: Mapping[int, float] | None) -> tf.Tensor | None:
    """Returns the weights `[classes + 1]`; the last is that of all classes above."""
    if not class_weights:
        return None
    table = [class_weights.get(number, 1.0) for number in range(max(class_weights) + 1)]
    return tf.constant([*table, 1.0], tf.float32)
