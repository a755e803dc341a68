"""The command `nsl-tfx run`."""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from nsl_tfx.cli.ending import FAILED, leave, tell
from nsl_tfx.cli.options import assignments, beam_arguments
from nsl_tfx.tools.commands import INTERRUPTED, check_output, load

if TYPE_CHECKING:
    from rich.console import Console

    from nsl_tfx.pipelines.runners.view import RunView


@click.command()
@click.argument("pipeline", type=click.Path(readable=False), metavar="PIPELINE")
@assignments(
    "--set",
    "arguments",
    "An argument of the function that makes the pipeline; may be repeated.",
)
@assignments("--param", "parameters", "A RuntimeParameter of the pipeline; may be repeated.")
@beam_arguments
@click.option(
    "--log",
    "log_path",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Where to add what TFX and Beam print.  [default: NAME.log in this folder, by the "
    "pipeline's file or package]",
)
@click.option("--verbose", is_flag=True, help="Print what TFX and Beam print, and keep no log.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of the nodes as JSON.")
def run(
    pipeline: str,
    arguments: dict[str, str],
    parameters: dict[str, str],
    beam_args: tuple[str, ...],
    log_path: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run a pipeline on this machine.

    PIPELINE is path/to/file.py[:function] or package.module[:function], with a function that
    returns a tfx.dsl.Pipeline (create_pipeline if none is named).

    Ctrl-C stops it; no half artifact is kept. The next run reuses the finished nodes whose inputs
    are the same, if the pipeline has enable_cache=True.

    Exit codes: 0 all nodes ended well, 1 a node failed, 2 wrong input, 130 stopped.
    """
    if verbose and as_json:
        raise click.UsageError("Expected one of --verbose and --json. Received: both.")
    if verbose and log_path is not None:
        raise click.UsageError("Expected one of --verbose and --log. Received: both.")
    # What follows costs seconds of imports, which neither --help nor a mistyped path should pay.
    from nsl_tfx.console import library_output_to
    from nsl_tfx.pipelines.runners.loading import check_spec, log_name

    story = _Story(None if verbose else log_path or log_name(pipeline))
    with story.told():
        check_spec(pipeline)
        if story.log_path is not None:
            check_output(story.log_path, "--log")
    if not as_json:
        click.echo("Loading TFX ...")
    load("nsl_tfx.pipelines.runners.local", quietly=not verbose)
    with story.told(as_json):
        with library_output_to(story.log_path) as console:
            _run(pipeline, arguments, parameters, beam_args, console, story, as_json, verbose)
        if as_json:
            click.echo(story.to_json("done"))


def _run(
    spec: str,
    arguments: dict[str, str],
    parameters: dict[str, str],
    beam_args: tuple[str, ...],
    console: Console,
    story: _Story,
    as_json: bool,
    verbose: bool,
) -> None:
    from absl import logging
    from rich.console import Console

    from nsl_tfx.pipelines.runners.beam_runners import add_beam_arguments
    from nsl_tfx.pipelines.runners.loading import load_pipeline
    from nsl_tfx.pipelines.runners.local import run_locally
    from nsl_tfx.pipelines.runners.view import RunView

    # What TFX tells of each step is for the log; libraries turn it off by default.
    logging.set_verbosity(logging.INFO)
    logging.info("nsl-tfx run %s, %s", spec, datetime.datetime.now().isoformat(timespec="seconds"))
    if as_json:
        console = Console(quiet=True)
    pipeline = load_pipeline(spec, arguments)
    add_beam_arguments(pipeline, beam_args)
    story.begin(pipeline.pipeline_name, bool(pipeline.enable_cache))
    console.print(f"Pipeline {pipeline.pipeline_name}", highlight=False, markup=False)
    if not pipeline.enable_cache:
        console.print(
            "Its cache is off (enable_cache=False), so no node is reused.", style="yellow"
        )
    # A table that changes would be torn by what libraries print.
    story.view = RunView(console, live=False if verbose else None)
    run_locally(pipeline, story.view, parameters)
    console.print(story.summary(), highlight=False, markup=False, soft_wrap=True)


class _Story:
    """What a command knows of its run when it ends, however it ends."""

    def __init__(self, log_path: str | None) -> None:
        self.log_path = log_path
        self.view: RunView | None = None
        self._name: str | None = None
        self._reuses = False
        self._started = time.monotonic()

    def begin(self, name: str, reuses: bool) -> None:
        """Takes note of the pipeline."""
        self._name, self._reuses = name, reuses

    @contextlib.contextmanager
    def told(self, as_json: bool = False) -> Iterator[None]:
        """Turns what a block raises into a message, an exit code, and the traceback in the log."""
        try:
            yield
        except KeyboardInterrupt:
            click.echo(f"\nStopped. {self._future()}", err=True)
            if as_json:
                click.echo(self.to_json("stopped"))
            leave(INTERRUPTED)
        except click.ClickException:
            raise
        except Exception as error:
            code, text = tell(error, self.log_path, has_begun=self._name is not None)
            if code == FAILED and as_json:
                click.echo(self.to_json("failed", text))
            sys.exit(code)

    def summary(self) -> str:
        """Returns the last line of a run that ended well."""
        records = self.view.records.values() if self.view else ()
        counts = collections.Counter(record.state.value for record in records)
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        log = f" What libraries printed is in {self.log_path}." if self.log_path else ""
        return f"Finished in {time.monotonic() - self._started:.0f} s: {told}.{log}"

    def to_json(self, state: str, error: str | None = None) -> str:
        """Returns the whole story."""
        records = self.view.records if self.view else {}
        return json.dumps(
            {
                "pipeline": self._name,
                "state": state,
                "error": error,
                "seconds": round(time.monotonic() - self._started, 3),
                "reuses_nodes": self._reuses,
                "log": self.log_path,
                "nodes": {node: record.to_json() for node, record in records.items()},
            }
        )

    def _future(self) -> str:
        if self._name is None:
            return "Nothing was run."
        if self._reuses:
            return "The next run reuses the finished nodes."
        return "The next run begins anew, since the pipeline's cache is off."
