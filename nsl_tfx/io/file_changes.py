"""Which files match globs, and whether they are still the same, without TensorFlow where local."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence

from nsl_tfx.io import storage


def match_files(pattern: str) -> list[str]:
    """Returns the files that a glob matches, in no particular order; none is no error.

    Args:
        pattern: A path or glob, local or with a scheme such as `gs://`.

    Raises:
        OSError: A remote place cannot be reached.
    """
    if not storage.is_remote(pattern):
        # A file whose name holds a glob's characters is meant as it is.
        found = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
        return [path for path in found if os.path.isfile(path)]
    import tensorflow as tf

    try:
        return [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]
    except tf.errors.OpError as error:
        raise OSError(
            f"Expected files that can be listed. Received: {pattern!r} ({error.message}). Look at "
            "the address, the network and your rights. Where a pipeline is made they have to be "
            "within reach, too: a node runs anew where they changed."
        ) from error


def fingerprint_files(patterns: Sequence[str]) -> str:
    """Returns a hash of the names, sizes and times of change of the files that match now.

    Files that are missing, all or some, have a hash too: it changes when they appear.

    Raises:
        OSError: A remote place cannot be reached.
    """
    paths = sorted({path for pattern in patterns for path in match_files(pattern)})
    digest = hashlib.sha256()
    for path in paths:
        digest.update(repr((path, *_stat(path))).encode())
    return digest.hexdigest()[:16]


def _stat(path: str) -> tuple[int, int]:
    if not storage.is_remote(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    import tensorflow as tf

    status = tf.io.gfile.stat(path)
    return int(status.length), int(status.mtime_nsec)
