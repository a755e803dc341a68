"""scikit-learn's bundled measurements of tumors as CSV files, some of their cells empty."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from sklearn import datasets

from nsl_tfx.io.publishing import published
from nsl_tfx.pipelines.tumors.config import COLUMNS

SPLIT_SIZES = {"train": 300, "eval": 69, "test": 200}
"""The 569 rows, shared out at random."""

_FILE = "tumors.csv"


def write_tumors(folder: str, missing_share: float = 0.02, seed: int = 0) -> None:
    """Writes one CSV file a split; does nothing where all of them exist.

    Each row has `id` (text), a float in each of `COLUMNS`, and `label`: 0 for malignant, 1 for
    benign.

    Args:
        folder: Where `train/`, `eval/` and `test/` go.
        missing_share: The share of the measurements that are left out.
        seed: Seed of the split and of what is left out.
    """
    paths = {split: os.path.join(folder, split, _FILE) for split in SPLIT_SIZES}
    if all(map(os.path.exists, paths.values())):
        return
    bunch = datasets.load_breast_cancer()
    rng = np.random.default_rng(seed)
    # Of each measurement the mean over a tumor's cells, which come first.
    table = pd.DataFrame(bunch.data[:, : len(COLUMNS)], columns=list(COLUMNS))
    table = table.mask(rng.random(table.shape) < missing_share)
    table.insert(0, "id", [f"tumor-{row:03d}" for row in range(len(table))])
    table["label"] = bunch.target
    order = rng.permutation(len(table))
    start = 0
    for split, path in paths.items():
        rows = sorted(order[start : start + SPLIT_SIZES[split]])
        start += SPLIT_SIZES[split]
        with published(path) as file:
            table.iloc[rows].to_csv(file, index=False)
