"""Folders whose content appears whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

_FOLDER = ".staging"


@contextlib.contextmanager
def staged(folder: str, last: Sequence[str] = ()) -> Iterator[str]:
    """Gives a temporary folder, and moves what it holds to `folder` once the block ends well.

    After an error the temporary folder is removed and nothing is moved. It lies inside `folder`,
    because that is the one place where a run may surely write, and a rename stays on one file
    system. Plain paths and those with a scheme (`gs://`, `hdfs://`) both go through
    `tf.io.gfile`, as all of TFX's files do.

    Args:
        folder: Where the content shall lie; made where it is missing, as an artifact's is on
            Kubeflow. Entries of the same names are replaced.
        last: Names of entries that move after all others, in this order: the marks by which a
            reader knows that the rest is whole. Those of an earlier run are removed first.

    Yields:
        The temporary folder's path.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with staged(folder) as temporary:
        ...         tf.io.gfile.makedirs(f"{temporary}/data")
        ...         before = os.path.exists(f"{folder}/data")
        ...     before, os.listdir(folder)
        (False, ['data'])
    """
    folder = folder.rstrip("/")
    temporary = f"{folder}/{_FOLDER}"
    if tf.io.gfile.exists(temporary):
        tf.io.gfile.rmtree(temporary)
    tf.io.gfile.makedirs(temporary)
    try:
        yield temporary
        names = {str(name).rstrip("/") for name in tf.io.gfile.listdir(temporary)}
        ends = [name for name in last if name in names]
        for name in ends:
            _remove(f"{folder}/{name}")
        for name in [*sorted(names - set(ends)), *ends]:
            target = f"{folder}/{name}"
            if tf.io.gfile.isdir(target):
                tf.io.gfile.rmtree(target)
            tf.io.gfile.rename(f"{temporary}/{name}", target, overwrite=True)
    finally:
        tf.io.gfile.rmtree(temporary)


def _remove(path: str) -> None:
    if tf.io.gfile.isdir(path):
        tf.io.gfile.rmtree(path)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
