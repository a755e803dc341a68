"""The commands `nsl-tfx inspect STORE ...`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nsl_tfx.tools.commands import check_output, load, plain_errors

if TYPE_CHECKING:
    import pandas as pd
    from ml_metadata import metadata_store
    from rich.console import RenderableType

_Function = TypeVar("_Function", bound=Callable[..., Any])

_LAST_RUNS = 5
_HELP = ("-h", "--help")
_OVERVIEW = "runs"
# ML Metadata's, and what is told of its `complete`.
_STATES = ["new", "running", "complete", "done", "cached", "failed", "canceled", "unknown"]


class _InspectGroup(click.Group):
    """A group whose argument comes before the command, which may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names_store = bool(args) and not args[0].startswith("-")
        rest = args[1:]
        if names_store and rest[:1] and rest[0] in _HELP:
            args = rest
        elif names_store and not rest and ctx.resilient_parsing:
            pass  # a shell asks which commands there are
        elif names_store and (not rest or rest[0].startswith("-")):
            args = [args[0], _OVERVIEW, *rest]
        return super().parse_args(ctx, args)


@click.group("inspect", cls=_InspectGroup, subcommand_metavar="[COMMAND] [ARGS]...")
@click.argument("store", type=click.Path(readable=False))
@click.pass_context
def inspect(context: click.Context, store: str) -> None:
    """Tell what pipelines have left in ML Metadata.

    STORE is a SQLite file or a folder with a metadata.sqlite,
    mysql://user[:password]@host[:port]/database or grpc://host:port. Nothing is changed there.
    Without a command the last runs are told.

    \b
    Example: nsl-tfx inspect nsl-tfx-demo/seed-0 lineage 'latest model'
    """  # noqa: D301 - click reads the mark
    context.obj = store


_pipeline = click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


@contextlib.contextmanager
def _opened(store: str) -> Iterator[metadata_store.MetadataStore]:
    with plain_errors():
        load("nsl_tfx.metadata", "rich.table", quietly=True)
        from nsl_tfx.metadata.opening import open_store, plain_queries

        try:
            opened = open_store(store)
        except ImportError as error:
            raise ValueError(str(error)) from error
        with plain_queries(store):
            yield opened


@inspect.command()
@_pipeline
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=_LAST_RUNS,
    show_default=True,
    help="How many runs of each pipeline.",
)
@_json
@click.pass_obj
def runs(store: str, pipeline: str | None, last: int, as_json: bool) -> None:
    """Tell the last runs, with their states and verdicts."""
    with _opened(store) as opened:
        from nsl_tfx import metadata
        from nsl_tfx.cli.inspect_tables import run_tables
        from nsl_tfx.metadata.places import read_runs

        found = metadata.runs(opened, pipeline, last)
        if as_json:
            _print_frame(found)
        else:
            everyone = [run.pipeline for run in read_runs(opened, pipeline)]
            _print(run_tables(found, everyone))


@inspect.command("run")
@click.argument("run", default="latest")
@_pipeline
@_json
@click.pass_obj
def run_(store: str, run: str, pipeline: str | None, as_json: bool) -> None:
    """Tell the nodes of one run: states, times, and what they made.

    RUN is its name, how that begins, or `latest`.
    """
    with _opened(store) as opened:
        from nsl_tfx import metadata
        from nsl_tfx.cli.inspect_tables import run_title, run_view

        executions = metadata.executions(opened, run, pipeline)
        if as_json:
            _print_frame(executions.reset_index())
        else:
            _print([run_title(opened, run, pipeline), run_view(opened, executions)])


@inspect.command()
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@_pipeline
@_json
@click.pass_obj
def executions(store: str, state: str | None, pipeline: str | None, as_json: bool) -> None:
    """Tell every execution of every run."""
    with _opened(store) as opened:
        from nsl_tfx import metadata
        from nsl_tfx.cli.inspect_tables import execution_table

        found = metadata.executions(opened, pipeline=pipeline)
        if state is not None:
            found = found[found["state"] == ("complete" if state == "done" else state)]
        if as_json:
            _print_frame(found.reset_index())
        else:
            _print([execution_table(found)])


@inspect.command()
@click.argument("type", required=False)
@_pipeline
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=_LAST_RUNS,
    show_default=True,
    help="How many runs to compare.",
)
@click.option("--changed", is_flag=True, help="Leave out what is the same in all of them.")
@_json
@click.pass_obj
def artifacts(
    store: str, type: str | None, pipeline: str | None, last: int, changed: bool, as_json: bool
) -> None:
    """Compare artifacts of a type run by run, or list the types.

    \b
    Example: nsl-tfx inspect FOLDER artifacts RobustnessEvaluation --changed
    """  # noqa: D301 - click reads the mark
    context = click.get_current_context()
    for name in ("last", "changed"):
        given = context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        if given and type is None:
            raise click.UsageError(f"--{name} compares artifacts of one type: name a TYPE.")
    with _opened(store) as opened:
        from nsl_tfx import metadata
        from nsl_tfx.cli.inspect_tables import changed_rows, comparison_tables, type_table

        if type is None:
            found = metadata.artifacts(opened, pipeline=pipeline)
            types = found.reset_index().groupby("type")["artifact"].agg(["count", "max"])
            types = types.rename(columns={"max": "latest"}).reset_index()
            if as_json:
                _print_frame(types)
            else:
                _print([type_table(types)])
            return
        compared = metadata.compare(opened, type, pipeline, last)
        compared = compared[changed_rows(compared)] if changed else compared
        if as_json:
            click.echo(json.dumps(_comparison(compared), indent=2))
        else:
            _print(comparison_tables(compared, type, _width()))


@inspect.command()
@click.argument("artifact")
@click.option(
    "--html", type=click.Path(readable=False), metavar="FILE", help="Draw it as a web page."
)
@click.option(
    "--svg", type=click.Path(readable=False), metavar="FILE", help="Draw it as a picture."
)
@_json
@click.pass_obj
def lineage(store: str, artifact: str, html: str | None, svg: str | None, as_json: bool) -> None:
    """Tell what ARTIFACT was made of, and what became of it.

    ARTIFACT is its number, its URI, or `latest` and a type.

    \b
    Example: nsl-tfx inspect FOLDER lineage 'latest model' --html lineage.html
    """  # noqa: D301 - click reads the mark
    with _opened(store) as opened:
        from nsl_tfx import metadata
        from nsl_tfx.metadata.drawing import render_page, render_svg
        from nsl_tfx.metadata.tree import lineage_tree

        if html is not None and svg is not None and os.path.realpath(html) == os.path.realpath(svg):
            raise ValueError(f"Expected a file for each of --html and --svg. Received: {html!r}.")
        asked = [("--html", html, render_page), ("--svg", svg, render_svg)]
        drawn = {path: (flag, render) for flag, path, render in asked if path is not None}
        for path, (flag, _) in drawn.items():
            check_output(path, flag)
            _check_spares(store, path, flag)
        found = metadata.lineage(opened, artifact)
        for path, (_, render) in drawn.items():
            _write(path, render(found))
        if as_json:
            tables = {"nodes": found.nodes(), "edges": found.edges()}
            told = {name: _records(table) for name, table in tables.items()}
            click.echo(json.dumps({"artifact": found.artifact, **told}, indent=2))
        elif drawn:
            click.echo(f"Wrote {' and '.join(drawn)}.")
        else:
            _print([lineage_tree(found)])


def _check_spares(store: str, path: str, flag: str) -> None:
    """Refuses to write a picture in place of the metadata."""
    from nsl_tfx.metadata.opening import sqlite_file

    if "://" not in store and os.path.realpath(path) == os.path.realpath(sqlite_file(store)):
        raise ValueError(
            f"Expected a file that is not the metadata themselves. Received: {flag} {path!r}. "
            "Choose another one."
        )


def _write(path: str, text: str) -> None:
    from nsl_tfx.io.publishing import published

    with published(path) as file:
        file.write(text.encode())


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    text = frame.to_json(orient="records", date_format="iso", double_precision=15)
    return list(json.loads(text))


def _print_frame(frame: pd.DataFrame) -> None:
    click.echo(json.dumps(_records(frame), indent=2))


def _comparison(compared: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "output": output,
            "property": name,
            "runs": [
                {"pipeline": pipeline, "run": run, "value": value}
                for (pipeline, run), value in row.items()
            ],
        }
        for (output, name), row in compared.iterrows()
    ]


def _width() -> int | None:
    """Returns the terminal's width; None where there is none."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else None


def _print(parts: list[RenderableType]) -> None:
    from nsl_tfx.console import rendered

    click.echo(rendered(parts))
