"""Which files hold edges, and in what format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from nsl_tfx.configs import GraphFormat
from nsl_tfx.graph.importing.edge_files.streams import COMPRESSIONS
from nsl_tfx.io.file_changes import match_files

_ENDINGS = {
    ".tsv": GraphFormat.TSV,
    ".txt": GraphFormat.TSV,
    ".csv": GraphFormat.CSV,
    ".parquet": GraphFormat.PARQUET,
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
            raise FileNotFoundError(
                f"Expected files of edges that match {pattern}. Received: no such file. Check the "
                "path, or give a glob of the folder's files, such as folder/*.tsv."
            )
        paths.update(found)
    return [
        EdgeFile(path, _format_of(path) if file_format is GraphFormat.AUTO else file_format)
        for path in sorted(paths)
    ]


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
