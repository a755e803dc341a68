"""Recording tasks in ML Metadata, under the names that TFX's own runners use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, struct_pb2
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

_TFX = "tfx."
_CUSTOM = "custom:"
_KINDS = {"integer": pb.INT, "double": pb.DOUBLE, "string": pb.STRING}


class Recorder:
    """Writes a run's executions, artifacts and events to a SQLite file.

    Args:
        path: The file; made where it is missing.
        pipeline: The pipeline's name.
        run: The run's.
    """

    def __init__(self, path: Path, pipeline: str, run: str):
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = metadata_store.MetadataStore(config)
        self._pipeline_name = pipeline
        self._pipeline = self._context("pipeline", pipeline)
        self._run = self._context("pipeline_run", run)
        self.store.put_parent_contexts(
            [pb.ParentContext(child_id=self._run, parent_id=self._pipeline)]
        )

    def begin(self, task: str, parameters: dict[str, Any], inputs: dict[str, Any]) -> int:
        """Records that a task runs; returns the execution's number."""
        type_id = self.store.put_execution_type(pb.ExecutionType(name=task.split(".")[0]))
        execution = pb.Execution(type_id=type_id, last_known_state=pb.Execution.RUNNING)
        for name, value in parameters.items():
            _set(execution.custom_properties[name], value)
        (number,) = self.store.put_executions([execution])
        node = self._context("node", f"{self._pipeline_name}.{task}")
        self.store.put_attributions_and_associations(
            [],
            [
                pb.Association(execution_id=number, context_id=context)
                for context in (self._pipeline, self._run, node)
            ],
        )
        events = [
            _event(number, self.id_of(artifact), pb.Event.INPUT, key)
            for key, found in inputs.items()
            for artifact in found["artifacts"]
        ]
        self.store.put_events(events)
        return number

    def end(self, execution: int, outputs: dict[str, Any], failed: bool = False) -> None:
        """Records what a task made, or that it failed."""
        (found,) = self.store.get_executions_by_id([execution])
        for key, made in outputs.items():
            for artifact in made["artifacts"]:
                number = self.id_of(artifact) or self._put(artifact)
                self.store.put_events([_event(execution, number, pb.Event.OUTPUT, key)])
        state = pb.Execution.FAILED if failed else pb.Execution.COMPLETE
        found.last_known_state = state
        self.store.put_executions([found])

    def id_of(self, artifact: dict[str, Any]) -> int:
        """Returns the number of an artifact that was recorded before; 0 for another."""
        found = self.store.get_artifact_by_type_and_name(_type_name(artifact), artifact["name"])
        return 0 if found is None else found.id

    def query(self, title: str, **wanted: Any) -> pb.Artifact | None:
        """Returns the newest artifact with a schema's title and such metadata, or such a name."""
        found = self.store.get_artifacts_by_type(title.removeprefix(_TFX))
        name = wanted.pop("name", None)
        fitting = [
            artifact
            for artifact in found
            if artifact.state == pb.Artifact.LIVE
            and (name is None or artifact.name == name)
            and all(_get(artifact, key) == value for key, value in wanted.items())
        ]
        return max(fitting, key=lambda one: one.id, default=None)

    def _put(self, artifact: dict[str, Any]) -> int:
        schema = _schema(artifact)
        declared = {
            name: _KINDS[one["type"]]
            for name, one in schema.get("properties", {}).items()
            if one["type"] in _KINDS
        }
        type_id = self.store.put_artifact_type(
            pb.ArtifactType(name=_type_name(artifact), properties=declared)
        )
        recorded = pb.Artifact(
            type_id=type_id, uri=artifact["uri"], name=artifact["name"], state=pb.Artifact.LIVE
        )
        for name, value in artifact["metadata"].items():
            if name in declared:
                _set(recorded.properties[name], int(value) if declared[name] == pb.INT else value)
            else:
                # TFX writes so a custom property that is called like a declared one.
                custom = name.removeprefix(_CUSTOM)
                _set(recorded.custom_properties[custom if custom in declared else name], value)
        (number,) = self.store.put_artifacts([recorded])
        self.store.put_attributions_and_associations(
            [
                pb.Attribution(artifact_id=number, context_id=context)
                for context in (self._pipeline, self._run)
            ],
            [],
        )
        return number

    def _context(self, kind: str, name: str) -> int:
        found = self.store.get_context_by_type_and_name(kind, name)
        if found is not None:
            return found.id
        type_id = self.store.put_context_type(pb.ContextType(name=kind))
        (number,) = self.store.put_contexts([pb.Context(type_id=type_id, name=name)])
        return number


def runtime_artifact(found: pb.Artifact, kind: dict[str, Any]) -> dict[str, Any]:
    """Returns a recorded artifact as a RuntimeArtifact of a type."""
    names = [*found.properties, *found.custom_properties]
    metadata = {name: _get(found, name) for name in names}
    return {"name": found.name, "type": kind, "uri": found.uri, "metadata": metadata}


def _get(artifact: pb.Artifact, name: str) -> Any:
    values = artifact.properties if name in artifact.properties else artifact.custom_properties
    if name not in values:
        return None
    found = getattr(values[name], values[name].WhichOneof("value"))
    return json_format.MessageToDict(found) if isinstance(found, struct_pb2.Struct) else found


def _set(field: pb.Value, value: Any) -> None:
    # JSON knows one kind of number, and Kubeflow's metadata with it.
    if isinstance(value, dict):
        json_format.ParseDict(value, field.struct_value)
    elif isinstance(value, str):
        field.string_value = value
    elif isinstance(value, int) and not isinstance(value, bool):
        field.int_value = value
    else:
        field.double_value = float(value)


def _event(execution: int, artifact: int, kind: int, key: str) -> pb.Event:
    event = pb.Event(execution_id=execution, artifact_id=artifact, type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event


def _schema(artifact: dict[str, Any]) -> dict[str, Any]:
    return yaml.safe_load(artifact["type"]["instanceSchema"])


def _type_name(artifact: dict[str, Any]) -> str:
    return _schema(artifact)["title"].removeprefix(_TFX)
