"""Tasks without a container: importers and resolvers."""

from __future__ import annotations

import re
from typing import Any

from tests.kubeflow.launcher.metadata import Recorder, runtime_artifact
from tests.kubeflow.launcher.placeholders import fill
from tests.kubeflow.launcher.spec import Task

_TERM = re.compile(
    r'(?P<name>schema_title|state|name|metadata\.(?P<key>\w+)\.number_value)="?(?P<value>[^"]*)"?'
)


def import_artifact(
    task: Task, parameters: dict[str, Any], recorder: Recorder, name: str
) -> dict[str, Any]:
    """Returns the output of an importer."""
    importer = task.executor["importer"]
    ((key, declared),) = task.output_artifacts.items()
    source = importer["artifactUri"]
    uri = source["constant"] if "constant" in source else parameters[source["runtimeParameter"]]
    artifact = {
        "name": name,
        "type": declared["artifactType"],
        "uri": uri,
        "metadata": importer.get("metadata", {}),
    }
    if not importer.get("reimport", False):
        known = [one for one in recorder.store.get_artifacts_by_uri(uri) if one.name]
        if known:
            artifact = runtime_artifact(max(known, key=lambda one: one.id), artifact["type"])
    return {key: {"artifacts": [artifact]}}


def resolve(task: Task, executor_input: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Returns the outputs of a resolver; an empty list where nothing fits."""
    queries = task.executor["resolver"]["outputArtifactQueries"]
    return {
        key: {"artifacts": _found(query["filter"], task, key, executor_input, recorder)}
        for key, query in queries.items()
    }


def _found(
    text: str, task: Task, key: str, executor_input: dict[str, Any], recorder: Recorder
) -> list[dict[str, Any]]:
    if not all(one["artifacts"] for one in executor_input["inputs"]["artifacts"].values()):
        return []
    wanted: dict[str, Any] = {}
    for term in fill(text, executor_input).split(" AND "):
        match = _TERM.fullmatch(term)
        if match is None:
            raise NotImplementedError(f"{task.name}: {term}")
        name, value = match["key"] or match["name"], match["value"]
        wanted[name] = float(value) if match["key"] else value
    if wanted.pop("state") != "LIVE":
        raise NotImplementedError(f"{task.name}: {text}")
    found = recorder.query(wanted.pop("schema_title"), **wanted)
    kind = task.output_artifacts[key]["artifactType"]
    return [] if found is None else [runtime_artifact(found, kind)]
