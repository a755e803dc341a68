"""What the commands share: a mistake of the user's is one line, not a traceback."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import click

from nsl_tfx.tools.options import Flags, name_options

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns an exception that tells of wrong input into a line on standard error and exit code 1.

    Those are the ones that this library raises on purpose, and those of the file system. Any other
    is a defect, whose traceback is what a report of it needs. An interrupt exits with 130. Settings
    that an error names are called as the command's options.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nStopped. Nothing was written.", err=True)
        sys.exit(INTERRUPTED)
    except MemoryError:
        click.echo("Error: There is not enough memory. Use a machine with more of it.", err=True)
        sys.exit(1)
    except (ValueError, TypeError, OSError) as error:
        # Python itself raises TypeErrors too, for code that is wrong; ours say what was expected.
        if isinstance(error, TypeError) and not str(error).startswith("Expected"):
            raise
        click.echo(f"Error: {name_options(str(error), _options())}", err=True)
        sys.exit(1)


def load(*modules: str) -> None:
    """Imports modules, and ends the process quietly where an interrupt comes meanwhile.

    Compiled modules that are being loaded swallow a KeyboardInterrupt, or make another error of it,
    so that the run goes on, or ends with a traceback. Nothing was begun by then, so nothing has to
    be cleaned up.

    Args:
        *modules: Their full names.
    """
    # Only the main thread may say what a signal does, and only where nobody else said it.
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if mine:
        signal.signal(signal.SIGINT, _leave)
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"\nStopped. Nothing was written.\n")
    os._exit(INTERRUPTED)


def _options() -> dict[str, Flags]:
    """Returns how the settings of the command that runs are typed."""
    context = click.get_current_context(silent=True)
    parameters = context.command.params if context else []
    return {
        one.name: Flags(one.opts[0], *one.secondary_opts[:1])
        if isinstance(one, click.Option)
        else Flags(one.human_readable_name.rstrip("."))
        for one in parameters
        if one.name
    }
