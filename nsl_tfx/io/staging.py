"""Folders whose content appears whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence

from nsl_tfx.io.folders import (
    check_named,
    errors_named,
    is_remote,
    made_folder,
    move,
    names_in,
    remove,
)

_PREFIX = ".staging-"


@contextlib.contextmanager
def staged(folder: str, last: Sequence[str] = (), replaced: str | None = None) -> Iterator[str]:
    """Gives a temporary folder, and moves what it holds to `folder` once the block ends well.

    After an error the temporary folder is removed and nothing is moved. It lies inside `folder`,
    because that is the one place where a run may surely write, and a rename stays on one file
    system. Entries whose names begin with a dot are not moved: a killed worker's unfinished files.

    Each run has a temporary folder of its own, so that several at once do not disturb each other;
    on one machine they move their content one after the other, and that of the last remains. What
    a killed run leaves is removed by the next one on the same machine, which tells by a lock that
    no process holds any more; elsewhere it stays, and is never content.

    Args:
        folder: Where the content shall lie; made where it is missing, as an artifact's is on
            Kubeflow. Entries of the same names are replaced.
        last: Names of entries that move after all others, in this order: the marks by which a
            reader knows that the rest is whole. Those of an earlier run are removed first.
        replaced: Regular expression of names: entries of an earlier run that are called so are
            removed, after the marks, where this run has none of the name.

    Yields:
        The temporary folder's path.

    Raises:
        OSError: The folder cannot be written to; names the place where the file should have come
            to lie.
        ValueError: The folder's path is empty.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with staged(folder) as temporary:
        ...         os.makedirs(f"{temporary}/data")
        ...         before = os.path.exists(f"{folder}/data")
        ...     before, os.listdir(folder)
        (False, ['data'])
    """
    check_named(folder)
    folder = folder.rstrip("/") or "/"
    make = _remote_folder if is_remote(folder) else _local_folder
    with made_folder(folder), make(folder) as temporary, errors_named(temporary, folder):
        yield temporary
        with _others_wait(folder):
            _publish(temporary, folder, last, replaced)


def _publish(temporary: str, folder: str, last: Sequence[str], replaced: str | None) -> None:
    names = [name for name in names_in(temporary) if not name.startswith(".")]
    ends = [name for name in last if name in names]
    former = [] if replaced is None else filter(re.compile(replaced).fullmatch, names_in(folder))
    for name in [*ends, *(name for name in former if name not in names)]:
        remove(f"{folder}/{name}")
    for name in [*(name for name in names if name not in ends), *ends]:
        move(f"{temporary}/{name}", f"{folder}/{name}")


def _new_name(folder: str) -> str:
    # Both, because processes in other containers have the same numbers.
    return f"{folder}/{_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def _remote_folder(folder: str) -> Iterator[str]:
    temporary = _new_name(folder)
    with made_folder(temporary):
        try:
            yield temporary
        finally:
            remove(temporary)


@contextlib.contextmanager
def _local_folder(folder: str) -> Iterator[str]:
    _remove_dead(folder)
    temporary, lock = _make_locked(folder)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _unlock(lock)


def _make_locked(folder: str) -> tuple[str, int | None]:
    """Makes a temporary folder; returns it and the lock that tells that its run lives."""
    while True:
        temporary = _new_name(folder)
        with errors_named(temporary, folder):
            os.mkdir(temporary)
        lock = _lock(temporary)
        # Another run may have found it before it was locked, and taken it for a dead one's.
        if os.path.isdir(temporary):
            return temporary, lock
        _unlock(lock)


def _remove_dead(folder: str) -> None:
    """Removes the temporary folders of runs on this machine that were killed."""
    for name in names_in(folder):
        if name.startswith(_PREFIX):
            lock = _lock(f"{folder}/{name}", fcntl.LOCK_NB)
            if lock is not None:
                shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
            _unlock(lock)


@contextlib.contextmanager
def _others_wait(folder: str) -> Iterator[None]:
    """Lets no other run of this machine move its content into the folder meanwhile."""
    lock = None if is_remote(folder) else _lock(folder)
    try:
        yield
    finally:
        _unlock(lock)


def _lock(folder: str, how: int = 0) -> int | None:
    """Locks a folder until `_unlock` or the end of the process, in whatever way it ends.

    Returns:
        The lock; None where there is none to be had: with `LOCK_NB` where somebody has it, or on a
        file system without locks, on which then nobody gets one.
    """
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | how)
    except OSError:
        os.close(lock)
        return None
    return lock


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
