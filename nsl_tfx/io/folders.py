"""Folders, wherever they lie.

A plain path is handled with Python's own calls, so that a local folder does not load TensorFlow; a
path with a scheme (`gs://`, `hdfs://`) goes through `tf.io.gfile`, as all of TFX's files do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

_PATTERN_CHARACTERS = "*?[]\\"


def is_remote(path: str) -> bool:
    """Tells whether a path has a scheme, so that TensorFlow handles it."""
    return "://" in path


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


def check_named(folder: str) -> None:
    """Raises ValueError where a folder's path is empty, which with a file's name is in the root.

    Example:
        >>> check_named(".")
    """
    if not folder:
        raise ValueError("Expected a folder. Received: ''. Name one; '.' is the present one.")


def check_no_pattern(path: str, argument: str) -> None:
    r"""Raises ValueError for a path that TFX, which finds files by patterns, takes for one.

    Args:
        path: A folder's, whole.
        argument: What it is called.

    Example:
        >>> check_no_pattern("/runs/1*", "pipeline_root")
        Traceback (most recent call last):
        ...
        ValueError: Expected a pipeline_root whose path has none of * ? [ ] \, which TFX takes for
        patterns. Received: '/runs/1*'. Choose another pipeline_root.
    """
    if any(character in path for character in _PATTERN_CHARACTERS):
        raise ValueError(
            f"Expected a {argument} whose path has none of {' '.join(_PATTERN_CHARACTERS)}, which "
            f"TFX takes for patterns. Received: {path!r}. Choose another {argument}."
        )


@contextlib.contextmanager
def made_folder(path: str) -> Iterator[None]:
    """Makes a folder and those above it, where they are missing.

    After an error in the block those that were made go again, as far as nothing lies in them.
    Object stores have no folders, so that nothing is removed from them.

    Raises:
        OSError: It cannot be made.
        ValueError: The path is empty.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         with made_folder(f"{folder}/new/below"):
        ...             raise ValueError("wrong input")
        ...     except ValueError:
        ...         os.listdir(folder)
        []
    """
    check_named(path)
    if is_remote(path):
        _gfile().makedirs(path)
        yield
        return
    missing = _missing_folders(path)
    try:
        os.makedirs(path, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def names_in(folder: str) -> list[str]:
    """Returns the names of a folder's files and folders, sorted."""
    found = _gfile().listdir(folder) if is_remote(folder) else os.listdir(folder)
    # Object stores end the names of folders with a slash.
    return sorted(str(name).rstrip("/") for name in found)


def move(source: str, target: str) -> None:
    """Gives a file or a folder another name on the same file system; what has it is replaced."""
    if is_remote(target):
        if _gfile().isdir(target):
            _gfile().rmtree(target)
        _gfile().rename(source, target, overwrite=True)
        return
    if os.path.isdir(target):
        remove(target)
    os.replace(source, target)


def remove(path: str) -> None:
    """Removes a file, or a folder with all that it holds; nothing where there is none."""
    if is_remote(path):
        if _gfile().isdir(path):
            _gfile().rmtree(path)
        elif _gfile().exists(path):
            _gfile().remove(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def errors_named(temporary: str, path: str) -> Iterator[None]:
    """Lets errors of the file system name the path that was asked for, not a temporary one.

    Args:
        temporary: The temporary file or folder.
        path: What its content shall be found as.

    Raises:
        OSError: As the block, with the other name.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        if not isinstance(name, str) or not f"{name}/".startswith(f"{temporary}/"):
            raise
        raise OSError(error.errno, error.strerror, path + name[len(temporary) :]) from error


def _missing_folders(path: str) -> list[str]:
    """Returns those of a folder and the ones above it that are not there, the lowest first."""
    missing = []
    folder = os.path.abspath(path)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing
