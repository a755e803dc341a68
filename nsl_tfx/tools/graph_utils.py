"""Graphs as NSL's tools pass them around: dicts of source to target to weight, and TSV files."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nsl_tfx.graph.exporting.text import format_weight
from nsl_tfx.io import storage
from nsl_tfx.io.publishing import published_text

# Source id to target id to weight.
GraphDict = dict[str, dict[str, float]]

_GZIP_MAGIC = b"\x1f\x8b"
# What would end an id's column or line in a file.
_SEPARATORS = "\t\n\r"


def add_edge(graph: GraphDict, edge: Sequence[Any]) -> bool:
    """Adds an edge to a graph; of two between the same nodes, the one of larger weight stays.

    Args:
        graph: Source id to target id to weight; changed in place.
        edge: Source, target and, where there is a third element, the weight: a number, or its text;
            else 1.

    Returns:
        Whether there was no edge from the source to the target before.

    Raises:
        ValueError: The edge has no two or three elements, or its weight is not a finite number.

    Example:
        >>> graph = {}
        >>> add_edge(graph, ["a", "b", 0.5]), add_edge(graph, ["a", "b", "0.25"])
        (True, False)
        >>> graph
        {'a': {'b': 0.5}}
    """
    if not 2 <= len(edge) <= 3:
        raise ValueError(
            f"Expected an edge of source, target and perhaps weight. Received {len(edge)} elements."
        )
    weight = _weight(edge[2]) if len(edge) == 3 else 1.0
    targets = graph.setdefault(edge[0], {})
    is_new = edge[1] not in targets
    if is_new or weight > targets[edge[1]]:
        targets[edge[1]] = weight
    return is_new


def add_undirected_edges(graph: GraphDict) -> None:
    """Adds each edge's reverse to a graph; where both are there, each gets the larger weight.

    Args:
        graph: Source id to target id to weight; changed in place.

    Example:
        >>> graph = {"a": {"b": 0.5}, "b": {"a": 0.75}}
        >>> add_undirected_edges(graph)
        >>> graph
        {'a': {'b': 0.75}, 'b': {'a': 0.75}}
    """
    edges = [(source, *edge) for source, targets in graph.items() for edge in targets.items()]
    for source, target, weight in edges:
        add_edge(graph, (target, source, weight))


def read_tsv_graph(filename: str | os.PathLike[str]) -> GraphDict:
    """Reads a graph from lines of `source<TAB>target`, each perhaps with `<TAB>weight`.

    Blank lines are passed over. A missing weight is 1; of two edges between the same nodes, the one
    of larger weight stays. Gzipped files are told by their content. Ids that are not UTF-8 keep
    their bytes: each odd one becomes a surrogate character, which `write_tsv_graph` turns back.

    Args:
        filename: The file, local or with a scheme such as `gs://`.

    Raises:
        ValueError: A line holds something else; the message names it. A first line of column names
            is one of these, since ids may be called anything.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "graph.tsv")
        ...     write_tsv_graph(path, {"a": {"b": 0.5}})
        ...     read_tsv_graph(path)
        {'a': {'b': 0.5}}
    """
    graph: GraphDict = {}
    for number, line in enumerate(_read_lines(os.fspath(filename)), start=1):
        if line:
            try:
                add_edge(graph, _split(line))
            except ValueError as error:
                raise ValueError(f"{filename}, line {number}: {error}") from error
    return graph


def write_tsv_graph(
    filename: str | os.PathLike[str], graph: Mapping[str, Mapping[str, float]]
) -> None:
    """Writes a graph as lines of `source<TAB>target<TAB>weight`, sorted by source and target.

    Weights have six decimals, as NSL's have; one that would so become zero is written in full.

    Args:
        filename: The file, gzipped where its name ends in `.gz`; appears whole or not at all.
        graph: Source id to target id to weight.

    Raises:
        ValueError: An id is empty or holds a tab or a line's end, or a weight is not finite.
    """
    with published_text(os.fspath(filename)) as file:
        for source in sorted(graph):
            targets = graph[source]
            for target in sorted(targets):
                _check_id(source)
                _check_id(target)
                weight = format_weight(_weight(targets[target]))
                file.write(f"{source}\t{target}\t{weight}\n")


def _split(line: str) -> list[str]:
    parts = line.split("\t")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise ValueError(
            "Expected source<TAB>target or source<TAB>target<TAB>weight, nothing of it empty. "
            f"Received: {line[:80]!r}."
        )
    return parts


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not math.isfinite(weight):
        raise ValueError(
            f"Expected a finite number as weight. Received: {value!r}. Correct it, or remove the "
            "line where it is one of column names."
        )
    return weight


def _check_id(node: str) -> None:
    if not node or any(separator in node for separator in _SEPARATORS):
        raise ValueError(
            "Expected ids that are not empty and hold no tab or line end, which separate them in "
            f"the file. Received: {node!r}."
        )


def _read_lines(path: str) -> Iterator[str]:
    """Yields the lines of a text file, gzipped or not, without their ends."""
    try:
        with contextlib.ExitStack() as stack:
            raw: Any = (
                io.BytesIO(storage.read_bytes(path))
                if "://" in path
                else stack.enter_context(open(path, "rb"))
            )
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            # "\n" alone ends a line: a lone "\r" may be part of an id. A byte-order mark is no id.
            content = stack.enter_context(gzip.open(raw)) if packed else raw
            lines = io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline="\n")
            for line in lines:
                yield line.removesuffix("\n").removesuffix("\r")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"Expected {path} to be a whole gzip file. It is cut off or damaged ({error}); copy or "
            "write it again."
        ) from error
