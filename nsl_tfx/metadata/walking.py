"""From an artifact back to what it was made of, and forward to what was made of it."""

from __future__ import annotations

import dataclasses

import pandas as pd
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from nsl_tfx.metadata.events import (
    Link,
    artifacts_by_id,
    executions_by_id,
    links_of_artifacts,
    links_of_executions,
    makers_among,
)
from nsl_tfx.metadata.headlines import headline
from nsl_tfx.metadata.places import placed
from nsl_tfx.metadata.records import ArtifactRecord, ExecutionRecord, artifact_record
from nsl_tfx.metadata.selecting import find_artifact


@dataclasses.dataclass(frozen=True)
class Lineage:
    """Where an artifact comes from, and what became of it.

    Attributes:
        artifact: The number of the artifact that was asked for.
        artifacts: By their numbers.
        executions: By their numbers. Cached ones are left out: what they recall was made by
            another.
        links: Which execution read or wrote which artifact.
    """

    artifact: int
    artifacts: dict[int, ArtifactRecord]
    executions: dict[int, ExecutionRecord]
    links: tuple[Link, ...]

    def key_of(self, artifact: int) -> str:
        """Returns what the execution that made an artifact calls it; nothing where none is known.

        Args:
            artifact: Its number.
        """
        keys = [one.key for one in self.links if one.artifact == artifact and one.is_output]
        return keys[0] if keys else ""

    def nodes(self) -> pd.DataFrame:
        """Returns a row for each artifact and execution.

        Columns: `kind`, which is `artifact` or `execution`; `id`, its number; `name`, a type's or
        a node's; `state`; `run`; `started`, in UTC; `seconds`; `uri`; `headline`, in words.
        """
        rows = [
            ("artifact", one.id, one.type, one.state, None, one.created, None, one.uri, told)
            for one in self.artifacts.values()
            for told in [", ".join(headline(one))]
        ] + [
            ("execution", one.id, one.node, one.state, one.run, one.started, one.seconds, None, "")
            for one in self.executions.values()
        ]
        columns = ["kind", "id", "name", "state", "run", "started", "seconds", "uri", "headline"]
        return pd.DataFrame(rows, columns=columns)

    def edges(self) -> pd.DataFrame:
        """Returns a row for each link: `execution`, `artifact`, `is_output` and `key`."""
        rows = [dataclasses.astuple(one) for one in self.links]
        return pd.DataFrame(rows, columns=["execution", "artifact", "is_output", "key"])


def lineage(store: metadata_store.MetadataStore, artifact: int | str) -> Lineage:
    """Returns where an artifact comes from, back to the first data, and what became of it.

    A model leads back to its examples and graph, and forward to its evaluations, blessings and
    what was pushed. What else these needed is there too, without its own origin.

    Args:
        store: From `open_store`.
        artifact: Its number, its URI, or `latest` and a type, such as `latest model`.

    Raises:
        ValueError: There is no such artifact.

    Example:
        >>> found = lineage(store, "latest model")  # doctest: +SKIP
        >>> found.nodes()  # doctest: +SKIP
    """
    start = find_artifact(store, artifact)
    executions: dict[int, ExecutionRecord] = {}
    _walk_back(store, start, executions)
    _walk_on(store, start, executions)
    links = links_of_executions(store, executions)
    found = artifacts_by_id(store, [start, *(one.artifact for one in links)])
    return Lineage(
        start,
        {id_: artifact_record(one) for id_, one in sorted(found.items())},
        dict(sorted(executions.items())),
        tuple(one for one in links if one.artifact in found),
    )


def _walk_back(
    store: metadata_store.MetadataStore, start: int, executions: dict[int, ExecutionRecord]
) -> None:
    """Adds the executions that made an artifact, and what they were given, and so on."""
    level, seen = {start}, {start}
    while level:
        links = [one for one in links_of_artifacts(store, level) if one.is_output]
        found = executions_by_id(store, [one.execution for one in links])
        makers = {one.execution for one in makers_among(links, found).values()}
        new = makers - executions.keys()
        executions.update({one.id: one for one in placed(store, [found[id_] for id_ in new])})
        inputs = (one.artifact for one in links_of_executions(store, new) if not one.is_output)
        level = set(inputs) - seen
        seen |= level


def _walk_on(
    store: metadata_store.MetadataStore, start: int, executions: dict[int, ExecutionRecord]
) -> None:
    """Adds the executions that an artifact was given to, and those that got their outputs."""
    level, seen = {start}, {start}
    while level:
        links = [one for one in links_of_artifacts(store, level) if not one.is_output]
        found = executions_by_id(store, {one.execution for one in links} - executions.keys())
        new = [one for one in found.values() if one.last_known_state != pb.Execution.CACHED]
        executions.update({one.id: one for one in placed(store, new)})
        ids = [one.id for one in new]
        outputs = (one.artifact for one in links_of_executions(store, ids) if one.is_output)
        level = set(outputs) - seen
        seen |= level
