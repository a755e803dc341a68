"""How a command ends that runs a pipeline, where that does not end well."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from nsl_tfx.io.printable import printable
from nsl_tfx.pipelines.runners.failures import BusyError, NodeFailedError
from nsl_tfx.tools.commands import WRONG_INPUT

FAILED = 1
"""The exit code where a node failed, or the command itself."""


def leave(code: int) -> NoReturn:
    """Ends the process at once.

    Threads of the node that was stopped may go on for as long as they like, and TensorFlow takes
    ten seconds and more to be taken down in mid-work; what matters is put in order by then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def reading(error: Exception) -> tuple[int, str]:
    """Returns the exit code and the text for an exception."""
    if isinstance(error, (ValueError, BusyError)):
        return WRONG_INPUT, str(error)
    if isinstance(error, NodeFailedError) or str(error).startswith("Expected"):
        return FAILED, str(error)
    return FAILED, f"{type(error).__name__}: {error}"


def tell(error: Exception, log_path: str | None, has_begun: bool) -> tuple[int, str]:
    """Prints what went wrong, and keeps the traceback where it is of use.

    Args:
        error: What was raised.
        log_path: Where the traceback goes; printed when None.
        has_begun: Whether there was a pipeline already, so that the traceback of a wrong input
            tells more than its text.

    Returns:
        The exit code and the text.
    """
    code, text = reading(error)
    click.echo(f"Error: {printable(text, keep=chr(10))}", err=True)
    if isinstance(error, BusyError):
        pass  # The log may be that of the run which is at work.
    elif has_begun or code == FAILED:
        _keep(error, log_path)
    else:
        _drop_empty(log_path)
    return code, text


def _keep(error: Exception, log_path: str | None) -> None:
    if log_path is None:
        # A traceback that is the whole answer is what a report of a defect needs.
        traceback.print_exception(error)
        return
    try:
        with open(log_path, "a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    except OSError as full:
        click.echo(f"{log_path} cannot be written ({full.strerror}).", err=True)
    else:
        click.echo(f"The whole story is at the end of {log_path}.", err=True)


def _drop_empty(log_path: str | None) -> None:
    if log_path is not None and os.path.isfile(log_path) and not os.path.getsize(log_path):
        os.remove(log_path)
