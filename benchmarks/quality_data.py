"""The known data sets of `quality.py`, which lie beside the checkout."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared/data"
FILES = {
    "cora": ("cora/nodes.tsv.gz", "cora/edges.tsv.gz"),
    "digits": ("mnist10k/t10k-images-idx3-ubyte.gz", "mnist10k/t10k-labels-idx1-ubyte.gz"),
    "reviews": ("movie_reviews/rt-polarity.neg", "movie_reviews/rt-polarity.pos"),
}
"""By part, the files that it reads."""


class Papers(NamedTuple):
    """Cora: McCallum et al. 2000, in the splits of Yang et al. 2016, "Planetoid".

    Attributes:
        words: `[papers, 1433]` float32, 1 for a word that the paper has.
        labels: `[papers]`, the field of research, from 0 to 6.
        split: `[papers]` text: train (140), val (500), test (1,000) or other.
        citations: `[edges, 2]`, papers of which one cites the other, by their rows.
    """

    words: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    citations: np.ndarray


def missing_files(part: str) -> list[Path]:
    return [DATA / name for name in FILES[part] if not (DATA / name).is_file()]


def read_papers() -> Papers:
    nodes, edges = (_lines(gzip.decompress((DATA / name).read_bytes())) for name in FILES["cora"])
    rows = [line.split("\t") for line in nodes]
    row_of = {row[0]: number for number, row in enumerate(rows)}
    words = np.zeros((len(rows), 1433), np.float32)
    for number, row in enumerate(rows):
        words[number, [int(word) for word in row[3].split()]] = 1
    return Papers(
        words,
        np.array([int(row[1]) for row in rows]),
        np.array([row[2] for row in rows]),
        np.array([[row_of[paper] for paper in line.split("\t")] for line in edges]),
    )


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns images `[10000, 28, 28, 1]` float32 from 0 to 1, and their labels."""
    images, labels = (gzip.decompress((DATA / name).read_bytes()) for name in FILES["digits"])
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return pixels.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8).astype(int)


def read_reviews() -> tuple[list[str], np.ndarray]:
    """Returns 10,662 sentences, and 1 for the praising ones."""
    negative, positive = (_lines((DATA / name).read_bytes()) for name in FILES["reviews"])
    return negative + positive, np.repeat([0, 1], [len(negative), len(positive)])


def _lines(content: bytes) -> list[str]:
    # Some sentences hold other separators of lines, at which splitlines() would part them.
    return [line for line in content.decode("latin-1").split("\n") if line.strip()]
