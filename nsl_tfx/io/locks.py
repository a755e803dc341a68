"""Keeping other processes out of a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TextIO

from nsl_tfx.io.folders import is_remote


@contextlib.contextmanager
def sole_run_in(folder: str, busy: str) -> Iterator[None]:
    """Keeps other processes of this machine out of a folder, as far as they ask likewise.

    On a remote or a shared file system without locks nobody is kept out.

    Args:
        folder: An existing folder. The lock goes with the process, however that ends.
        busy: The error's text.

    Raises:
        RuntimeError: Another process is at work there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, sole_run_in(folder, "busy"):
        ...     with sole_run_in(folder, "busy"):
        ...         pass
        Traceback (most recent call last):
        RuntimeError: busy
    """
    if is_remote(folder):
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        _lock(lock, busy)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def sole_user_of(path: str, busy: str) -> Iterator[TextIO]:
    """Keeps other processes of this machine away from a file, as far as they ask likewise.

    Args:
        path: A file on this machine; made where it is missing, and left there. The lock goes with
            the process, however that ends.
        busy: The error's text.

    Yields:
        The file, to read what its last user wrote, and to write.

    Raises:
        RuntimeError: Another process uses it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with sole_user_of(f"{folder}/run", "busy") as file:
        ...         _ = file.write("started")
        ...     with sole_user_of(f"{folder}/run", "busy") as file:
        ...         file.read()
        'started'
    """
    with open(path, "a+", encoding="utf-8") as file:
        _lock(file.fileno(), busy)
        file.seek(0)
        yield file


def _lock(descriptor: int, busy: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(busy) from None
    except OSError:
        pass  # There are no locks.
