"""Which artifacts a pipeline's last run used and made, read from ML Metadata."""

from __future__ import annotations

import dataclasses
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb


@dataclasses.dataclass(frozen=True)
class ArtifactRecord:
    """An artifact as ML Metadata describes it: where it lies, and its custom properties."""

    uri: str
    properties: dict[str, Any]


def open_sqlite(path: str) -> metadata_store.MetadataStore:
    """Opens an existing SQLite metadata file for reading."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(config)


def last_outputs(
    store: metadata_store.MetadataStore, pipeline: str
) -> dict[str, dict[str, ArtifactRecord]]:
    """Returns the outputs of each node in the latest run: node id to output key to artifact.

    A reused node counts: ML Metadata records an execution for it too, with the outputs of old.

    Args:
        store: The metadata.
        pipeline: The pipeline's name.

    Raises:
        LookupError: The pipeline has not run yet.
    """
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    executions = store.get_executions_by_context(context.id) if context else []
    if not executions:
        raise LookupError(
            f"Expected a run of pipeline {pipeline!r} in the metadata; none is there."
        )
    places = {execution.id: _place(store, execution.id) for execution in executions}
    last = max(run for run, _ in places.values())
    nodes = {execution: node for execution, (run, node) in places.items() if run == last}
    events = [
        event
        for event in store.get_events_by_execution_ids(list(nodes))
        if event.type == pb.Event.OUTPUT
    ]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    outputs: dict[str, dict[str, ArtifactRecord]] = {node: {} for node in nodes.values()}
    for event in events:
        key = next(step.key for step in event.path.steps if step.HasField("key"))
        outputs[nodes[event.execution_id]][key] = _record(artifacts[event.artifact_id])
    return outputs


def _place(store: metadata_store.MetadataStore, execution: int) -> tuple[int, str]:
    """Returns the run, by its context's id, and the node that an execution belongs to."""
    contexts = {context.type: context for context in store.get_contexts_by_execution(execution)}
    # TFX names a node's context `<pipeline>.<node id>`.
    return contexts["pipeline_run"].id, contexts["node"].name.split(".", 1)[1]


def _record(artifact: pb.Artifact) -> ArtifactRecord:
    values = {}
    for name, value in artifact.custom_properties.items():
        values[name] = getattr(value, value.WhichOneof("value"))
    return ArtifactRecord(artifact.uri, values)
