"""scikit-learn's bundled digits as tf.Examples, most of them without their label."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from sklearn import datasets

from nsl_tfx.pipelines.split_files import Value, split_files, write_split_files

SPLIT_SIZES = {"train": 1000, "eval": 297, "test": 500}
"""The 1,797 images, shared out at random."""

_FILE = "digits.tfrecord.gz"
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
    if all(map(os.path.exists, split_files(folder, _FILE, SPLIT_SIZES).values())):
        return
    digits = datasets.load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    unlabelled = set(order[round(SPLIT_SIZES["train"] * labelled_share) : SPLIT_SIZES["train"]])
    ends = np.cumsum(list(SPLIT_SIZES.values()))
    write_split_files(
        folder,
        _FILE,
        {
            split: [
                _digit(row, digits.data[row], None if row in unlabelled else digits.target[row])
                for row in sorted(order[end - size : end])
            ]
            for (split, size), end in zip(SPLIT_SIZES.items(), ends, strict=True)
        },
    )


def _digit(row: int, pixels: npt.NDArray[np.float64], label: int | None) -> dict[str, Value]:
    digit: dict[str, Value] = {
        "id": f"digit-{row:04d}".encode(),
        "image": (pixels / _LARGEST_PIXEL).tolist(),
    }
    return digit if label is None else {**digit, "label": int(label)}
