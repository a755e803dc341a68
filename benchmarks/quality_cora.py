"""Cora: papers by their words, 140 of 2,708 with a label, with and without the citations.

Settings were chosen by the 500 papers of the val split, as is the epoch of every training.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from quality_data import read_papers
from quality_neighbors import FEATURE, NeighborsMethod, train_with_neighbors
from quality_part import Arrays, rows_of
from quality_training import accuracy

TITLE = "cora: accuracy on 1,000 papers, % [95 % interval]"
MEASURES = {"test": "test", "val": "val"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoraMethod(NeighborsMethod):
    """How papers are classified, whose neighbors are the citations.

    Attributes:
        word_dropout: Dropout of the words.
    """

    word_dropout: float = 0.0


PLAIN = CoraMethod(
    title="MLP",
    has_peer=True,
    hidden=64,
    word_dropout=0.5,
    weight_decay=5e-4,
    batch_size=256,
    epochs=300,
    patience=100,
)
METHODS = {
    "plain": PLAIN,
    "seeds": dataclasses.replace(
        PLAIN, title="+ citations of the 140", baseline="plain", neighbors=5, multiplier=1.0
    ),
    "all": dataclasses.replace(
        PLAIN,
        title="+ citations of all papers",
        baseline="plain",
        dropout=0.2,
        word_dropout=0.0,
        weight_decay=5e-5,
        epochs=100,
        patience=30,
        neighbors=5,
        multiplier=1.0,
        label_copies=20,
    ),
}


def prepare(method: CoraMethod, seed: int, quick: bool) -> Arrays:
    """Returns words, labels and splits of all papers, which of them count, and their neighbors."""
    from nsl_tfx.graph import Graph

    papers = read_papers()
    words = papers.words / np.maximum(papers.words.sum(axis=1, keepdims=True), 1)
    every = np.arange(len(words))
    # Ids of one width are in the order of their numbers.
    names = np.char.zfill(every.astype(str), 4)
    graph = Graph.from_edges(*names[papers.citations].T, nodes=names, directed=False)
    return {
        "x": words,
        "y": papers.labels,
        "split": papers.split,
        "labelled": np.flatnonzero(papers.split == "train"),
        "training": every[:300] if quick else every,
        **choose_some(graph.to_csr()[0], method.neighbors, seed),
    }


def choose_some(citations: Any, count: int, seed: int) -> Arrays:
    """Returns up to so many neighbors of each row, drawn at random: all weigh 1."""
    rng = np.random.default_rng(seed)
    rows = citations.shape[0]
    neighbors, weights = np.zeros((rows, count), int), np.zeros((rows, count), np.float32)
    for row in range(rows):
        theirs = rng.permutation(citations.indices[slice(*citations.indptr[row : row + 2])])
        chosen = theirs[:count]
        neighbors[row, : len(chosen)], weights[row, : len(chosen)] = chosen, 1
    return {"neighbors": neighbors, "neighbor_weights": weights}


def make_model(method: CoraMethod, arrays: Arrays) -> keras.Model:
    inputs = keras.Input(arrays["x"].shape[1:], name=FEATURE)
    x = keras.layers.Dropout(method.word_dropout)(inputs)
    decay = keras.regularizers.L2(method.weight_decay)
    x = keras.layers.Dense(method.hidden, activation="relu", kernel_regularizer=decay)(x)
    x = keras.layers.Dropout(method.dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(7)(x))


def train(nsl: Any, method: CoraMethod, model: keras.Model, arrays: Arrays, quick: bool) -> None:
    train_with_neighbors(nsl, method, model, arrays, epochs=2 if quick else method.epochs)


def evaluate(model: keras.Model, arrays: Arrays, quick: bool) -> dict[str, float]:
    return {split: accuracy(model, *rows_of(arrays, split)) for split in MEASURES}
