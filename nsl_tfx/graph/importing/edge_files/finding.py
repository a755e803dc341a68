"""Which files hold edges, and in what format."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from nsl_tfx.configs import GraphFormat
from nsl_tfx.graph.files import INFO_FILE
from nsl_tfx.graph.importing.edge_files.streams import COMPRESSIONS
from nsl_tfx.io import storage
from nsl_tfx.io.file_changes import match_files
from nsl_tfx.io.missing import why_no_file

_ENDINGS = {
    ".tsv": GraphFormat.TSV,
    ".txt": GraphFormat.TSV,
    ".csv": GraphFormat.CSV,
    ".parquet": GraphFormat.PARQUET,
    ".tfr": GraphFormat.EXAMPLES,
    ".tfrecord": GraphFormat.EXAMPLES,
    ".tfrecords": GraphFormat.EXAMPLES,
}


class EdgeFile(NamedTuple):
    """A file of edges.

    Attributes:
        path: Where it lies.
        format: What it holds; never `AUTO`.
    """

    path: str
    format: GraphFormat


def find_edge_files(
    patterns: Sequence[str], file_format: GraphFormat = GraphFormat.AUTO
) -> list[EdgeFile]:
    """Returns the files that match the globs, sorted, each once.

    Args:
        patterns: Paths or globs, local or with a scheme such as `gs://`.
        file_format: What the files hold; told by each one's ending when `AUTO`.

    Raises:
        FileNotFoundError: A glob matches no file.
        ValueError: A file's ending does not tell its format.
    """
    paths: set[str] = set()
    for pattern in patterns:
        found = match_files(pattern)
        if not found:
            raise _no_file(pattern)
        paths.update(found)
    return [
        EdgeFile(path, _format_of(path) if file_format is GraphFormat.AUTO else file_format)
        for path in sorted(paths)
    ]


def _no_file(pattern: str) -> FileNotFoundError:
    expected = "Expected a file of edges."
    if not storage.is_remote(pattern) and storage.is_folder(pattern):
        check_no_graph(pattern, expected)
    if storage.is_remote(pattern) or not os.path.exists(pattern):
        return FileNotFoundError(
            f"Expected files of edges that match {pattern}. Received: no such file. Check the "
            "path, or give a glob of the folder's files, such as folder/*.tsv."
        )
    return FileNotFoundError(f"{expected} Received: {pattern!r}, {why_no_file(pattern)}")


def check_no_graph(path: str, expected: str) -> None:
    """Raises FileNotFoundError where a path is that of a graph's folder instead of a file.

    Args:
        path: Local, or with a scheme such as `gs://`.
        expected: A sentence that says what it should be.
    """
    if path and storage.exists(storage.join(path, INFO_FILE)):
        raise FileNotFoundError(
            f"{expected} Received: {path!r}, which is the folder of a graph. Write its edges to a "
            f"file first: nsl-tfx graph export {shlex.quote(path)} graph.tsv --to tsv."
        )


def _format_of(path: str) -> GraphFormat:
    name = os.path.basename(path).lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    ending = os.path.splitext(name)[1]
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    # As TFX names them: data_tfrecord-00000-of-00001.gz.
    if "tfrecord" in name:
        return GraphFormat.EXAMPLES
    raise ValueError(
        f"Expected a file of edges that ends in {', '.join(_ENDINGS)}, and then perhaps in "
        f"{', '.join(COMPRESSIONS)}. Received: {path}. Name its format in GraphImportConfig.format."
    )
