"""The command `nsl-tfx new`."""

from __future__ import annotations

import os

import click

from nsl_tfx.pipelines.starter import KINDS, write_project
from nsl_tfx.tools.commands import check_output, plain_errors


@click.command(short_help="Write a project of your own.")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="images",
    show_default=True,
    help="What it begins as. graph: edges from files. images, text: a graph of what is similar. "
    "images, table: adversarial training. text, table: Transform.",
)
@click.option(
    "--into",
    type=click.Path(),
    help="The project's folder, new or empty. [default: NAME, in this folder]",
)
def new(name: str, kind: str, into: str | None) -> None:
    """Write a project of your own: pipeline, model, settings, test, Dockerfile.

    NAME is its Python package. The project runs as it is, on data that it writes itself.
    """
    with plain_errors():
        above = os.path.dirname(os.path.abspath(name if into is None else into))
        check_output(above, "--into", is_folder=True)
        folder = write_project(name, kind, into)
        readme = os.path.join(folder, "README.md")
        click.echo(f"Wrote {folder}; {readme} tells how to go on.")
