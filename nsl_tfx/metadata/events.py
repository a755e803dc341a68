"""What executions read and wrote: ML Metadata's events, by batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

# A thousand numbers are a short query, and their answer a message that any server sends.
_BATCH = 1000
_OUTPUTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
# Internal ones are those of resolvers, which pass on what another node has made.
_INPUTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)


@dataclasses.dataclass(frozen=True, order=True)
class Link:
    """An execution that read or wrote an artifact.

    Attributes:
        execution: Its number.
        artifact: Its number.
        is_output: Whether it was written.
        key: What the component calls it, such as `examples`.
    """

    execution: int
    artifact: int
    is_output: bool
    key: str


def links_of_executions(
    store: metadata_store.MetadataStore, executions: Iterable[int]
) -> list[Link]:
    """Returns what executions read and wrote."""
    return _links(store.get_events_by_execution_ids, executions)


def links_of_artifacts(store: metadata_store.MetadataStore, artifacts: Iterable[int]) -> list[Link]:
    """Returns which executions wrote or read artifacts."""
    return _links(store.get_events_by_artifact_ids, artifacts)


def artifacts_by_id(
    store: metadata_store.MetadataStore, artifacts: Iterable[int]
) -> dict[int, pb.Artifact]:
    """Returns artifacts' messages by their numbers."""
    return {one.id: one for one in _batched(store.get_artifacts_by_id, artifacts)}


def executions_by_id(
    store: metadata_store.MetadataStore, executions: Iterable[int]
) -> dict[int, pb.Execution]:
    """Returns executions' messages by their numbers."""
    return {one.id: one for one in _batched(store.get_executions_by_id, executions)}


def makers_among(links: Iterable[Link], executions: Mapping[int, pb.Execution]) -> dict[int, Link]:
    """Returns, for each artifact that was written, the link to the execution that made it.

    A cached execution only recalls what another one has made, so it counts where no other is.
    """
    makers: dict[int, Link] = {}
    cached = pb.Execution.CACHED

    def order(link: Link) -> tuple[bool, Link]:
        return executions[link.execution].last_known_state == cached, link

    for link in sorted((one for one in links if one.is_output), key=order):
        makers.setdefault(link.artifact, link)
    return makers


def _links(get: Callable[[Sequence[int]], Sequence[pb.Event]], ids: Iterable[int]) -> list[Link]:
    return sorted(
        {
            Link(event.execution_id, event.artifact_id, event.type in _OUTPUTS, _key(event))
            for event in _batched(get, ids)
            if event.type in (*_OUTPUTS, *_INPUTS)
        }
    )


def _key(event: pb.Event) -> str:
    return next((step.key for step in event.path.steps if step.HasField("key")), "")


def _batched(get: Callable[[Sequence[int]], Sequence[Any]], ids: Iterable[int]) -> Iterator[Any]:
    numbers = sorted(set(ids))
    for start in range(0, len(numbers), _BATCH):
        yield from get(numbers[start : start + _BATCH])
