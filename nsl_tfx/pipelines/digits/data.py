"""scikit-learn's bundled digits as tf.Examples, most of them without their label."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn import datasets

from nsl_tfx.io import write_records

SPLIT_SIZES = {"train": 1000, "eval": 297, "test": 500}
"""The 1,797 images, shared out at random."""

_LARGEST_PIXEL = 16


def write_digits(folder: str, labelled_share: float = 0.1, seed: int = 0) -> None:
    """Writes one TFRecord file a split; does nothing where all of them exist.

    Each example has `id` (bytes), `image` (64 floats in 0 to 1, row by row) and `label` (the digit,
    int). Training examples outside the labelled share have no `label`.

    Args:
        folder: Where `train/`, `eval/` and `test/` go.
        labelled_share: The share of the training examples that keep their label.
        seed: Seed of the split and of the choice of labels.
    """
    paths = {split: os.path.join(folder, split, "digits.tfrecord.gz") for split in SPLIT_SIZES}
    if all(os.path.exists(path) for path in paths.values()):
        return
    digits = datasets.load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    unlabelled = set(order[round(SPLIT_SIZES["train"] * labelled_share) : SPLIT_SIZES["train"]])
    start = 0
    for split, size in SPLIT_SIZES.items():
        os.makedirs(os.path.dirname(paths[split]), exist_ok=True)
        rows = sorted(order[start : start + size])
        # Renamed once whole: a run that is killed here leaves no short file behind.
        temporary = os.path.join(folder, f".{split}.tfrecord.gz")
        write_records(
            temporary,
            (
                _example(
                    row, digits.data[row], None if row in unlabelled else digits.target[row]
                ).SerializeToString(deterministic=True)
                for row in rows
            ),
        )
        os.replace(temporary, paths[split])
        start += size


def _example(row: int, pixels: npt.NDArray[np.float64], label: int | None) -> tf.train.Example:
    example = tf.train.Example()
    feature = example.features.feature
    feature["id"].bytes_list.value.append(f"digit-{row:04d}".encode())
    feature["image"].float_list.value.extend(pixels / _LARGEST_PIXEL)
    if label is not None:
        feature["label"].int64_list.value.append(int(label))
    return example
