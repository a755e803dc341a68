"""Which files hold edges, and in what format."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from nsl_tfx.configs import GraphFormat
from nsl_tfx.graph import storage
from nsl_tfx.graph.edge_files.streams import COMPRESSIONS

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
        found = _files(pattern)
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


def fingerprint_files(patterns: Sequence[str]) -> str:
    """Returns a hash of the names, sizes and times of change of the files that match now.

    Files that are missing, all or some, have a hash too: it changes when they appear.
    """
    paths = sorted({path for pattern in patterns for path in _files(pattern)})
    digest = hashlib.sha256()
    for path in paths:
        digest.update(repr((path, *_stat(path))).encode())
    return digest.hexdigest()[:16]


def _files(pattern: str) -> list[str]:
    if not storage.is_remote(pattern):
        # A file whose name holds a glob's characters is meant as it is.
        found = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
        return [path for path in found if os.path.isfile(path)]
    import tensorflow as tf

    return [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]


def _stat(path: str) -> tuple[int, int]:
    if not storage.is_remote(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    import tensorflow as tf

    status = tf.io.gfile.stat(path)
    return int(status.length), int(status.mtime_nsec)


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
