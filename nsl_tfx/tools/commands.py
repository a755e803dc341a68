"""What the commands share: a mistake of the user's is one line, not a traceback."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from types import FrameType

import click

from nsl_tfx.io.folders import check_named, is_remote
from nsl_tfx.io.printable import printable
from nsl_tfx.tools.options import Flags, name_options

_LINE_END = "\n"
_STDERR = 2

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

UNREAD = 141
"""The exit code where nobody reads what is printed, as shells have it."""

WRONG_INPUT = 2
"""The exit code where what is asked for cannot be done, as click has it for wrong options."""


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns an exception that tells of wrong input into a line on standard error and an exit code.

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
        sys.exit(WRONG_INPUT)
    except BrokenPipeError:
        # Nobody reads on, as where output is piped into `head`. What Python holds back of it would
        # raise the same once more at the end.
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        sys.exit(UNREAD)
    except (ValueError, TypeError, OSError) as error:
        # Python itself raises TypeErrors too, for code that is wrong; ours say what was expected.
        if isinstance(error, TypeError) and not str(error).startswith("Expected"):
            raise
        text = name_options(_describe(error), _options())
        click.echo(f"Error: {printable(text, keep=_LINE_END)}", err=True)
        sys.exit(WRONG_INPUT)


def check_output(path: str, argument: str, is_folder: bool = False) -> None:
    """Tries whether a file or folder can be written, before minutes are spent on what it is for.

    Args:
        path: Where it shall be. A remote one is not tried.
        argument: How the command's user names another one, such as `--output`.
        is_folder: Whether it is a folder.

    Raises:
        ValueError: It cannot be written, or a folder's path is empty.
    """
    if is_folder:
        check_named(path)
    if is_remote(path):
        return
    # A folder itself is made when there is something to write, or an error would leave it empty.
    target = os.path.realpath(path)
    present = target if is_folder else os.path.dirname(target)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(target)  # whose name may be too long
        if not is_folder and os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "a folder has this name")
        while not os.path.lexists(present):
            present = os.path.dirname(present)
        with tempfile.TemporaryFile(dir=present):
            pass
    except OSError as error:
        raise ValueError(
            f"Expected a {'folder' if is_folder else 'file'} that can be written to. Received: "
            f"{path!r} ({error.strerror}). Choose another {argument}."
        ) from error


def _describe(error: Exception) -> str:
    """Returns an error's text; that of the system's own in words, with the path that it is about.

    Those that this library raises have a text alone.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    reason = error.strerror
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        reason = "a file is where a folder should be"
    about = "" if error.filename is None else f"Received: {os.fsdecode(error.filename)!r}. "
    return f"Expected to be able to read and write files. {about}The system says: {reason}."


def load(*modules: str, quietly: bool = False) -> None:
    """Imports modules, and ends the process quietly where an interrupt comes meanwhile.

    Compiled modules that are being loaded swallow a KeyboardInterrupt, or make another error of it,
    so that the run goes on, or ends with a traceback. Nothing was begun by then, so nothing has to
    be cleaned up.

    Args:
        *modules: Their full names.
        quietly: Keeps off standard error what they write while they are loaded. TensorFlow's
            compiled modules have no setting for it that holds in every release.
    """
    with _muted() if quietly else contextlib.nullcontext(_STDERR) as terminal:
        _load(modules, terminal)


@contextlib.contextmanager
def _muted() -> Iterator[int]:
    """Turns standard error to nowhere; yields a descriptor of what it was."""
    if sys.stderr is None:  # closed by whoever called
        yield _STDERR
        return
    sys.stderr.flush()
    terminal = os.dup(_STDERR)
    with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield terminal
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)


def _load(modules: tuple[str, ...], terminal: int) -> None:
    # Only the main thread may say what a signal does, and only where nobody else said it.
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if mine:
        signal.signal(signal.SIGINT, functools.partial(_leave, terminal))
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(terminal: int, number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(terminal, b"\nStopped. Nothing was written.\n")
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
