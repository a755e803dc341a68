"""Files of tf.Examples, a folder a split, as the ready pipelines read them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from nsl_tfx.io import write_records

Value = bytes | int | float | Sequence[int] | Sequence[float]
"""What a feature holds: one value, or numbers of one kind."""


def split_files(folder: str, name: str, splits: Iterable[str]) -> dict[str, str]:
    """Returns each split's file: `folder/split/name`."""
    return {split: os.path.join(folder, split, name) for split in splits}


def write_split_files(
    folder: str, name: str, splits: Mapping[str, Iterable[Mapping[str, Value]]]
) -> None:
    """Writes one TFRecord file a split.

    Each file appears whole: a run that is killed leaves no short one behind.

    Args:
        folder: Where the splits' folders go.
        name: The name of each file, gzipped where it ends in `.gz`.
        splits: Split to examples: feature to value.
    """
    for split, path in split_files(folder, name, splits).items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = os.path.join(folder, f".{split}.{name}")
        write_records(
            temporary,
            (make_example(row).SerializeToString(deterministic=True) for row in splits[split]),
        )
        os.replace(temporary, path)


def make_example(values: Mapping[str, Value]) -> tf.train.Example:
    """Returns a tf.Example of features by name.

    Example:
        >>> example = make_example({"id": b"a", "label": 1, "words": [0.0, 0.5]})
        >>> example.features.feature["words"].float_list.value
        [0.0, 0.5]
    """
    example = tf.train.Example()
    for name, value in values.items():
        items = [value] if isinstance(value, (bytes, int, float)) else list(value)
        feature = example.features.feature[name]
        if any(isinstance(item, bytes) for item in items):
            feature.bytes_list.value.extend(items)
        elif all(isinstance(item, int) for item in items):
            feature.int64_list.value.extend(items)
        else:
            feature.float_list.value.extend(items)
    return example
