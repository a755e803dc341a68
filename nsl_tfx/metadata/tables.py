"""Runs, executions and artifacts as pandas frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from ml_metadata import metadata_store

from nsl_tfx.metadata.events import (
    artifacts_by_id,
    executions_by_id,
    links_of_artifacts,
    links_of_executions,
    makers_among,
)
from nsl_tfx.metadata.places import (
    find_run,
    placed,
    read_executions,
    read_executions_of,
    read_runs,
)
from nsl_tfx.metadata.records import (
    ArtifactRecord,
    ExecutionRecord,
    RunRecord,
    artifact_record,
)

# What TFX writes for itself, and tells nobody anything about what an artifact holds.
_BOOKKEEPING = frozenset({"is_external", "name", "pipeline_name", "producer_component", "state"})
_RUN_COLUMNS = [
    "run",
    "pipeline",
    "state",
    "started",
    "seconds",
    "nodes",
    "complete",
    "cached",
    "failed",
    "running",
    "blessed",
    "pushed",
]
_EXECUTION_COLUMNS = [
    "node",
    "type",
    "state",
    "started",
    "seconds",
    "run",
    "pipeline",
    "inputs",
    "outputs",
]
_ARTIFACT_COLUMNS = ["type", "node", "key", "run", "pipeline", "uri", "state", "created"]


def runs(
    store: metadata_store.MetadataStore, pipeline: str | None = None, last: int | None = None
) -> pd.DataFrame:
    """Returns a row for each run, those that started first coming first.

    Columns: `run` and `pipeline`, their names; `state`; `started`, in UTC; `seconds`, from the
    first start to the last end; `nodes`, and of these those that are `complete`, `cached`,
    `failed` and `running`; `blessed`, whether all of the run's blessings say so, of which more may
    come as long as it is not complete; and `pushed`, whether every Pusher did. Both are missing
    where there is no answer.

    A run's state is `failed` if a node's last execution is, else `running` if one is, unless the
    pipeline has been run again; `stopped` if one was canceled or was running then; else `complete`.

    Args:
        store: From `open_store`.
        pipeline: Only runs of this pipeline.
        last: Only so many, the newest, of each pipeline.

    Raises:
        ValueError: No pipeline of this name has run.
    """
    by_pipeline: dict[str, list[RunRecord]] = {}
    for run in read_runs(store, pipeline):
        by_pipeline.setdefault(run.pipeline, []).append(run)
    shown = [
        (run, run is own[-1])
        for own in by_pipeline.values()
        for run in own[0 if last is None else max(0, len(own) - last) :]
    ]
    shown.sort(key=lambda pair: pair[0].contexts[-1])
    executions = read_executions_of(store, [run for run, _ in shown])
    rows = [
        _run_row(run, found, outputs_of(store, found), is_newest)
        for (run, is_newest), found in zip(shown, executions, strict=True)
    ]
    verdicts = {"blessed": "boolean", "pushed": "boolean"}
    return pd.DataFrame(rows, columns=_RUN_COLUMNS).astype(verdicts)


def _run_row(
    run: RunRecord,
    executions: Sequence[ExecutionRecord],
    outputs: Mapping[str, Mapping[str, ArtifactRecord]],
    is_newest: bool,
) -> dict[str, Any]:
    nodes = {one.node: one for one in executions}
    states = [one.state for one in nodes.values()]
    counts = {name: states.count(name) for name in ("complete", "cached", "failed", "running")}
    state = _run_state(states, is_newest)
    made = [artifact for by_key in outputs.values() for artifact in by_key.values()]
    blessed = _all(made, "ModelBlessing", "blessed")
    return {
        "run": run.name,
        "pipeline": run.pipeline,
        "state": state,
        "started": min((one.started for one in executions), default=pd.NaT),
        "seconds": _span(executions),
        "nodes": len(nodes),
        **counts,
        "blessed": None if blessed and state != "complete" else blessed,
        "pushed": _all(made, "PushedModel", "pushed"),
    }


def _run_state(states: Sequence[str], is_newest: bool) -> str:
    if "failed" in states:
        return "failed"
    if "running" in states and is_newest:
        return "running"
    return "stopped" if {"running", "canceled"} & {*states} else "complete"


def _span(executions: Sequence[ExecutionRecord]) -> float | None:
    if not executions:
        return None
    ends = [one.started.timestamp() + (one.seconds or 0) for one in executions]
    return round(max(ends) - min(one.started.timestamp() for one in executions), 3)


def _all(made: Iterable[ArtifactRecord], type_: str, name: str) -> bool | None:
    said = [one.properties.get(name) == 1 for one in made if one.type == type_]
    return all(said) if said else None


def executions(
    store: metadata_store.MetadataStore, run: str | None = None, pipeline: str | None = None
) -> pd.DataFrame:
    """Returns a row for each execution, those that started first coming first.

    The index is the execution's number. Columns: `node`, `type`, `state`, `started` (UTC),
    `seconds` (none where it has not ended), `run`, `pipeline`, and `inputs` and `outputs`, tuples
    of artifacts' numbers.

    Args:
        store: From `open_store`.
        run: Only those of this run: its name, how it begins, or `latest`.
        pipeline: Only those of this pipeline.

    Raises:
        ValueError: No run or pipeline of this name is there.
    """
    by_run = read_executions_of(store, _chosen(store, run, pipeline))
    found = sorted((one for own in by_run for one in own), key=lambda one: one.id)
    ids: dict[tuple[int, bool], tuple[int, ...]] = {}
    for link in links_of_executions(store, [one.id for one in found]):
        side = link.execution, link.is_output
        ids[side] = (*ids.get(side, ()), link.artifact)
    rows = [
        {
            **dataclasses.asdict(one),
            "inputs": ids.get((one.id, False), ()),
            "outputs": ids.get((one.id, True), ()),
        }
        for one in found
    ]
    index = pd.Index([one.id for one in found], name="execution", dtype="int64")
    return pd.DataFrame(rows, index=index, columns=_EXECUTION_COLUMNS)


def _chosen(
    store: metadata_store.MetadataStore, run: str | None, pipeline: str | None
) -> list[RunRecord]:
    return read_runs(store, pipeline) if run is None else [find_run(store, run, pipeline)]


def artifacts(
    store: metadata_store.MetadataStore,
    type: str | None = None,
    run: str | None = None,
    pipeline: str | None = None,
) -> pd.DataFrame:
    """Returns a row for each artifact, and a column for each property that one of them has.

    The index is the artifact's number. Columns: `type`; `node`, `key`, `run` and `pipeline`, of
    the execution that made it; `uri`, `state`, `created` (UTC); then the properties by name. One
    that is called like a column before is `<name>_property`.

    Args:
        store: From `open_store`.
        type: Only those of this type, such as `Model`; without the package's name and in whatever
            case.
        run: Only those that this run used or made, cached ones included: its name, how it begins,
            or `latest`.
        pipeline: Only those of this pipeline.

    Raises:
        ValueError: No such type, run or pipeline is there.

    Example:
        >>> metadata = open_store("metadata.sqlite")  # doctest: +SKIP
        >>> artifacts(metadata, "NeighborGraph")[["run", "edges"]]  # doctest: +SKIP
    """
    name = None if type is None else find_type(store, type)
    if run is None and pipeline is None:
        messages = store.get_artifacts() if name is None else store.get_artifacts_by_type(name)
        found = {one.id: one for one in messages}
    else:
        by_run = read_executions_of(store, _chosen(store, run, pipeline))
        ids = [one.id for own in by_run for one in own]
        found = artifacts_by_id(store, [one.artifact for one in links_of_executions(store, ids)])
    records = [
        artifact_record(one) for _, one in sorted(found.items()) if name is None or one.type == name
    ]
    makers = makers_of(store, [one.id for one in records])
    rows = [_artifact_row(one, *makers.get(one.id, (None, ""))) for one in records]
    properties = sorted({name for row in rows for name in row} - {*_ARTIFACT_COLUMNS})
    index = pd.Index([one.id for one in records], name="artifact", dtype="int64")
    return pd.DataFrame(rows, index=index, columns=[*_ARTIFACT_COLUMNS, *properties])


def _artifact_row(
    record: ArtifactRecord, maker: ExecutionRecord | None, key: str
) -> dict[str, Any]:
    return {
        "type": record.type,
        "node": maker.node if maker else None,
        "key": key or None,
        "run": maker.run if maker else None,
        "pipeline": maker.pipeline if maker else None,
        "uri": record.uri,
        "state": record.state,
        "created": record.created,
        **{
            f"{name}_property" if name in _ARTIFACT_COLUMNS else name: value
            for name, value in record.properties.items()
        },
    }


def find_type(store: metadata_store.MetadataStore, name: str) -> str:
    """Returns the full name of an artifact type.

    Args:
        store: From `open_store`.
        name: Its name, with or without the package's, in whatever case.

    Raises:
        ValueError: There is no such type, or several are called so.
    """
    known = sorted(one.name for one in store.get_artifact_types())
    wanted = name.lower()
    found = [one for one in known if one == name]
    found = found or [one for one in known if one.lower() == wanted]
    found = found or [one for one in known if one.lower().rpartition(".")[2] == wanted]
    if len(found) != 1:
        raise ValueError(
            f"Expected a type of artifact: {', '.join(known) or 'none is there'}. Received: "
            f"type={name!r}."
        )
    return found[0]


def makers_of(
    store: metadata_store.MetadataStore, ids: Sequence[int]
) -> dict[int, tuple[ExecutionRecord, str]]:
    """Returns, for each artifact, the execution that made it, and what that calls it."""
    links = [link for link in links_of_artifacts(store, ids) if link.is_output]
    found = executions_by_id(store, [link.execution for link in links])
    makers = makers_among(links, found)
    chosen = {link.execution for link in makers.values()}
    records = {one.id: one for one in placed(store, [found[id_] for id_ in sorted(chosen)])}
    return {id_: (records[link.execution], link.key) for id_, link in makers.items()}


def outputs_of(
    store: metadata_store.MetadataStore, executions: Sequence[ExecutionRecord]
) -> dict[str, dict[str, ArtifactRecord]]:
    """Returns what a run's executions put out: node to key to artifact, the newest where several.

    A cached node counts: ML Metadata records an execution for it too, with the outputs of old.
    """
    nodes = {one.id: one.node for one in executions}
    links = [link for link in links_of_executions(store, nodes) if link.is_output]
    found = artifacts_by_id(store, [link.artifact for link in links])
    outputs: dict[str, dict[str, ArtifactRecord]] = {node: {} for node in nodes.values()}
    for link in links:
        outputs[nodes[link.execution]][link.key] = artifact_record(found[link.artifact])
    return outputs


def compare(
    store: metadata_store.MetadataStore,
    type: str,
    pipeline: str | None = None,
    last: int | None = None,
) -> pd.DataFrame:
    """Returns what artifacts of a type say of themselves, set side by side run by run.

    Columns are runs, by pipeline and name, those that started first coming first. Rows are
    properties, by the output that has them, such as `GraphBuilder.graph`; the first of each output
    is `artifact`, the number of what the run made or found in the cache.

    Args:
        store: From `open_store`.
        type: The artifacts' type, as `artifacts` takes it.
        pipeline: Only runs of this pipeline.
        last: Only so many runs, the newest, among those that have such artifacts.

    Raises:
        ValueError: No such type or pipeline is there.
    """
    name = find_type(store, type)
    columns: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    for run in reversed(read_runs(store, pipeline)):
        if last is not None and len(columns) >= last:
            break
        cells = _cells(outputs_of(store, read_executions(store, run)), name)
        if cells:
            columns[run.pipeline, run.name] = cells
    rows = dict.fromkeys(row for cells in reversed(columns.values()) for row in cells)
    order = list(dict.fromkeys(output for output, _ in rows))
    index = sorted(rows, key=lambda row: (order.index(row[0]), row[1] != "artifact", row[1]))
    keys = list(reversed(columns))
    return pd.DataFrame(
        [[columns[key].get(row) for key in keys] for row in index],
        index=pd.MultiIndex.from_tuples(index, names=["output", "property"]),
        columns=pd.MultiIndex.from_tuples(keys, names=["pipeline", "run"]),
        dtype=object,
    )


def _cells(
    outputs: Mapping[str, Mapping[str, ArtifactRecord]], type_: str
) -> dict[tuple[str, str], Any]:
    cells: dict[tuple[str, str], Any] = {}
    for node, by_key in outputs.items():
        for key, artifact in by_key.items():
            if artifact.type == type_:
                output = f"{node}.{key}"
                cells[output, "artifact"] = artifact.id
                for name, value in artifact.properties.items():
                    if name not in _BOOKKEEPING:
                        cells[output, name] = value
    return cells
