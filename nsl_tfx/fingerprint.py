"""A hash of code, for TFX to tell a cached result of other code from one of this.

TFX reuses a node's result where its inputs and settings are the same; of code it sees only names.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


@functools.lru_cache
def code_fingerprint(*files: str) -> str:
    """Returns a hash of this package's source and of further files.

    Args:
        files: Paths of files that matter beside the package, such as a user's model.

    Example:
        >>> code_fingerprint() == code_fingerprint()
        True
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in [*sorted(package.rglob("*.py")), *map(Path, files)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
