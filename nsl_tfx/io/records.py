"""TFRecord files of tf.Examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf


def matching_files(patterns: str | Sequence[str]) -> list[str]:
    """Returns the files that match any of the glob patterns, sorted, each once.

    Raises:
        FileNotFoundError: No file matches.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    files = sorted({file for pattern in patterns for file in tf.io.gfile.glob(pattern)})
    if not files:
        raise FileNotFoundError(f"Expected a file that matches {', '.join(patterns)}; none does.")
    return files


def find_files(pattern: str, what: str) -> list[str]:
    """Returns the files that match a glob pattern, sorted.

    Args:
        pattern: The pattern.
        what: What the files are, for the error's text.

    Raises:
        FileNotFoundError: No file matches.
    """
    try:
        return matching_files(pattern)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Expected {what} that match {pattern}. Received: no such file. Check that the step "
            "that writes them has run, and that they still lie there."
        ) from None


def total_bytes(files: Sequence[str]) -> int:
    """Returns the size of all files together, as they lie there."""
    return sum(tf.io.gfile.stat(file).length for file in files)


def compression_of(file: str) -> str:
    """Returns TensorFlow's name of a TFRecord file's compression: "GZIP" for `.gz`, else ""."""
    return "GZIP" if file.endswith(".gz") else ""


def read_records(patterns: str | Sequence[str]) -> tf.data.Dataset:
    """Returns a dataset of serialized records, file after file in sorted order."""
    files = matching_files(patterns)
    parts = [
        tf.data.TFRecordDataset([f for f in files if compression_of(f) == compression], compression)
        for compression in sorted({compression_of(file) for file in files})
    ]
    records = parts[0]
    for part in parts[1:]:
        records = records.concatenate(part)
    return records


def read_examples(
    patterns: str | Sequence[str], spec: Mapping[str, Any], batch_size: int
) -> tf.data.Dataset:
    """Returns a dataset of parsed batches in file order: one dict a batch, the last one smaller.

    Args:
        patterns: Globs of TFRecord files, gzipped or not.
        spec: From `parsing_spec`.
        batch_size: Examples in a batch.
    """
    batches = read_records(patterns).batch(batch_size)
    return batches.map(lambda records: tf.io.parse_example(records, dict(spec)), tf.data.AUTOTUNE)


def write_records(path: str, records: Iterable[bytes]) -> int:
    """Writes serialized records to one TFRecord file, gzipped where the name ends in `.gz`.

    The bytes depend on the records alone, not on the clock. Returns the number of records.
    """
    count = 0
    with tf.io.TFRecordWriter(path, compression_of(path)) as writer:
        for record in records:
            writer.write(record)
            count += 1
    return count
