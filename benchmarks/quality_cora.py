"""Cora: papers by their words, 140 of 2,708 with a label, with and without the citations.

Settings were chosen by the 500 papers of the val split, as is the epoch of every training.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from quality_data import read_papers
from quality_part import Arrays, Method
from quality_training import BestEpoch, accuracy, batches_with_neighbors

TITLE = "cora: accuracy on 1,000 papers, % [95 % interval]"
MEASURES = {"test": "test", "val": "val"}
FEATURE = "words"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoraMethod(Method):
    """How a network of two layers is trained.

    Attributes:
        dropout: Of the hidden layer, and of the words.
        weight_decay: The first layer's.
        neighbors: Citations packed with each seed; 0 for none.
        multiplier: Weight of the graph term.
        label_copies: How often a labelled paper comes in an epoch in which the others come once;
            0 leaves the others out.
    """

    hidden: int = 64
    dropout: float = 0.5
    word_dropout: float = 0.0
    weight_decay: float = 5e-5
    learning_rate: float = 0.01
    batch_size: int = 256
    epochs: int = 100
    patience: int = 30
    neighbors: int = 0
    multiplier: float = 0.0
    label_copies: int = 0


METHODS = {
    "plain": CoraMethod(
        title="MLP", word_dropout=0.5, weight_decay=5e-4, epochs=300, patience=100, has_peer=True
    ),
    "seeds": CoraMethod(
        title="+ citations of the 140",
        baseline="plain",
        word_dropout=0.5,
        weight_decay=5e-4,
        epochs=300,
        patience=100,
        neighbors=5,
        multiplier=1.0,
        has_peer=True,
    ),
    "all": CoraMethod(
        title="+ citations of all papers",
        baseline="plain",
        dropout=0.2,
        neighbors=5,
        multiplier=1.0,
        label_copies=20,
        has_peer=True,
    ),
}


def prepare(method: CoraMethod, seed: int, quick: bool) -> Arrays:
    """Returns words, labels, splits, seeds and their neighbors; other papers' weight is 0."""
    from nsl_tfx.graph import Graph

    papers = read_papers()
    words = papers.words / np.maximum(papers.words.sum(axis=1, keepdims=True), 1)
    labelled = papers.split == "train"
    every, known = np.arange(len(words)), np.flatnonzero(labelled)
    arrays = {
        "x": words,
        "y": papers.labels,
        "split": papers.split,
        "weight": labelled.astype(np.float32),
        "seeds": known,
    }
    if method.label_copies:
        seeds = every[:300] if quick else every
        arrays["seeds"] = np.concatenate([seeds, np.repeat(known, method.label_copies - 1)])
    # Ids of one width are in the order of their numbers.
    names = np.char.zfill(every.astype(str), 4)
    graph = Graph.from_edges(*names[papers.citations].T, nodes=names, directed=False)
    return {**arrays, **choose_some(graph.to_csr()[0], method.neighbors, seed)}


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


def train(nsl: Any, method: CoraMethod, arrays: Arrays, seed: int, quick: bool) -> list[np.ndarray]:
    keras.utils.set_random_seed(seed)
    base = model = make_model(method, arrays)
    if method.neighbors:
        config = nsl.configs.make_graph_reg_config(
            max_neighbors=method.neighbors,
            multiplier=method.multiplier,
            distance_type="l2",
            transform_fn="softmax",
            sum_over_axis=-1,
        )
        model = nsl.keras.GraphRegularization(base, config)
    model.compile(
        keras.optimizers.Adam(method.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    held_out = arrays["split"] == "val"
    best = BestEpoch(base, arrays["x"][held_out], arrays["y"][held_out], method.patience)
    data = batches_with_neighbors(
        {name: value for name, value in arrays.items() if name != "split"},
        FEATURE,
        method.batch_size,
    )
    model.fit(data, epochs=2 if quick else method.epochs, verbose=0, callbacks=[best])
    return best.weights


def evaluate(
    method: CoraMethod, arrays: Arrays, weights: list[np.ndarray], quick: bool
) -> dict[str, float]:
    model = make_model(method, arrays)
    model.set_weights(weights)
    rows = {split: arrays["split"] == split for split in MEASURES}
    return {s: accuracy(model, arrays["x"][in_], arrays["y"][in_]) for s, in_ in rows.items()}
