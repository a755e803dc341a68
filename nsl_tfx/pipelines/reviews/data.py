"""Sentences that praise or blame, as tf.Examples: a table of yours, or made up."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nsl_tfx.pipelines.split_files import Value, split_files, write_split_files

SPLIT_SHARES = {"train": 0.6, "eval": 0.15, "test": 0.25}
"""How sentences are shared out, at random."""

_FILE = "reviews.tfrecord.gz"
_MADE_UP, _LABELLED = 800, 60
# Of sentences that are made up. Who praises a film's heart rarely says "dull".
_OPINIONS = {
    1: (
        "moving tender wise heart warm human quiet honest",
        "funny witty clever sharp sparkling comic timing laugh",
        "thrilling tense gripping bold swift daring pulse ride",
        "gorgeous lush vivid radiant painterly light images eye",
    ),
    0: (
        "mawkish syrupy preachy shallow cloying tears false sermon",
        "unfunny stale lame crude tired gags groan forced",
        "plodding dull slow endless limp routine clock nap",
        "murky ugly cheap flat drab garish blurred pixels",
    ),
}
_FILLERS = (
    "the a film story actors director script scene camera it this one that has with from of and "
    "but its two hours screen role plot ending character music young old city family"
)


def write_reviews(folder: str, table: str | None = None, seed: int = 0) -> None:
    """Writes one TFRecord file a split; does nothing where all of them exist.

    Each example has `text` (bytes) and, unless it is one to learn from the graph alone, `label`
    (int: 1 for praise). None has an id.

    Args:
        folder: Where `train/`, `eval/` and `test/` go.
        table: A CSV file with the columns `text` and `label`, 0 or 1, or nothing where there is
            none. When None, sentences are made up, most of those to train on without a label.
        seed: Seed of the split, and of sentences that are made up.

    Raises:
        ValueError: The table is not as described.
    """
    if all(map(os.path.exists, split_files(folder, _FILE, SPLIT_SHARES).values())):
        return
    rng = np.random.default_rng(seed)
    reviews = _make_up(rng) if table is None else _read(table)
    # Only labels can tell how good a model is, so what has none is to train on.
    labelled = rng.permutation(np.flatnonzero(reviews["label"].notna()))
    held_out = {}
    for split in ("eval", "test"):
        count = round(SPLIT_SHARES[split] * len(reviews))
        held_out[split], labelled = labelled[:count], labelled[count:]
    if not len(labelled):
        raise ValueError(
            f"Expected labels in more than {1 - SPLIT_SHARES['train']:.0%} of the {len(reviews)} "
            f"sentences of {table}, which are held out. Received: {reviews['label'].count()}."
        )
    train = np.setdiff1d(np.arange(len(reviews)), np.concatenate(list(held_out.values())))
    if table is None:
        reviews.loc[np.setdiff1d(train, labelled[:_LABELLED]), "label"] = np.nan
    write_split_files(
        folder,
        _FILE,
        {
            split: [_example(text, label) for text, label in reviews.iloc[np.sort(rows)].to_numpy()]
            for split, rows in {"train": train, **held_out}.items()
        },
    )


def _read(table: str) -> pd.DataFrame:
    reviews = pd.read_csv(table, dtype=str, keep_default_na=False)
    missing = {"text", "label"} - set(reviews)
    if missing:
        raise ValueError(
            f"Expected the columns text and label in {table}. Received: {', '.join(reviews)}."
        )
    labels = reviews["label"].str.strip()
    wrong = sorted(set(labels) - {"0", "1", ""})
    if wrong:
        raise ValueError(f"Expected labels 0, 1 or none in {table}. Received: {wrong[0]!r}.")
    reviews["label"] = labels.map({"0": 0.0, "1": 1.0, "": np.nan})
    return reviews[["text", "label"]]


def _make_up(rng: np.random.Generator) -> pd.DataFrame:
    """Returns sentences of fillers and of what one kind of opinion has words for."""
    rows = []
    for number in range(_MADE_UP):
        label = number % 2
        kinds = [words.split() for words in _OPINIONS[label]]
        own = kinds[rng.integers(len(kinds))]
        words = [*rng.choice(own, 2), *rng.choice(_FILLERS.split(), rng.integers(4, 9))]
        # Some say what the others say, as in "not one cheap laugh".
        if rng.random() < 0.3:
            words.append(rng.choice(_OPINIONS[1 - label][rng.integers(len(kinds))].split()))
        rows.append((" ".join(rng.permutation(words)), label))
    return pd.DataFrame(rows, columns=["text", "label"]).astype({"label": float})


def _example(text: str, label: float) -> dict[str, Value]:
    example: dict[str, Value] = {"text": text.encode()}
    return example if np.isnan(label) else {**example, "label": int(label)}
