"""The command `nsl-tfx demo`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

import click

from nsl_tfx.cli.ending import leave, tell
from nsl_tfx.configs.base import MAX_SEED
from nsl_tfx.io.folders import check_no_pattern
from nsl_tfx.tools.commands import INTERRUPTED, check_output, plain_errors


def _check_root(context: click.Context, option: click.Parameter, root: str) -> str:
    del context, option
    if not root:
        raise click.BadParameter("Expected a folder. Received an empty path.")
    try:
        check_no_pattern(os.path.abspath(root), "--root")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return root


@click.command()
@click.option(
    "--root",
    type=click.Path(file_okay=False),
    default="nsl-tfx-demo",
    show_default=True,
    callback=_check_root,
    help="Folder for data, artifacts, metadata, the pushed model and the log.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of the split and of training.",
)
@click.option("--verbose", is_flag=True, help="Also print what TensorFlow and TFX print.")
def demo(root: str, seed: int, verbose: bool) -> None:
    """Run the whole pipeline on real handwritten digits.

    Two models learn from 1,000 images of which 100 have a label: a plain one, and one that also
    learns from similar images and from adversarial ones. Both are then attacked, and
    shown damaged images. A second run reuses what the first one finished.
    """
    # What follows costs seconds of imports, which neither --help nor --version should pay.
    from nsl_tfx.console import library_output_to

    started = time.monotonic()
    with plain_errors():
        check_output(root, "--root", is_folder=True)
        os.makedirs(root, exist_ok=True)
    log_path = None if verbose else f"{root}/demo.log"
    with _told_errors(log_path), library_output_to(log_path) as console:
        console.print("Loading TensorFlow and TFX ...")
        from nsl_tfx.pipelines import demo as demo_run

        # A table that changes would be torn by what libraries print.
        demo_run.run(root, seed, console, live=False if verbose else None)
        console.print(f"\nFinished in {time.monotonic() - started:.0f} s.")


@contextlib.contextmanager
def _told_errors(log_path: str | None) -> Iterator[None]:
    """Turns an exception into a message and an exit code; the traceback goes to the log."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nStopped. The next run reuses the finished nodes.", err=True)
        leave(INTERRUPTED)
    except Exception as error:
        code, _ = tell(error, log_path, has_begun=False)
        sys.exit(code)
