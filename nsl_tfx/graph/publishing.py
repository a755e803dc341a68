"""Single files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, TextIO, cast

_GZIP_LEVEL = 6
_COPIED_AT_ONCE = 1 << 20


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
    with _remote(path) if "://" in path else _local(path) as raw:
        if compress and path.endswith(".gz"):
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield raw


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


@contextlib.contextmanager
def _local(path: str) -> Iterator[BinaryIO]:
    # A link stays one, and its file is replaced.
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(
            f"Expected the name of a file, new or to be replaced. Received: {path!r}, which is a "
            f"{'folder' if os.path.isdir(path) else 'device or pipe'}. Name a file."
        )
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    # Beside the file, because a rename stays on one file system only there; the process's number
    # keeps two runs apart.
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def _remote(path: str) -> Iterator[BinaryIO]:
    """Writes to a file of this machine, and copies it: remote ones lack parts of Python's files."""
    import tensorflow as tf

    with tempfile.TemporaryFile() as file:
        yield cast(BinaryIO, file)
        file.seek(0)
        tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
        temporary = f"{path}.{os.getpid()}.part"
        with tf.io.gfile.GFile(temporary, "wb") as target:
            shutil.copyfileobj(file, target, _COPIED_AT_ONCE)
        tf.io.gfile.rename(temporary, path, overwrite=True)
