"""Film reviews: sentences that praise or blame, few with a label, and a graph made of their words.

The graph joins training sentences of similar words: the cosine of their TF-IDF, which is fitted on
all training sentences and sees no label. Since that alone tells something of unlabelled text, a
model that starts from these vectors, reduced to some dimensions, is compared with and without the
graph too. Settings were chosen on the val split of seeds from 100 on; the epoch of every training
on that of its own seed.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import keras
import numpy as np
from quality_data import read_reviews
from quality_neighbors import FEATURE, NeighborsMethod, train_with_neighbors
from quality_part import Arrays, rows_of
from quality_training import accuracy
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

TITLE = "reviews: accuracy on 2,132 sentences, % [95 % interval]"
MEASURES = {"test": "test", "val": "val"}
# Of the sentences, in a seed's order: val, test, and all others are for training.
VAL, TEST = 1066, 2132
LONGEST = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewsMethod(NeighborsMethod):
    """How sentences are classified, whose neighbors are the most similar ones.

    Attributes:
        labelled: Share of the training sentences with a label.
        reduced: Whether the model starts from the reduced vectors rather than from words.
        dimensions: Of the reduced vectors.
        threshold: Least similarity of neighbors, from -1 to 1.
    """

    labelled: float
    reduced: bool = False
    dimensions: int = 128
    threshold: float = 0.0


def _methods(labelled: float, copies: int, multiplier: float) -> dict[str, ReviewsMethod]:
    """Returns the methods for a share of labels.

    Args:
        labelled: The share.
        copies: As `label_copies`.
        multiplier: Of the graph term where the model starts from words.
    """
    percent = f"{100 * labelled:.0f}"
    plain = ReviewsMethod(
        title=f"{percent} % labelled, words",
        has_peer=True,
        labelled=labelled,
        hidden=32,
        weight_decay=1e-5,
        batch_size=128,
        epochs=200,
        patience=50,
    )
    graph = dataclasses.replace(
        plain,
        title=f"{plain.title} + graph",
        baseline=f"words-{percent}",
        learning_rate=0.003,
        epochs=30,
        patience=10,
        neighbors=10,
        multiplier=multiplier,
        label_copies=copies,
    )
    reduced = dataclasses.replace(plain, title=f"{percent} % labelled, reduced", reduced=True)
    reduced_graph = dataclasses.replace(
        graph,
        title=f"{reduced.title} + graph",
        baseline=f"reduced-{percent}",
        reduced=True,
        learning_rate=0.01,
        multiplier=1.0,
    )
    return {
        f"words-{percent}": plain,
        f"words-{percent}-graph": graph,
        f"reduced-{percent}": reduced,
        f"reduced-{percent}-graph": reduced_graph,
    }


METHODS = {**_methods(0.01, 50, 3.0), **_methods(0.05, 10, 0.3)}


class Sentences(NamedTuple):
    """A seed's sentences, in its order: val, test, those to train on with the labelled ones first.

    Attributes:
        texts: Of all.
        labels: 1 for those that praise, `[sentences]`.
        training: Rows of those to train on.
        tfidf: Fitted on these.
        found: Their vectors, sparse `[training sentences, words]`.
    """

    texts: list[str]
    labels: np.ndarray
    training: np.ndarray
    tfidf: Any
    found: Any


def prepare(method: ReviewsMethod, seed: int, quick: bool) -> Arrays:
    """Returns features and labels of all sentences, which of them count, and their neighbors."""
    texts, labels, training, tfidf, found = read(seed, quick)
    if method.reduced:
        svd = TruncatedSVD(method.dimensions, random_state=seed).fit(found)
        vectors = svd.transform(tfidf.transform(texts)).astype(np.float32)
        x = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    else:
        x = word_numbers(texts, tfidf)
    return {
        "x": x,
        "y": labels,
        "split": np.repeat(["val", "test", "train"], [VAL, TEST, len(training)]),
        "labelled": training[: round(method.labelled * len(training))],
        "training": training,
        **neighbors_of(seed, quick, method.neighbors, method.threshold),
    }


@functools.lru_cache(maxsize=1)
def read(seed: int, quick: bool) -> Sentences:
    sentences, labels = read_reviews()
    order = np.random.default_rng(seed).permutation(len(sentences))
    if quick:
        order = order[: VAL + TEST + 500]
    texts = [sentences[row] for row in order]
    training = np.arange(VAL + TEST, len(texts))
    tfidf = TfidfVectorizer(sublinear_tf=True, min_df=2, token_pattern=r"\S+")
    found = tfidf.fit_transform([texts[row] for row in training])
    return Sentences(texts, labels[order], training, tfidf, found)


def word_numbers(texts: list[str], tfidf: Any) -> np.ndarray:
    """Returns `[sentences, LONGEST]`: 0 for no word, 1 for one that no training sentence has."""
    split = tfidf.build_analyzer()
    numbers = np.zeros((len(texts), LONGEST), np.int32)
    for row, text in enumerate(texts):
        words = [2 + tfidf.vocabulary_.get(word, -1) for word in split(text)][:LONGEST]
        numbers[row, : len(words)] = words
    return numbers


@functools.lru_cache(maxsize=2)
def neighbors_of(seed: int, quick: bool, count: int, threshold: float) -> Arrays:
    """Returns the most similar ones of each training sentence among them, best first.

    Args:
        seed: Whose sentences.
        quick: Whether they are few.
        count: How many neighbors.
        threshold: How similar they are at least.
    """
    from nsl_tfx.configs import SimilarityGraphConfig
    from nsl_tfx.graph import build_similarity_graph

    texts, _, training, _, found = read(seed, quick)
    neighbors = np.zeros((len(texts), count), int)
    weights = np.zeros((len(texts), count), np.float32)
    if count:
        # A sentence of unknown words alone is like no other.
        known = np.flatnonzero(found.getnnz(axis=1))
        config = SimilarityGraphConfig(
            embedding_feature=FEATURE,
            num_neighbors=count,
            similarity_threshold=threshold,
            symmetrize="none",
        )
        graph = build_similarity_graph(
            training[known], found[known].toarray().astype(np.float32), config
        )
        nodes, source = training[known][graph.order], graph.edges.source
        rank = np.arange(len(source)) - np.searchsorted(source, source)
        neighbors[nodes[source], rank] = nodes[graph.edges.target]
        weights[nodes[source], rank] = graph.edges.weight
    return {"neighbors": neighbors, "neighbor_weights": weights}


def make_model(method: ReviewsMethod, arrays: Arrays) -> keras.Model:
    layers = keras.layers
    x = arrays["x"]
    inputs = keras.Input(x.shape[1:], name=FEATURE, dtype=x.dtype.name)
    decay = keras.regularizers.L2(method.weight_decay)
    if method.reduced:
        hidden = layers.Dense(method.hidden, activation="relu", kernel_regularizer=decay)(inputs)
    else:
        words = layers.Embedding(int(x.max()) + 1, method.hidden, mask_zero=True)(inputs)
        hidden = layers.GlobalAveragePooling1D()(words)
    hidden = layers.Dropout(method.dropout)(hidden)
    return keras.Model(inputs, layers.Dense(2)(hidden))


def train(nsl: Any, method: ReviewsMethod, model: keras.Model, arrays: Arrays, quick: bool) -> None:
    train_with_neighbors(nsl, method, model, arrays, epochs=1 if quick else method.epochs)


def evaluate(model: keras.Model, arrays: Arrays, quick: bool) -> dict[str, float]:
    return {split: accuracy(model, *rows_of(arrays, split)) for split in MEASURES}
