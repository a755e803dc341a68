"""Artifacts that appear whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from tfx.dsl.io import fileio

_FOLDER = ".staging"


@contextlib.contextmanager
def staged(uri: str, last: Sequence[str] = ()) -> Iterator[str]:
    """Gives a temporary folder, and moves what it holds to `uri` once the block ends well.

    After an error the folder is removed and nothing is moved. It lies inside `uri`, because that
    is the one place where a run may surely write, and a rename stays on one file system.

    Args:
        uri: The artifact's folder; made where it is missing, as it is on Kubeflow. Entries of the
            same names are replaced.
        last: Names of entries that move after all others, in this order: the marks by which a
            reader knows that the artifact is whole.

    Yields:
        The temporary folder's path.
    """
    folder = f"{uri.rstrip('/')}/{_FOLDER}"
    if fileio.exists(folder):
        fileio.rmtree(folder)
    fileio.makedirs(folder)
    try:
        yield folder
        names = {str(name).rstrip("/") for name in fileio.listdir(folder)}
        ends = [name for name in last if name in names]
        for name in ends:
            _remove(f"{uri}/{name}")
        for name in [*sorted(names - set(ends)), *ends]:
            _remove(f"{uri}/{name}")
            fileio.rename(f"{folder}/{name}", f"{uri}/{name}")
    finally:
        fileio.rmtree(folder)


def _remove(path: str) -> None:
    if not fileio.exists(path):
        return
    if fileio.isdir(path):
        fileio.rmtree(path)
    else:
        fileio.remove(path)
