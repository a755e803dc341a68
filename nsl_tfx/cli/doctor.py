"""The command `nsl-tfx doctor`."""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nsl_tfx.tools.commands import plain_errors

if TYPE_CHECKING:
    from rich.table import Table

    from nsl_tfx.doctor import Finding

_STYLES = {"ok": "green", "warn": "yellow", "missing": "cyan", "wrong": "bold red"}


@click.command(short_help="Look whether pipelines can run here.")
@click.option("--quick", is_flag=True, help="Leave out what takes long: importing TFX.")
@click.option("--json", "as_json", is_flag=True, help="Print what is found as JSON.")
def doctor(quick: bool, as_json: bool) -> None:
    """Look whether pipelines can run here, and say what cures what is wrong.

    Looks at Python, the packages, the environment's settings, and this machine. What is "missing"
    only some commands need.

    Exit codes: 0 nothing is wrong, 1 something is.
    """
    with plain_errors():
        from nsl_tfx.console import rendered
        from nsl_tfx.doctor import Level, examine

        if not as_json and not quick:
            click.echo("Importing TFX in a new process ...", err=True)
        findings = examine(quick=quick)
        if as_json:
            click.echo(json.dumps([one.to_json() for one in findings]))
        else:
            click.echo(rendered([_table(findings), _summary(findings)]))
    sys.exit(any(one.level is Level.WRONG for one in findings))


def _table(findings: Sequence[Finding]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in findings:
        told = Text(one.found)
        if one.cure:
            told.append(f"\n{one.cure}", "bold" if one.level.value != "ok" else "dim")
        table.add_row(Text(one.level.value, _STYLES[one.level.value]), Text(one.name), told)
    return table


def _summary(findings: Sequence[Finding]) -> str:
    counts = collections.Counter(one.level.value for one in findings)
    if counts["wrong"]:
        return f"{counts['wrong']} wrong: pipelines do not run here before it is cured."
    more = [f"{counts[level]} {level}" for level in ("warn", "missing") if counts[level]]
    return "Pipelines can run here." + (f" ({', '.join(more)})" if more else "")
