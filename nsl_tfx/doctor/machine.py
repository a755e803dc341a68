"""Room, memory and cores, and whether files can be written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from nsl_tfx.doctor.findings import Finding, Level

GIB = 1 << 30
_LITTLE_DISK = 2 * GIB
_NO_DISK = GIB // 10
# Importing TFX and the components takes 0.9 GiB; models, graphs and Beam's buffers come on top.
_LITTLE_MEMORY = 4 * GIB
_NO_MEMORY = GIB
# Of containers, in both versions of control groups; a file is there for the one in use.
_MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def check_folder(folder: str) -> Finding:
    """Tries to write a file in a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        return Finding(
            "this folder",
            Level.WRONG,
            f"{os.path.abspath(folder)} cannot be written to ({error.strerror})",
            "Work in another folder.",
        )
    return Finding("this folder", Level.OK, f"{os.path.abspath(folder)} can be written to")


def check_disk(name: str, folder: str, free: Callable[[str], int] | None = None) -> Finding:
    """Asks how much room is left where a folder lies.

    Args:
        name: What the finding is called.
        folder: The folder.
        free: Tells the bytes; the disk itself if it is None.
    """
    left = (free or (lambda path: shutil.disk_usage(path).free))(folder)
    found = f"{_size(left)} free at {os.path.abspath(folder)}"
    if left >= _LITTLE_DISK:
        return Finding(name, Level.OK, found)
    cure = "Free some, or choose another disk"
    cure += " by TMPDIR." if folder == tempfile.gettempdir() else "."
    return Finding(name, Level.WRONG if left < _NO_DISK else Level.WARN, found, cure)


def check_memory(total: int) -> Finding:
    """Judges the memory that this process may use.

    Args:
        total: In bytes.
    """
    if total >= _LITTLE_MEMORY:
        return Finding("memory", Level.OK, _size(total))
    level = Level.WRONG if total < _NO_MEMORY else Level.WARN
    return Finding("memory", level, _size(total), "Use a machine, or a container, with more of it.")


def memory_limit(limits: tuple[str, ...] = _MEMORY_LIMITS) -> int:
    """Returns the bytes that this process may use: the machine's, or those of its container.

    Args:
        limits: Files of which one may hold the container's.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def check_cores(cores: int) -> Finding:
    """Judges how many cores this process may use."""
    if cores > 1:
        return Finding("cores", Level.OK, str(cores))
    return Finding("cores", Level.WARN, "1", "Everything works, at half the speed of two.")


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
