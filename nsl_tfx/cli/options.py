"""Options of commands that take a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

beam_arguments = click.option(
    "--beam-arg",
    "beam_args",
    multiple=True,
    metavar="ARG",
    help="An argument for Beam, after the pipeline's own, such as --beam-arg=--runner=FlinkRunner; "
    "may be repeated.",
)


def assignments(flag: str, name: str, help_text: str) -> Callable[[Any], Any]:
    """Returns a repeatable option whose values a command gets as a dict of texts by name."""
    return click.option(
        flag, name, multiple=True, metavar="NAME=VALUE", callback=_split, help=help_text
    )


def _split(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    del context, option
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"Expected NAME=VALUE. Received: {text!r}.")
        if name in found:
            raise click.BadParameter(f"Expected one value of {name}. Received: two.")
        found[name] = value
    return found
