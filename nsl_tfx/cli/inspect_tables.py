"""What `nsl-tfx inspect` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
from ml_metadata import metadata_store
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nsl_tfx.io.printable import printable
from nsl_tfx.metadata.events import artifacts_by_id, links_of_executions
from nsl_tfx.metadata.headlines import decision, headline
from nsl_tfx.metadata.places import find_run
from nsl_tfx.metadata.records import artifact_record
from nsl_tfx.metadata.tree import STATE_STYLES
from nsl_tfx.metadata.words import run_words, state_words, time_words, type_words
from nsl_tfx.tools.amounts import count_of

_NOTHING = "-"
# The narrowest column that a run's name, on two lines, and most numbers fit in.
_RUN_WIDTH = 13
_NAME_WIDTH = 24
_GAP = 2
_CHANGED = "*"
_MARKED = f" {_CHANGED}"
# Characters of a value, where no terminal says how wide a table may be.
_LONGEST = 60


def run_tables(found: pd.DataFrame, everyone: Sequence[str]) -> list[RenderableType]:
    """Returns a table of runs, the newest first, for each pipeline.

    Args:
        found: From `metadata.runs`.
        everyone: The pipeline of every run, also of those that are not in the table.
    """
    if not everyone:
        return [Text("No pipeline has run yet.")]
    counts = Counter(everyone)
    tables: list[RenderableType] = []
    for pipeline, own in found.groupby("pipeline", sort=False):
        left_out = counts[str(pipeline)] - len(own)
        note = f"; {left_out:,} older not shown, see --last" if left_out else ""
        title = Text.assemble(
            (printable(str(pipeline)), "bold"), f", {count_of(counts[str(pipeline)], 'run')}{note}"
        )
        tables.append(Group(title, _run_table(own)))
    return tables


def _run_table(own: pd.DataFrame) -> Table:
    table = _table("run", "state", "took>", "done>", "cached>", "failed>", "blessed", "pushed")
    for row in own.iloc[::-1].to_dict("records"):
        table.add_row(
            _run_name(row["run"]),
            _state(row["state"], row["state"]),
            _NOTHING if pd.isna(row["seconds"]) else time_words(row["seconds"]),
            *(str(row[name]) for name in ("complete", "cached", "failed")),
            _answer(row["blessed"]),
            _answer(row["pushed"]),
        )
    return table


def _table(*columns: str) -> Table:
    """Returns a table; a column's name ends in `>` where it holds numbers."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(
            name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold"
        )
    return table


def _run_name(name: str) -> Text:
    return Text(printable(run_words(name)))


def _state(state: str, text: str) -> Text:
    return Text(text, STATE_STYLES.get(state, ""))


def _answer(value: Any) -> Text:
    if pd.isna(value):
        return Text(_NOTHING)
    return Text("yes", "green") if value else Text("no", "red")


def run_title(
    store: metadata_store.MetadataStore, run: str, pipeline: str | None
) -> RenderableType:
    """Returns which run it is."""
    found = find_run(store, run, pipeline)
    return Text.assemble((printable(found.pipeline), "bold"), f", run {printable(found.name)}")


def run_view(store: metadata_store.MetadataStore, executions: pd.DataFrame) -> Table:
    """Returns a table of a run's nodes, and of what each made."""
    ids = {one for outputs in executions["outputs"] for one in outputs}
    made = {id_: artifact_record(one) for id_, one in artifacts_by_id(store, ids).items()}
    links = links_of_executions(store, list(executions.index))
    keys = {link.artifact: link.key for link in links if link.is_output}
    table = _table("node", "state", "made")
    for row in executions.to_dict("records"):
        seconds = None if pd.isna(row["seconds"]) else row["seconds"]
        types = Counter(made[id_].type for id_ in row["outputs"])
        lines = []
        for id_ in row["outputs"]:
            one = made[id_]
            # Transform puts out two Schemas, for one.
            name = f"{type_words(one.type)} {id_}" + f" ({keys[id_]})" * (types[one.type] > 1)
            told = ", ".join([name, *headline(one)])
            style = {True: "green", False: "red", None: ""}[decision(one)]
            lines.append(Text(printable(told), style))
        table.add_row(
            Text(printable(row["node"])),
            _state(row["state"], state_words(row["state"], seconds)),
            Text("\n").join(lines) if lines else Text(_NOTHING),
        )
    return table


def execution_table(found: pd.DataFrame) -> RenderableType:
    """Returns a table of executions, the newest last."""
    if found.empty:
        return Text("None.")
    table = _table("number>", "pipeline", "run", "node", "state")
    for id_, row in zip(found.index, found.to_dict("records"), strict=True):
        seconds = None if pd.isna(row["seconds"]) else row["seconds"]
        table.add_row(
            str(id_),
            Text(printable(row["pipeline"])),
            _run_name(row["run"]),
            Text(printable(row["node"])),
            _state(row["state"], state_words(row["state"], seconds)),
        )
    return table


def type_table(types: pd.DataFrame) -> RenderableType:
    """Returns a table of artifact types: how many there are, and the latest one's number."""
    if types.empty:
        return Text("None.")
    table = _table("type", "artifacts>", "latest>")
    for row in types.to_dict("records"):
        table.add_row(Text(printable(row["type"])), f"{row['count']:,}", str(row["latest"]))
    return table


def changed_rows(compared: pd.DataFrame) -> list[bool]:
    """Returns which rows of a comparison are not the same in all runs."""
    return [any(_changes(row.tolist())) for _, row in compared.iterrows()]


def _changes(values: Sequence[Any]) -> list[bool]:
    """Returns which values differ from the one before."""
    return [i > 0 and value != values[i - 1] for i, value in enumerate(values)]


def comparison_tables(
    compared: pd.DataFrame, type_: str, width: int | None
) -> list[RenderableType]:
    """Returns a table for each pipeline and output: a row a property, a column a run.

    Args:
        compared: From `metadata.compare`.
        type_: What was asked for.
        width: Of the terminal. Older runs that it has no room for are left out, and long values
            are cut; what was left out is told. None where there is no terminal: no run is left
            out, and values are cut that no column of a table should be as wide as.
    """
    if compared.empty:
        return [Text(f"No run has artifacts of type {printable(type_)}, or none that differ.")]
    tables: list[RenderableType] = []
    across = None if width is None else width - _NAME_WIDTH - _GAP
    most = compared.shape[1] if across is None else max(1, across // (_RUN_WIDTH + _GAP))
    cut = False
    for pipeline in dict.fromkeys(compared.columns.get_level_values("pipeline")):
        own = compared[pipeline]
        shown = own.iloc[:, -most:]
        room = _LONGEST + len(_MARKED)
        if across is not None:
            room = max(_RUN_WIDTH, across // max(1, shown.shape[1]) - _GAP)
        for output in dict.fromkeys(own.index.get_level_values("output")):
            rows = own.loc[output].iloc[:, -most - 1 :]
            if rows.isna().all(axis=None):
                continue
            title = Text.assemble(
                (printable(str(output)), "bold"), f" of {printable(str(pipeline))}"
            )
            table, was_cut = _comparison_table(rows, shown.shape[1], room)
            cut = cut or was_cut
            tables.append(Group(title, table))
        if own.shape[1] > most:
            tables.append(
                Text(f"Not shown: {count_of(own.shape[1] - most, 'older run')}. See --json.")
            )
    notes = [f"{_CHANGED} differs from the run before."]
    if cut:
        notes.append("What ends in an ellipsis is cut; --json prints it whole.")
    return [*tables, Text(" ".join(notes), "dim")]


def _comparison_table(rows: pd.DataFrame, count: int, room: int) -> tuple[Table, bool]:
    """Returns the table of one output, and whether a value was cut."""
    table = _table("", *(f"{_heading(str(run))}>" for run in rows.columns[-count:]))
    table.columns[0].max_width = _NAME_WIDTH
    cut = False
    for name, row in rows.iterrows():
        values = row.tolist()
        cells = []
        for value, changed in list(zip(values, _changes(values), strict=True))[-count:]:
            text = _value(value)
            longest = room - len(_MARKED)
            if len(text) > longest:
                text, cut = f"{text[: longest - 1]}…", True
            mark = _MARKED if changed else " " * len(_MARKED)
            cells.append(Text(f"{text}{mark}", "bold yellow" if changed else ""))
        table.add_row(Text(printable(str(name))), *cells)
    return table, cut


def _heading(run: str) -> str:
    # Two lines of a date and a time are narrow.
    return printable(run_words(run)).replace("T", "\n", 1) if run[:1].isdigit() else printable(run)


def _value(value: Any) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return _NOTHING
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(value if isinstance(value, str) else json.dumps(value))
