"""From Examples, augmented or not, to batches that a regularized model trains on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.configs.training import BALANCED
from nsl_tfx.io import read_records
from nsl_tfx.trainer.example_source import Columns, ExampleSource, open_examples
from nsl_tfx.trainer.example_spec import ExampleSpec, parse_examples
from nsl_tfx.trainer.passes import Share, Start, pass_of_files, pass_of_rows
from nsl_tfx.trainer.survey import class_weights_of, survey_training

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]
"""Features, label and weight of some examples."""


def training_dataset(
    patterns: str | Sequence[str],
    spec: ExampleSpec,
    config: TrainerConfig,
    *,
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
        config: Sizes the batches, weighs the classes, seeds and sizes the shuffling.
        start: Where to begin.
        share: Which part of each batch to give.

    Returns:
        Batches of `(features, label, weight [batch])`. `label` is `[batch]`, int64, for a
        classification and `[batch, labels]`, float32, else. An example without a label has label 0
        and weight 0.

    Raises:
        FileNotFoundError: No file matches.
        ValueError: There is nothing to learn from, an example is not as `spec` says, or batches
            cannot be divided among the workers.
    """
    require_config("config", config, TrainerConfig)
    source = open_examples(patterns, spec, config)
    found = survey_training(source, spec, config, config.class_weights == BALANCED)
    return training_batches(
        source, spec, config, class_weights_of(config, found), start=start, share=share
    )


def training_batches(
    source: ExampleSource,
    spec: ExampleSpec,
    config: TrainerConfig,
    class_weights: Mapping[int, float] | None = None,
    *,
    start: Start = Start(),
    share: Share = Share(),
) -> tf.data.Dataset:
    """Makes the batches of `training_dataset` from examples that are opened already.

    Args:
        source: The examples.
        spec: What is read of them.
        config: As for `training_dataset`.
        class_weights: Weights of the classes by number; 1 for those that it leaves out.
        start: Where to begin.
        share: Which part of each batch to give.

    Raises:
        ValueError: Batches cannot be divided among the workers.
    """
    own = share.part_of(config.batch_size)
    label_weights = _weight_table(class_weights)
    first_pass, skipped = divmod(start.examples, source.rows or start.rows or start.examples + 1)

    def to_batch(columns: Columns) -> Batch:
        return _to_batch(columns, spec, config, label_weights)

    if source.table is None:
        one_pass, finish = pass_of_files(source.files, config), _parsing(spec, to_batch)
    else:
        one_pass = pass_of_rows(source.rows or 0, config)
        finish = _gathering(to_batch({name: source.table[name] for name in spec.training}))

    def make_batch(batch: tf.Tensor) -> Batch:
        return finish(batch[own] if share.count > 1 else batch)

    passes = tf.data.Dataset.counter(start=first_pass)
    batches = passes.flat_map(one_pass).skip(skipped).batch(config.batch_size, drop_remainder=True)
    return batches.map(make_batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _parsing(
    spec: ExampleSpec, to_batch: Callable[[Columns], Batch]
) -> Callable[[tf.Tensor], Batch]:
    """Returns what makes a batch of records.

    They are shuffled while still serialized: smaller than their parsed form.
    """
    return lambda records: to_batch(parse_examples(records, spec.training))


def _gathering(whole: Batch) -> Callable[[tf.Tensor], Batch]:
    """Returns what makes a batch of numbers of rows, of one batch that holds all."""
    return lambda rows: tf.nest.map_structure(lambda column: tf.gather(column, rows), whole)


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
    require_config("config", config, TrainerConfig)

    def make_batch(records: tf.Tensor) -> Batch:
        return _to_batch(parse_examples(records, spec.validation), spec, config, None)

    batches = read_records(patterns).batch(config.batch_size)
    return batches.map(make_batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _to_batch(
    columns: Columns, spec: ExampleSpec, config: TrainerConfig, label_weights: tf.Tensor | None
) -> Batch:
    """Returns features, label and weight of examples.

    Args:
        columns: What was read.
        spec: How it was.
        config: Says which of them is what.
        label_weights: Of the classes, `[classes + 1]`, the last that of all above; all 1 when None.
    """
    features = dict(columns)
    label = tf.reshape(features.pop(config.label_feature), [-1, spec.labels])
    labelled = tf.reduce_all(spec.has_label(label), axis=1)
    label = tf.where(labelled[:, tf.newaxis], label, tf.zeros_like(label))
    weight = tf.cast(labelled, tf.float32)
    if label_weights is not None:
        last = tf.shape(label_weights)[0] - 1
        # A label between 0 and 1 stands for the more likely class.
        number = tf.cast(tf.round(label[:, 0]), tf.int32)
        weight *= tf.gather(label_weights, tf.clip_by_value(number, 0, last))
    if config.weight_feature is not None:
        given = features.pop(config.weight_feature)
        weight *= tf.reshape(tf.cast(given, tf.float32), [-1])
    if config.task is Task.CLASSIFICATION:
        return features, label[:, 0], weight
    return features, tf.cast(label, tf.float32), weight


def _weight_table(class_weights: Mapping[int, float] | None) -> tf.Tensor | None:
    """Returns the weights `[classes + 1]`; the last is that of all classes above."""
    if not class_weights:
        return None
    table = [class_weights.get(number, 1.0) for number in range(max(class_weights) + 1)]
    return tf.constant([*table, 1.0], tf.float32)
