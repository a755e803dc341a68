"""Papers as tf.Examples, and the citations between them: files of yours, or made up."""

from __future__ import annotations

import os
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from nsl_tfx.io.publishing import published
from nsl_tfx.pipelines.split_files import Value, split_files, write_split_files

SPLITS = {"train": "train", "other": "train", "val": "eval", "eval": "eval", "test": "test"}
"""What a file of papers may call a split, and the split that it becomes."""

EDGES_FILE = "citations.tsv"

_FILE = "papers.tfrecord.gz"
# Of the papers that are made up: how many of each class, how many of them cite each other, and how
# often a word is in a paper of its class and in others.
_CLASS_SIZE, _CLASSES, _VOCABULARY = 200, 4, 400
_CITED, _CITED_ELSEWHERE = 0.06, 0.005
_OWN_WORD, _OTHER_WORD = 0.06, 0.005
_SPLIT_SIZES = {"train": 40, "other": 360, "eval": 100, "test": 300}


def write_citations(
    folder: str, nodes: str | None = None, edges: str | None = None, seed: int = 0
) -> None:
    """Writes one TFRecord file a split and `citations.tsv`; does nothing where all of them exist.

    Each example has `id` (bytes), `words` (a float a word of the vocabulary, 1 where it is in the
    paper) and, unless it is one to learn from the graph alone, `label` (int).

    Args:
        folder: Where `train/`, `eval/`, `test/` and `citations.tsv` go.
        nodes: A paper a line, without header, parted by tabs: its id, its class as an integer from
            0, its split, and the numbers of its words from 0, parted by spaces. Splits are `train`,
            `val` or `eval`, `test`, and `other` for papers to train on without their label.
            Compressed where the name says so. When None, papers are made up.
        edges: A citation a line, without header: the two papers' ids, parted by a tab. Given with
            `nodes`, and only with them.
        seed: Seed of papers that are made up.

    Raises:
        ValueError: One file is given without the other, or a file is not as described.
    """
    if (nodes is None) != (edges is None):
        raise ValueError(
            "Expected nodes and edges, or neither. Received: "
            f"nodes={nodes!r} and edges={edges!r}. The ids of one are those of the other."
        )
    citations_file = os.path.join(folder, EDGES_FILE)
    written = [citations_file, *split_files(folder, _FILE, set(SPLITS.values())).values()]
    if all(map(os.path.exists, written)):
        return
    if nodes is None or edges is None:
        papers, citations = _make_up(seed)
    else:
        papers = _read_papers(nodes)
        citations = pd.read_csv(edges, sep="\t", header=None, dtype=str, comment="#")
    vocabulary = 1 + max(max(numbers, default=0) for numbers in papers["words"])
    splits: dict[str, list[dict[str, Value]]] = {split: [] for split in SPLITS.values()}
    for paper in papers.to_dict("records"):
        splits[SPLITS[paper["split"]]].append(_example(paper, vocabulary))
    write_split_files(folder, _FILE, splits)
    with published(citations_file) as file:
        citations.to_csv(file, sep="\t", header=False, index=False)


def _read_papers(path: str) -> pd.DataFrame:
    """Returns papers with the columns `id`, `label`, `split` and `words`, a list of numbers."""
    columns = ["id", "label", "split", "words"]
    papers = pd.read_csv(path, sep="\t", names=columns, dtype=str, keep_default_na=False)
    unknown = set(papers["split"]) - set(SPLITS)
    if unknown:
        raise ValueError(
            f"Expected splits named {', '.join(SPLITS)} in the third column of {path}. Received: "
            f"{', '.join(sorted(unknown)[:3])}."
        )
    try:
        papers["label"] = papers["label"].astype(int)
        papers["words"] = [[int(number) for number in text.split()] for text in papers["words"]]
    except ValueError as error:
        raise ValueError(
            f"Expected integers in the second and the fourth column of {path}. Received: {error}."
        ) from error
    return papers


def _make_up(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns papers and citations: classes that cite within, and have some words of their own."""
    rng = np.random.default_rng(seed)
    graph = nx.random_partition_graph(
        [_CLASS_SIZE] * _CLASSES, _CITED, _CITED_ELSEWHERE, seed=int(rng.integers(2**31))
    )
    labels = np.repeat(np.arange(_CLASSES), _CLASS_SIZE)
    own = rng.integers(_CLASSES, size=_VOCABULARY) == labels[:, None]
    present = rng.random(own.shape) < np.where(own, _OWN_WORD, _OTHER_WORD)
    # Every paper has a word, and the vocabulary its last one.
    present[np.arange(len(labels)), rng.integers(_VOCABULARY, size=len(labels))] = True
    present[0, -1] = True
    splits = np.repeat(list(_SPLIT_SIZES), list(_SPLIT_SIZES.values()))
    papers = pd.DataFrame(
        {
            # In no order of classes: of equally heavy edges, those to the lowest ids are taken.
            "id": [f"paper-{number:03d}" for number in rng.permutation(len(labels))],
            "label": labels,
            "split": rng.permutation(splits),
            "words": [np.flatnonzero(row).tolist() for row in present],
        }
    )
    citations = pd.DataFrame(list(graph.edges()), columns=["source", "target"])
    return papers, citations.apply(lambda ends: ends.map(papers["id"]))


def _example(paper: dict[Any, Any], vocabulary: int) -> dict[str, Value]:
    words = np.zeros(vocabulary)
    words[paper["words"]] = 1
    example: dict[str, Value] = {"id": paper["id"].encode(), "words": words.tolist()}
    return example if paper["split"] == "other" else {**example, "label": int(paper["label"])}
