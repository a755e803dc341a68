"""What comparing embeddings will cost, told before it begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from nsl_tfx.configs import SearchMethod, SimilarityGraphConfig
from nsl_tfx.graph.building.bucketing import make_plan, search_bytes
from nsl_tfx.graph.search.nearest import compares_all
from nsl_tfx.io import read_record_blocks
from nsl_tfx.tools.amounts import count_of, format_bytes, format_seconds

# Multiplications a second and core: measured for blocked products of float32 matrices on a core of
# a server, halved, because a promise of time is better too long.
_RATE = 12e9
# Core-seconds of the approximate search for a vector, doubled likewise: 1.5e-8 * (dimension + 200)
# * (neighbors + 10). Measured with 16 and 128 numbers, 10 and 50 neighbors, up to a million
# vectors; beside products there is as much work for vectors of any length.
_NEAR_SECONDS, _MORE_NUMBERS, _MORE_NEIGHBORS = 1.5e-8, 200, 10
# Held beside a search for each vector, and for each of its neighbors until their edges are sorted,
# measured and written: measured for whole runs of 40,000 to 120,000 vectors.
_NODE_BYTES, _EDGE_BYTES = 300, 150
# Copies of the vectors that comparing all pairs with a threshold holds at its peak.
_PAIRS_COPIES = 5
# Seconds after which it is worth telling, in a log too, that a search compares all pairs.
_LONG = 300


class _Cost(NamedTuple):
    all_pairs: bool
    seconds: float
    memory: float


def foresee_search(files: Sequence[str], config: SimilarityGraphConfig) -> str:
    """Returns what building a graph of files' examples will take, before they are read; as text.

    How many there are is guessed from the files' sizes and from the first block of records; the
    text is empty where none of them has a vector.

    Raises:
        ValueError: The first file is damaged.
    """
    size = _guess_size(files, config.embedding_feature or "")
    return "" if size is None else f"About {describe_search(*size, config)}"


def foresee_pairs(files: Sequence[str], embedding_feature: str) -> str:
    """Returns what comparing all pairs of files' examples with a threshold will take; as text.

    The text is empty where no example has a vector.

    Raises:
        ValueError: The first file is damaged.
    """
    size = _guess_size(files, embedding_feature)
    return "" if size is None else f"About {describe_pairs(*size)}"


def describe_search(rows: int, dimension: int, config: SimilarityGraphConfig) -> str:
    """Returns how long a graph takes here, and what memory, as text.

    Example:
        >>> config = SimilarityGraphConfig(embedding_feature="x", method="exact")
        >>> print(describe_search(40_000, 16, config).split(" and ")[1])
        209 MiB of memory.
    """
    cost = _cost(rows, dimension, config)
    # How many rounds an approximate search takes is seen only when it runs.
    limit = "at most about" if cost.all_pairs else "about"
    return _describe(rows, dimension, limit, cost)


def describe_pairs(rows: int, dimension: int) -> str:
    """Returns how long comparing all pairs with a threshold takes here, and what memory, as text.

    Example:
        >>> print(describe_pairs(40_000, 16).split(" and ")[1])
        24 MiB of memory, beside the edges.
    """
    memory = rows * (4 * dimension * _PAIRS_COPIES + _NODE_BYTES)
    cost = _Cost(True, _pairs_seconds(rows, dimension), memory)
    return f"{_describe(rows, dimension, 'at most about', cost)[:-1]}, beside the edges."


def describe_long_search(rows: int, dimension: int, config: SimilarityGraphConfig) -> str:
    """Returns what to say before a search that compares all pairs for long; else an empty text.

    Example:
        >>> describe_long_search(1000, 100, SimilarityGraphConfig(embedding_feature="x"))
        ''
    """
    cost = _cost(rows, dimension, config)
    if cost.seconds < _LONG or not cost.all_pairs:
        return ""
    return (
        f"All pairs of {rows:,} vectors are compared, which takes up to about "
        f"{format_seconds(cost.seconds)}. An approximate search for fewer neighbors takes less."
    )


def _cost(rows: int, dimension: int, config: SimilarityGraphConfig) -> _Cost:
    at_once, rounds = rows, 1
    # An exact search is never cut: one that does not fit is refused when the rows are known.
    if config.method is not SearchMethod.EXACT:
        plan = make_plan(rows, dimension, config)
        at_once, rounds = min(rows, plan.rows_in_bucket), plan.rounds
    neighbors = min(config.num_neighbors, max(1, at_once - 1))
    exact = compares_all(config.method, at_once, neighbors)
    seconds = (
        _pairs_seconds(at_once, dimension)
        if exact
        else _near_seconds(at_once, dimension, neighbors)
    )
    beside = 4 * dimension + _NODE_BYTES + _EDGE_BYTES * neighbors
    memory = at_once * search_bytes(dimension, neighbors, exact=exact) + rows * beside
    return _Cost(exact and at_once == rows, seconds * rounds * rows / at_once, memory)


def _pairs_seconds(rows: int, dimension: int) -> float:
    return rows**2 * dimension / (_RATE * _cores())


def _near_seconds(rows: int, dimension: int, neighbors: int) -> float:
    work = (dimension + _MORE_NUMBERS) * (neighbors + _MORE_NEIGHBORS)
    return rows * work * _NEAR_SECONDS / _cores()


def _describe(rows: int, dimension: int, limit: str, cost: _Cost) -> str:
    return (
        f"{rows:,} vectors of {dimension:,} numbers: {limit} {format_seconds(cost.seconds)} on "
        f"{count_of(_cores(), 'core')} and {format_bytes(cost.memory)} of memory."
    )


def _guess_size(files: Sequence[str], embedding_feature: str) -> tuple[int, int] | None:
    """Returns about how many examples files hold, and how long a vector is; None without any."""
    # Arrow's reader of tf.Examples loads what neither a config nor a help text needs.
    from nsl_tfx.io.content_size import estimate_content_bytes
    from nsl_tfx.io.decoding import decode_features
    from nsl_tfx.io.tfrecords import FRAME_BYTES

    first = next((block for file in files for block in read_record_blocks(file) if block[2]), None)
    if first is None:
        return None
    column = decode_features(first, [embedding_feature])[embedding_feature]
    if pa.types.is_null(column.type):
        return None
    record_bytes = sum(map(len, first[2])) / len(first[2]) + FRAME_BYTES
    rows = round(sum(map(estimate_content_bytes, files)) / record_bytes)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return max(1, rows), int(lengths.max())


def _cores() -> int:
    return len(os.sched_getaffinity(0))
