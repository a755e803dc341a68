"""Which pipeline, run and node an execution belongs to, which ML Metadata keeps as contexts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from nsl_tfx.metadata.records import ExecutionRecord, RunRecord, execution_record, properties_of

INTERACTIVE = "interactive"
"""What stands for a run's name where a notebook ran component after component."""

LATEST = "latest"
"""What stands for the newest run."""

# LocalDagRunner and Kubeflow's containers write the first of each, InteractiveContext the second.
_RUN_TYPES = ("pipeline_run", "run")
_NODE_TYPES = ("node", "component_run")
_PIPELINE_TYPE = "pipeline"
_FEW_RUNS = 10


def read_runs(store: metadata_store.MetadataStore, pipeline: str | None = None) -> list[RunRecord]:
    """Returns the runs, those that started first coming first.

    What a notebook ran component by component counts as one run, named `interactive`.

    Args:
        store: From `open_store`.
        pipeline: Only runs of this pipeline.

    Raises:
        ValueError: No pipeline of this name has run.
    """
    runs = _runs_of_runners(store) + _interactive_runs(store)
    runs.sort(key=lambda run: run.contexts[-1])
    if pipeline is None:
        return runs
    names = sorted({run.pipeline for run in runs})
    if pipeline not in names:
        raise ValueError(
            f"Expected a pipeline that has run: {_listed(names)}. Received: pipeline={pipeline!r}."
        )
    return [run for run in runs if run.pipeline == pipeline]


def _runs_of_runners(store: metadata_store.MetadataStore) -> list[RunRecord]:
    return [
        RunRecord(context.name, _pipeline_of(store, context), (context.id,))
        for context in store.get_contexts_by_type(_RUN_TYPES[0])
    ]


def _interactive_runs(store: metadata_store.MetadataStore) -> list[RunRecord]:
    contexts: dict[str, list[int]] = {}
    for context in store.get_contexts_by_type(_RUN_TYPES[1]):
        contexts.setdefault(_pipeline_of(store, context), []).append(context.id)
    return [
        RunRecord(INTERACTIVE, pipeline, tuple(sorted(ids))) for pipeline, ids in contexts.items()
    ]


def _pipeline_of(store: metadata_store.MetadataStore, run: pb.Context) -> str:
    named = properties_of(run).get("pipeline_name")
    if named:
        return str(named)
    parents = store.get_parent_contexts_by_context(run.id)
    return next((one.name for one in parents if one.type == _PIPELINE_TYPE), "")


def find_run(
    store: metadata_store.MetadataStore, name: str = LATEST, pipeline: str | None = None
) -> RunRecord:
    """Returns one run.

    Args:
        store: From `open_store`.
        name: The run's name, how it begins where no other begins so, or `latest`.
        pipeline: Only runs of this pipeline.

    Raises:
        ValueError: No run is called so, or several are.
    """
    runs = read_runs(store, pipeline)
    if not runs:
        raise ValueError("Expected metadata of a pipeline that has run. Received none of any run.")
    if name == LATEST:
        return runs[-1]
    found = [run for run in runs if run.name == name]
    found = found or [run for run in runs if name and run.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        names = _listed([run.name for run in reversed(runs)])
        raise ValueError(f"Expected the name of a run: {LATEST}, {names}. Received: run={name!r}.")
    several = _listed([f"{run.name} of {run.pipeline}" for run in found])
    raise ValueError(
        f"Expected the name of one run. Received: run={name!r}, which {several} begin with. Give "
        "more of the name, or the pipeline."
    )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def read_executions(
    store: metadata_store.MetadataStore, run: RunRecord, nodes: Mapping[int, str] | None = None
) -> list[ExecutionRecord]:
    """Returns a run's executions, in the order of their start.

    Args:
        store: From `open_store`.
        run: From `read_runs` or `find_run`.
        nodes: Names of nodes' contexts by executions' numbers, where they are known.
    """
    found = {
        execution.id: execution
        for context in run.contexts
        for execution in store.get_executions_by_context(context)
    }
    records = []
    for id_, execution in sorted(found.items()):
        if nodes is not None and id_ in nodes:
            node = nodes[id_].removeprefix(f"{run.pipeline}.")
        else:
            node = _node_in(store.get_contexts_by_execution(id_), execution, run.pipeline)
        records.append(execution_record(execution, node, run.name, run.pipeline))
    return records


def read_executions_of(
    store: metadata_store.MetadataStore, runs: Sequence[RunRecord]
) -> list[list[ExecutionRecord]]:
    """Returns the executions of each of several runs, as `read_executions` does of one."""
    # An execution's contexts take a millisecond, a node's executions a tenth of one each.
    nodes = _nodes(store, {run.pipeline for run in runs}) if len(runs) > _FEW_RUNS else None
    return [read_executions(store, run, nodes) for run in runs]


def _nodes(store: metadata_store.MetadataStore, pipelines: Iterable[str]) -> dict[int, str]:
    prefixes = tuple(f"{name}." for name in pipelines)
    return {
        execution.id: context.name
        for context in store.get_contexts_by_type(_NODE_TYPES[0])
        if context.name.startswith(prefixes)
        for execution in store.get_executions_by_context(context.id)
    }


def placed(
    store: metadata_store.MetadataStore, executions: Iterable[pb.Execution]
) -> list[ExecutionRecord]:
    """Returns executions with what they belong to, whichever run that is."""
    records = []
    for execution in executions:
        contexts = {one.type: one for one in store.get_contexts_by_execution(execution.id)}
        run = next((contexts[kind] for kind in _RUN_TYPES if kind in contexts), None)
        pipeline = contexts[_PIPELINE_TYPE].name if _PIPELINE_TYPE in contexts else ""
        name = "" if run is None else INTERACTIVE if run.type == _RUN_TYPES[1] else run.name
        node = _node_in(list(contexts.values()), execution, pipeline)
        records.append(execution_record(execution, node, name, pipeline))
    return records


def _node_in(contexts: Sequence[pb.Context], execution: pb.Execution, pipeline: str) -> str:
    named = properties_of(execution).get("component_id")
    if named:
        return str(named)
    nodes = [one.name for one in contexts if one.type in _NODE_TYPES]
    # TFX names a node's context `<pipeline>.<node id>`; both parts may have points of their own.
    return nodes[0].removeprefix(f"{pipeline}.") if nodes else execution.type.rpartition(".")[2]
