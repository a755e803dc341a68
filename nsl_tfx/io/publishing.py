"""Single files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import BinaryIO, TextIO, cast

from nsl_tfx.io.folders import errors_named, is_remote, made_folder, move, remove

_GZIP_LEVEL = 6
_COPIED_AT_ONCE = 1 << 20
# Of a file's name in that of its unfinished form: names may have 255 bytes, characters up to 4.
_CHARACTERS_OF_NAME = 40


@contextlib.contextmanager
def published(
    path: str, compress: bool = True, unfinished_in: str | None = None
) -> Iterator[BinaryIO]:
    """Gives a binary file to write to, which gets its name once the block ends well.

    After an error nothing of it is left, and a file that had the name before stays. Several that
    write one file at once do not disturb each other; the last to end gives it its content. Of a
    process that is killed there may remain a file whose name begins with a dot and ends in `.part`.

    Args:
        path: The file, local or with a scheme such as `gs://`; its folder is made where it is
            missing. Gzipped where the name ends in `.gz`, without a name or a time inside, so that
            equal content gives equal bytes.
        compress: Whether such a name is heeded; a writer that compresses by itself sets it to
            False.
        unfinished_in: Folder on the same file system, for the file while it has no name yet; that
            of the file when None.

    Yields:
        The open file.

    Raises:
        OSError: The file cannot be written; names `path`.
        ValueError: It is a folder, a device or a pipe.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with published(f"{folder}/file") as file:
        ...         _ = file.write(b"content")
        ...         before = os.path.exists(f"{folder}/file")
        ...     before, os.path.exists(f"{folder}/file")
        (False, True)
    """
    write = _remote if is_remote(path) else _local
    with write(path, unfinished_in) as raw:
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
def _local(path: str, unfinished_in: str | None) -> Iterator[BinaryIO]:
    # A link stays one, and its file is replaced.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(
            f"Expected the name of a file, new or to be replaced. Received: {path!r}, which is a "
            f"{'folder' if os.path.isdir(target) else 'device or pipe'}. Name a file."
        )
    # Beside the file, because a rename stays on one file system only there.
    folder, name = os.path.split(target)
    temporary = os.path.join(unfinished_in or folder, _unfinished_name(name))
    with made_folder(folder), errors_named(temporary, path):
        try:
            with open(temporary, "wb") as file:
                yield file
            # Another writer's error may have removed the folder, while nothing lay in it.
            os.makedirs(folder, exist_ok=True)
            os.replace(temporary, target)
        except BaseException:
            # An error of its own would hide the first.
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise


@contextlib.contextmanager
def _remote(path: str, unfinished_in: str | None) -> Iterator[BinaryIO]:
    """Writes to a file of this machine, and copies it: remote ones lack parts of Python's files."""
    import tensorflow as tf

    folder, name = path.rsplit("/", 1)
    temporary = f"{(unfinished_in or folder).rstrip('/')}/{_unfinished_name(name)}"
    with tempfile.TemporaryFile() as file, made_folder(folder):
        yield cast(BinaryIO, file)
        file.seek(0)
        try:
            with tf.io.gfile.GFile(temporary, "wb") as target:
                shutil.copyfileobj(file, target, _COPIED_AT_ONCE)
            move(temporary, path)
        except BaseException:
            with contextlib.suppress(tf.errors.OpError):
                remove(temporary)
            raise


def _unfinished_name(name: str) -> str:
    # Not the process's number alone, which another container's process may have too.
    return f".{name[:_CHARACTERS_OF_NAME]}.{os.getpid()}-{uuid.uuid4().hex[:12]}.part"
