"""The order in which training examples come, pass after pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from nsl_tfx.configs import TrainerConfig

OnePass = Callable[[tf.Tensor], tf.data.Dataset]
"""From a pass's number, `[]` int64, to what it consists of."""

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

    def part_of(self, batch_size: int) -> slice:
        """Returns the worker's part of a batch.

        Raises:
            ValueError: The batch cannot be divided.

        Example:
            >>> Share(1, count=3).part_of(12)
            slice(4, 8, None)
        """
        check_divisible(batch_size, self.count, "workers")
        size = batch_size // self.count
        return slice(self.index * size, (self.index + 1) * size)


def check_divisible(batch_size: int, count: int, parts: str) -> None:
    """Raises ValueError where a batch cannot be divided.

    Args:
        batch_size: Of the config.
        count: Into how many parts.
        parts: What they are, for the error's text.
    """
    if batch_size % count:
        raise ValueError(
            f"Expected TrainerConfig.batch_size as a multiple of the {count} {parts}. "
            f"Received: batch_size={batch_size}."
        )


def pass_of_rows(rows: int, config: TrainerConfig) -> OnePass:
    """Returns what makes the numbers of all rows of a table, in the order of a pass.

    Args:
        rows: Their number.
        config: `seed` and, if 1, `shuffle_buffer`.
    """

    @tf.autograph.experimental.do_not_convert
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(rows)
        if config.shuffle_buffer > 1:
            order = tf.random.experimental.stateless_shuffle(order, _seed_of_pass(config, number))
        return tf.data.Dataset.from_tensor_slices(order)

    return one_pass


def pass_of_files(files: list[str], config: TrainerConfig) -> OnePass:
    """Returns what makes all serialized examples of TFRecord files, in the order of a pass.

    Args:
        files: Their paths.
        config: `seed` and `shuffle_buffer`.
    """

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
