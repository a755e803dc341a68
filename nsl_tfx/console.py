"""What a person sees on the terminal, kept apart from what libraries print there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType

# TensorFlow's C++ side reads it once, when it is loaded.
_TENSORFLOW_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Columns of a page, where there is no terminal: more than a row has.
_UNBOUND = 10_000


def rendered(parts: Sequence[RenderableType]) -> str:
    r"""Returns tables and the like as text for standard output, an empty line between two.

    Where that is no terminal, a row is a line, for whatever reads it.

    Example:
        >>> rendered(["one", "two"])
        'one\n\ntwo'
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUND
    with console.capture() as captured:
        for i, part in enumerate(parts):
            if i:
                console.print()
            console.print(part)
    # Tables fill their last column with blanks.
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


@contextlib.contextmanager
def library_output_to(log_path: str | None) -> Iterator[Console]:
    """Sends everything that libraries print to a file; what we print goes to the terminal.

    TensorFlow, TFX and Google's clients write hundreds of lines from Python, from C++ and from
    child processes. All of these share the process's two output descriptors, so these are turned to
    the file, and the terminal is reached through a copy.

    Args:
        log_path: The file, appended to; None leaves everything on the terminal.

    Yields:
        A console on the terminal.
    """
    if log_path is None:
        yield Console()
        return
    os.makedirs(os.path.dirname(os.path.abspath(log_path)), exist_ok=True)
    os.environ.setdefault(_TENSORFLOW_LOG_LEVEL, "1")
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with (
        open(log_path, "a", encoding="utf-8", errors="replace") as log,
        os.fdopen(os.dup(saved[0]), "w", encoding="utf-8", errors="replace") as terminal,
    ):
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield Console(file=terminal)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in enumerate(saved, start=1):
                os.dup2(copy, descriptor)
                os.close(copy)
