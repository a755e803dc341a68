"""The command `nsl-tfx`."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Iterator

import click

from nsl_tfx.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nsl-tfx")
def main() -> None:
    """Structured learning on TFX: graphs, adversarial training, and a robustness gate."""


@main.command()
@click.option(
    "--root",
    type=click.Path(file_okay=False),
    default="nsl-tfx-demo",
    show_default=True,
    help="Folder for data, artifacts, metadata, the pushed model and the log.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the split and of training.")
@click.option("--verbose", is_flag=True, help="Also print what TensorFlow and TFX print.")
def demo(root: str, seed: int, verbose: bool) -> None:
    """Run the whole pipeline on real handwritten digits.

    Two models learn from 1,000 images of which 100 have a label: a plain one, and one that also
    learns from similar images and from adversarial ones. Both are then attacked. A second run
    reuses what the first one finished.
    """
    # What follows costs seconds of imports, which neither --help nor --version should pay.
    from nsl_tfx.console import library_output_to

    started = time.monotonic()
    log_path = None if verbose else f"{root}/demo.log"
    with _plain_errors(log_path), library_output_to(log_path) as console:
        console.print("Loading TensorFlow and TFX ...")
        from nsl_tfx.pipelines import demo as demo_run

        demo_run.run(root, seed, console)
        console.print(f"\nFinished in {time.monotonic() - started:.0f} s.")


@contextlib.contextmanager
def _plain_errors(log_path: str | None) -> Iterator[None]:
    """Turns an exception into a message and an exit code; the traceback goes to the log."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nStopped. The next run reuses the finished nodes.", err=True)
        sys.exit(130)
    except Exception as error:
        if log_path is None:
            raise
        click.echo(f"Error: {error}", err=True)
        try:
            with open(log_path, "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
        except OSError:
            click.echo("Run it again with --verbose for the whole story.", err=True)
        else:
            click.echo(f"The whole story is at the end of {log_path}.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
