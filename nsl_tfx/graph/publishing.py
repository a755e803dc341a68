"""Single files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO, cast

from nsl_tfx.graph import storage

_GZIP_LEVEL = 6


@contextlib.contextmanager
def published(path: str, compress: bool = True) -> Iterator[BinaryIO]:
    """Gives a binary file to write to, which gets its name once the block ends well.

    After an error nothing of it is left, and a file that had the name before stays.

    Args:
        path: The file, local or with a scheme such as `gs://`; its folder is made where it is
            missing. Gzipped where the name ends in `.gz`, without a name or a time inside, so that
            equal content gives equal bytes.
        compress: Whether such a name is heeded; a writer that compresses by itself sets it to
            False.

    Yields:
        The open file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with published(f"{folder}/file") as file:
        ...         _ = file.write(b"content")
        ...         before = os.path.exists(f"{folder}/file")
        ...     before, os.path.exists(f"{folder}/file")
        (False, True)
    """
    folder = os.path.dirname(path)
    if folder:
        storage.make_folder(folder)
    # Beside the file, because a rename stays on one file system only there; the process's number
    # keeps two runs apart.
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with _open(temporary) as raw:
            if compress and path.endswith(".gz"):
                with gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield raw
        _rename(temporary, path)
    except BaseException:
        if storage.exists(temporary):
            storage.remove(temporary)
        raise


@contextlib.contextmanager
def published_text(path: str) -> Iterator[TextIO]:
    """Gives a text file to write to: `published`, in UTF-8, with the same line ends everywhere.

    Bytes that no text stands for may be written as the surrogate characters that
    `bytes.decode("utf-8", "surrogateescape")` makes of them.
    """
    with published(path) as file:
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="\n")
        try:
            yield text
            text.flush()
        finally:
            # Without this the wrapper would close the file below it.
            text.detach()


def _is_remote(path: str) -> bool:
    return "://" in path


def _open(path: str) -> Any:
    if not _is_remote(path):
        return open(path, "wb")
    import tensorflow as tf

    return tf.io.gfile.GFile(path, "wb")


def _rename(source: str, target: str) -> None:
    if not _is_remote(source):
        os.replace(source, target)
        return
    import tensorflow as tf

    tf.io.gfile.rename(source, target, overwrite=True)
