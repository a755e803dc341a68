"""Whether a SavedModel at a path is still the one that it was."""

from __future__ import annotations

import os

from nsl_tfx.io import storage
from nsl_tfx.io.file_changes import fingerprint_files


def fingerprint_model(folder: str) -> str:
    """Returns a hash of the names, sizes and times of change of a model's files.

    A folder that is missing has a hash too: it changes when the model appears.

    Args:
        folder: The SavedModel's folder, local or with a scheme such as `gs://`.

    Example:
        >>> fingerprint_model("no/such/folder") == fingerprint_model("nor/this/one")
        True
    """
    return fingerprint_files(_files_below(folder))


def _files_below(folder: str) -> list[str]:
    if storage.is_remote(folder):
        import tensorflow as tf

        walk = tf.io.gfile.walk(folder)
    else:
        walk = os.walk(folder)
    return [os.path.join(path, name) for path, _, names in walk for name in names]
