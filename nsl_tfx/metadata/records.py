"""What ML Metadata knows of a run, an execution and an artifact, as plain values."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as pb

ENDED_UNSEEN = "nsl_tfx_ended_unseen"
"""Custom property of executions that were ended after their process had been killed."""

# TFX wraps what is neither a number nor a text, since a struct can only be a mapping.
_WRAPPED = "__value__"


@dataclasses.dataclass(frozen=True)
class ArtifactRecord:
    """An artifact as ML Metadata describes it.

    Attributes:
        uri: Where its files lie.
        properties: Declared and custom ones by name.
        id: Its number in this metadata.
        type: The name of its type, such as `Examples`.
        state: `live`, `pending`, `deleted` and so on.
        created: When it was recorded, in UTC.
    """

    uri: str
    properties: dict[str, Any]
    id: int = 0
    type: str = ""
    state: str = "unknown"
    created: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A run of a pipeline.

    Attributes:
        name: What the runner called it; LocalDagRunner takes the time of its start.
        pipeline: The pipeline's name.
        contexts: Ids of the contexts that its executions belong to: one, or where a notebook ran
            component after component, one for each.
    """

    name: str
    pipeline: str
    contexts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ExecutionRecord:
    """A node's execution in a run.

    Attributes:
        id: Its number in this metadata.
        node: The node's id, such as `Trainer.baseline`.
        type: The component's class, such as `Trainer`.
        run: The run's name.
        pipeline: The pipeline's name.
        state: `complete`, `cached`, `failed`, `running`, `canceled` and so on. One whose process
            was killed stays `running`, until the next `nsl-tfx run` makes it `failed`.
        started: When it was recorded, in UTC.
        seconds: How long it took; None where it has not ended, or nobody knows when.
        properties: Declared and custom ones by name: what the component was given.
    """

    id: int
    node: str
    type: str
    run: str
    pipeline: str
    state: str
    started: datetime.datetime
    seconds: float | None
    properties: dict[str, Any]


_ENDED = (pb.Execution.COMPLETE, pb.Execution.FAILED, pb.Execution.CACHED, pb.Execution.CANCELED)


def artifact_record(artifact: pb.Artifact) -> ArtifactRecord:
    """Returns an artifact's message as a record."""
    return ArtifactRecord(
        artifact.uri,
        properties_of(artifact),
        artifact.id,
        artifact.type,
        pb.Artifact.State.Name(artifact.state).lower(),
        _time(artifact.create_time_since_epoch),
    )


def execution_record(
    execution: pb.Execution, node: str, run: str, pipeline: str
) -> ExecutionRecord:
    """Returns an execution's message, and where it belongs, as a record."""
    milliseconds = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    has_time = execution.last_known_state in _ENDED and (
        ENDED_UNSEEN not in execution.custom_properties
    )
    return ExecutionRecord(
        id=execution.id,
        node=node,
        # TFX names it by its module.
        type=execution.type.rpartition(".")[2],
        run=run,
        pipeline=pipeline,
        state=pb.Execution.State.Name(execution.last_known_state).lower(),
        started=_time(execution.create_time_since_epoch),
        seconds=milliseconds / 1000 if has_time else None,
        properties=properties_of(execution),
    )


def properties_of(thing: pb.Artifact | pb.Execution | pb.Context) -> dict[str, Any]:
    """Returns declared and custom properties by name, in order; a custom one wins."""
    both = [*_items(thing.properties), *_items(thing.custom_properties)]
    return dict(sorted(dict(both).items()))


def _items(values: Mapping[str, pb.Value]) -> list[tuple[str, Any]]:
    return [(name, _plain(value)) for name, value in values.items()]


def _plain(value: pb.Value) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "proto_value":
        return f"{found.type_url.rpartition('/')[2]} ({len(found.value):,} bytes)"
    if kind != "struct_value":
        return found
    mapping = json_format.MessageToDict(found)
    if mapping.keys() != {_WRAPPED}:
        return mapping
    try:
        return json.loads(mapping[_WRAPPED])
    except (TypeError, ValueError):  # somebody else's use of the name
        return mapping


def _time(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
