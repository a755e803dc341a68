"""From Examples, augmented or not, to batches that a regularized model trains on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.io import matching_files, read_records
from nsl_tfx.trainer.example_spec import ExampleSpec

# Files read at a time, so that neither one's decompression nor a remote disk holds up the rest.
_FILES_AT_ONCE = 8
_RECORDS_OF_A_FILE = 16
_FUNCTION_SEED = 1


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
    # Shuffled while still serialized: a record is smaller than its parsed form.
    records = _endless_records(matching_files(patterns), config, start)
    batches = records.batch(config.batch_size, drop_remainder=True)
    size = config.batch_size // share.count
    weights = _weight_table(class_weights)

    def parse(batch: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        own = batch[share.index * size : (share.index + 1) * size] if share.count > 1 else batch
        return _parse(own, spec.training, spec, config, weights)

    return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


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

    def parse(batch: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        return _parse(batch, spec.validation, spec, config, None)

    return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _endless_records(files: list[str], config: TrainerConfig, start: Start) -> tf.data.Dataset:
    first_pass, skipped = divmod(start.examples, start.rows) if start.rows else (0, start.examples)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.constant(files)
        if config.shuffle_buffer == 1:
            return _interleaved(order, len(files))
        # Of this traced function alone: else the process's seed would have a say in the order, and
        # be compared to 0 together with the tensor below.
        tf.random.set_seed(_FUNCTION_SEED)
        seed = tf.stack([tf.constant(config.seed, tf.int64), number])
        records = _interleaved(tf.random.experimental.stateless_shuffle(order, seed), len(files))
        number_seed = tf.random.stateless_uniform(
            [], seed, minval=None, maxval=None, dtype=tf.int64
        )
        return records.shuffle(
            config.shuffle_buffer, seed=number_seed, reshuffle_each_iteration=False
        )

    passes = tf.data.Dataset.counter(start=first_pass)
    return passes.flat_map(one_pass).skip(skipped)


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


def _parse(
    records: tf.Tensor,
    wanted: dict[str, Any],
    spec: ExampleSpec,
    config: TrainerConfig,
    class_weights: tf.Tensor | None,
) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    features = tf.io.parse_example(records, wanted)
    label = features.pop(config.label_feature)
    label = tf.reshape(label, [tf.shape(records)[0], -1])
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
        return features, tf.reshape(label, [-1]), weight
    count = tf.TensorShape(wanted[config.label_feature].shape).num_elements()
    return features, tf.ensure_shape(tf.cast(label, tf.float32), [None, count]), weight


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
