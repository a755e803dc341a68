"""Naming one artifact, and what a pipeline's last run put out."""

from __future__ import annotations

from ml_metadata import metadata_store

from nsl_tfx.metadata.events import artifacts_by_id
from nsl_tfx.metadata.places import LATEST, find_run, read_executions
from nsl_tfx.metadata.records import ArtifactRecord
from nsl_tfx.metadata.tables import find_type, outputs_of

_HIGHEST = 2**63 - 1  # that ML Metadata has a number for


def find_artifact(store: metadata_store.MetadataStore, name: int | str) -> int:
    """Returns an artifact's number.

    Args:
        store: From `open_store`.
        name: The number itself, the artifact's URI, or `latest` and a type, such as
            `latest model`.

    Raises:
        ValueError: There is no such artifact.
    """
    text = str(name).strip()
    word, _, type_ = text.partition(" ")
    if text.isdecimal():
        number = int(text)
        found = [number] if number <= _HIGHEST and artifacts_by_id(store, [number]) else []
    elif word.lower() == LATEST and type_:
        full = find_type(store, type_.strip())
        found = [one.id for one in store.get_artifacts_by_type(full)]
    else:
        # Of several, the newest: an importer may have recorded one place more than once.
        found = [one.id for one in store.get_artifacts_by_uri(text)]
    if not found:
        raise ValueError(
            "Expected an artifact's number, its URI, or `latest` and a type, such as 'latest "
            f"model'. Received: {text!r}, and there is none such."
        )
    return max(found)


def last_outputs(
    store: metadata_store.MetadataStore, pipeline: str
) -> dict[str, dict[str, ArtifactRecord]]:
    """Returns the outputs of each node in the latest run: node id to output key to artifact.

    A reused node counts: ML Metadata records an execution for it too, with the outputs of old.

    Args:
        store: From `open_store`.
        pipeline: The pipeline's name.

    Raises:
        ValueError: The pipeline has not run yet.
    """
    return outputs_of(store, read_executions(store, find_run(store, LATEST, pipeline)))
