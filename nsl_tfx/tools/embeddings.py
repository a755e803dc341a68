"""Ids and embeddings out of files of tf.Examples."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from nsl_tfx.configs import InvalidExamples, SimilarityGraphConfig
from nsl_tfx.graph.building.blocks import Block, join_blocks, read_blocks
from nsl_tfx.graph.building.dimensions import choose_dimension, count_dimensions
from nsl_tfx.graph.examples.feature_names import absent_feature
from nsl_tfx.io import RecordBlock, read_record_blocks
from nsl_tfx.io.missing import why_no_file
from nsl_tfx.tools.progress import Advance, progress

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

_CAUSES = {
    "missing_id": "without an id",
    "missing_vector": "without a vector",
    "not_finite": "whose vector holds NaN or infinity",
    "zero": "whose vector is zero, for which cosine similarity is not defined",
    "too_large": "whose vector is too long for float32",
    "other_dimension": "whose vector has another length than most",
}


def find_files(paths: Paths) -> list[str]:
    """Returns the files that paths and globs name, sorted, each once.

    A path that exists is taken as it is, whatever it holds. Plain paths do not load TensorFlow.

    Raises:
        FileNotFoundError: One of the paths names no file.

    Example:
        >>> find_files(__file__) == [__file__]
        True
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: set[str] = set()
    for path in [os.fspath(one) for one in given]:
        found = _matching(path)
        if not found:
            raise _no_file(path)
        files.update(found)
    if not files:
        raise FileNotFoundError("Expected at least one file. Received none.")
    return sorted(files)


def _no_file(path: str) -> FileNotFoundError:
    if glob.has_magic(path) and not os.path.exists(path):
        text = f"Expected a glob that matches files. Received: {path!r}, which matches none."
        return FileNotFoundError(f"{text} Check the path.")
    return FileNotFoundError(f"Expected a file. Received: {path!r}, {why_no_file(path)}")


def check_output(output: str, inputs: Iterable[str]) -> None:
    """Raises ValueError where the file to write is one of those to read, by whatever name."""
    same = [path for path in inputs if os.path.realpath(path) == os.path.realpath(output)]
    if same:
        raise ValueError(
            f"Expected an output other than the input. Received: {output!r}, which is read as "
            f"{same[0]!r}. Name another file."
        )


def read_embeddings(paths: Paths, config: SimilarityGraphConfig) -> tuple[Block, dict[str, int]]:
    """Returns the ids, vectors and labels of all examples in TFRecord files, gzipped or not.

    Args:
        paths: Files and globs.
        config: Which features hold them, and what becomes of an example that cannot be a node.

    Returns:
        The nodes, and how many examples were dropped, by cause.

    Raises:
        FileNotFoundError: A path names no file.
        ValueError: A file is damaged, or an example cannot be a node and is not to be dropped; or
            there is no node, or no example has the label that is asked for.
    """
    # Arrow's reader of tf.Examples loads what neither a config nor a help text needs.
    from nsl_tfx.io.decoding import decode_features

    files = find_files(paths)
    absent = _features(config)
    strict = config.invalid_examples is InvalidExamples.ERROR
    drops: Counter[str] = Counter()
    blocks: list[Block] = []
    first: RecordBlock | None = None
    with progress("Reading", None, "examples") as advance:
        for records in _counted(files, advance):
            batch = decode_features(records, _features(config))
            lacks = [name for name in batch.schema.names if pa.types.is_null(batch[name].type)]
            if strict and records[2]:
                _check_needed(lacks, records, config)
            first = first or (records if records[2] else None)
            absent = {name: cure for name, cure in absent.items() if name in lacks}
            found, dropped = read_blocks(batch, config, records)
            blocks += found
            drops.update(dropped)
    if first is not None:
        for name, cure in absent.items():
            raise absent_feature(name, first, cure)
    blocks = _of_one_dimension(blocks, config, drops)
    if not blocks:
        raise _no_node(files, drops)
    return join_blocks(blocks, config.embedding_feature or ""), dict(drops)


def _features(config: SimilarityGraphConfig) -> dict[str, str]:
    """Returns the features that are read, and what to do where no example has one of them."""
    features = {
        config.id_feature: (
            "Name the feature that holds the id, or give the examples ids first, as "
            "ExampleIdentifier does."
        ),
        config.embedding_feature or "": "Name the feature that holds the vectors.",
    }
    if config.label_feature is not None:
        features.setdefault(config.label_feature, "Name another label_feature, or none.")
    return features


def _check_needed(
    lacks: Iterable[str], records: RecordBlock, config: SimilarityGraphConfig
) -> None:
    """Raises ValueError where no example of a block has a feature that all of them need."""
    for name, cure in _features(config).items():
        if name in lacks and name != config.label_feature:
            raise absent_feature(name, records, cure)


def _no_node(files: Sequence[str], drops: Mapping[str, int]) -> ValueError:
    where = files[0] if len(files) == 1 else f"the {len(files)} files"
    if not drops:
        return ValueError(f"Expected examples in {where}. Received none. Name other files.")
    causes = ", ".join(f"{count:,} {_CAUSES.get(cause, cause)}" for cause, count in drops.items())
    return ValueError(
        f"Expected an example that can be a node in {where}. Received {sum(drops.values()):,} "
        f"examples, all of which were dropped: {causes}. Set invalid_examples='error' to be told "
        "where the first one is."
    )


def _of_one_dimension(
    blocks: list[Block], config: SimilarityGraphConfig, drops: Counter[str]
) -> list[Block]:
    """Keeps the vectors of the length that most have, where others are to be dropped."""
    lengths = [{vectors.shape[1]: (len(ids), sorted(ids))} for ids, vectors, _ in blocks]
    kept, rows = choose_dimension(count_dimensions(lengths), config)
    if others := sum(len(ids) for ids, _, _ in blocks) - rows:
        drops["other_dimension"] += others
    return [block for block in blocks if block[1].shape[1] == kept]


def _matching(path: str) -> list[str]:
    if "://" in path:
        import tensorflow as tf

        return [str(found) for found in tf.io.gfile.glob(path)]
    if os.path.isfile(path):
        return [path]
    return [found for found in glob.glob(path) if os.path.isfile(found)]


def _counted(files: list[str], advance: Advance) -> Iterator[RecordBlock]:
    for file in files:
        for block in read_record_blocks(file):
            yield block
            advance(len(block[2]))
