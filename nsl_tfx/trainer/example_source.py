"""Where examples are taken from: their files, or memory."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.io import matching_files, read_record_blocks, read_records
from nsl_tfx.io.records import compression_of
from nsl_tfx.trainer.example_spec import ExampleSpec, parse_examples

Columns = dict[str, tf.Tensor]
"""Name of a feature to its values, `[examples, *shape]`."""

_ROWS_AT_ONCE = 1024
# What TensorFlow's errors say of itself, in one release or another.
_WHERE_IN_TENSORFLOW = re.compile(
    r"\{\{.*?\}\} ?|Name: <unknown>, |Error in user-defined function .*? with iterator: \S+: "
)


@dataclasses.dataclass(frozen=True)
class ExampleSource:
    """Examples to read.

    Attributes:
        files: TFRecord files.
        table: All that they hold of the features that are asked for; None where it is read from
            the files each time.
    """

    files: list[str]
    table: Columns | None = None

    @property
    def rows(self) -> int | None:
        """Number of examples; None where only reading them tells."""
        return None if self.table is None else len(next(iter(self.table.values())))

    def read(self, wanted: Mapping[str, Any]) -> Iterator[Columns]:
        """Yields the examples in the order of the files, some at a time.

        Args:
            wanted: The features to read, as `ExampleSpec` gives them.

        Raises:
            ValueError: A file is damaged, or an example is not as `wanted` says.
        """
        if self.table is not None:
            yield {name: self.table[name] for name in wanted}
            return

        def parse(records: tf.Tensor) -> Columns:
            return parse_examples(records, wanted)

        batches = read_records(self.files).batch(_ROWS_AT_ONCE).map(parse, tf.data.AUTOTUNE)
        try:
            yield from batches.prefetch(tf.data.AUTOTUNE)
        except tf.errors.OpError as error:
            raise self._why_unreadable(error) from error

    def _why_unreadable(self, error: tf.errors.OpError) -> Exception:
        if isinstance(error, tf.errors.DataLossError):
            try:  # TensorFlow does not say which file it is.
                for file in self.files:
                    for _ in read_record_blocks(file):
                        pass
            except ValueError as damage:
                return damage
            for file in self.files:
                if _is_gzipped(file) != bool(compression_of(file)):
                    return ValueError(
                        f"Expected gzipped files to end in .gz, and no others. Received: {file}. "
                        "Rename it."
                    )
        reason = _WHERE_IN_TENSORFLOW.sub("", error.message).splitlines()[0]
        return ValueError(
            f"Expected examples that the schema describes. Received in {', '.join(self.files[:3])}"
            f"{' and others' if self.files[3:] else ''}: {reason} Give Trainer the Schema that was "
            "made of these examples."
        )


def _is_gzipped(file: str) -> bool:
    with tf.io.gfile.GFile(file, "rb") as opened:
        return bool(opened.read(2) == b"\x1f\x8b")


def open_examples(
    patterns: str | Sequence[str], spec: ExampleSpec, config: TrainerConfig
) -> ExampleSource:
    """Returns examples to train on: in memory, where all take at most the config's `memory_mb`.

    Args:
        patterns: Globs of TFRecord files of tf.Examples, gzipped or not.
        spec: What is read of them.
        config: `memory_mb`.

    Raises:
        FileNotFoundError: No file matches.
        ValueError: A file is damaged, or an example is not as `spec` says.
    """
    source = ExampleSource(matching_files(patterns))
    if any(feature.dtype == tf.string for feature in spec.training.values()):
        return source  # Text has a size that only reading it tells.
    row_bytes = sum(
        feature.dtype.size * math.prod(feature.shape) for feature in spec.training.values()
    )
    most = config.memory_mb * 2**20 // row_bytes
    parts: dict[str, list[tf.Tensor]] = {name: [] for name in spec.training}
    rows = 0
    if not most:
        return source
    for columns in source.read(spec.training):
        rows += len(columns[config.label_feature])
        if rows > most:
            return source
        for name, values in columns.items():
            parts[name].append(values)
    if not rows:
        return source
    # Not on a GPU, whose memory is the model's.
    with tf.device("CPU:0"):
        # One by one, so that not all are there twice.
        return dataclasses.replace(
            source, table={name: tf.concat(parts.pop(name), 0) for name in spec.training}
        )
