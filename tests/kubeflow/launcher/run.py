"""Going from task to task."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kubeflow.launcher.conditions import holds
from tests.kubeflow.launcher.metadata import Recorder
from tests.kubeflow.launcher.queries import import_artifact, resolve
from tests.kubeflow.launcher.spec import Spec, Task, read_spec
from tests.kubeflow.launcher.task import TaskFailedError, merge, run_container

DONE, SKIPPED = "done", "skipped"


@dataclasses.dataclass
class LaunchedRun:
    """What became of each task.

    Attributes:
        states: By task: `done` or `skipped`.
        artifacts: By task and key: `{"artifacts": [...]}` with RuntimeArtifacts.
        parameters: By task and key: output parameters.
    """

    states: dict[str, str] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)


def launch(
    path: Path,
    metadata: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    root: str | None = None,
    variables: Mapping[str, str] | None = None,
    run: str | None = None,
) -> LaunchedRun:
    """Runs a compiled pipeline.

    Args:
        path: The compiled file.
        metadata: SQLite file to record the run in.
        parameters: Values of runtime parameters.
        root: Local folder for artifacts; the file's when None.
        variables: Environment variables that the image would set.
        run: The run's name; a new one when None.

    Raises:
        TaskFailedError: A task failed; it is recorded as such, and nothing runs after it.
        ValueError: A parameter is unknown, or has neither a value nor a default.
    """
    spec = read_spec(path)
    values = _values(spec, parameters or {})
    run = run or f"run-{uuid.uuid4().hex[:8]}"
    recorder = Recorder(metadata, spec.name, run)
    folder = Path(root or spec.root, run)
    launched = LaunchedRun()
    for task in spec.tasks:
        _run_task(task, values, folder / task.name, recorder, launched, dict(variables or {}))
    return launched


def _values(spec: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    values = {**spec.defaults, **given}
    if set(given) - set(spec.defaults) or None in values.values():
        raise ValueError(f"expected values for {sorted(spec.defaults)}, received {dict(given)}")
    return values


def _run_task(
    task: Task,
    values: dict[str, Any],
    folder: Path,
    recorder: Recorder,
    launched: LaunchedRun,
    variables: dict[str, str],
) -> None:
    if SKIPPED in {launched.states[name] for name in task.depends_on}:
        launched.states[task.name] = SKIPPED
        return
    executor_input = _executor_input(task, values, folder, launched)
    inputs = executor_input["inputs"]
    if task.condition is not None and not holds(task.condition, inputs):
        launched.states[task.name] = SKIPPED
        return
    given = dict(inputs["parameterValues"])
    execution = recorder.begin(task.name, given, inputs["artifacts"])
    outputs = executor_input["outputs"]["artifacts"]
    output: dict[str, Any] = {}
    if "importer" in task.executor:
        outputs = import_artifact(task, given, recorder, _new_name())
    elif "resolver" in task.executor:
        outputs = resolve(task, executor_input, recorder)
    else:
        try:
            output = run_container(task, executor_input, folder, variables)
        except TaskFailedError:
            recorder.end(execution, {}, failed=True)
            raise
        merge(outputs, output)
    recorder.end(execution, outputs)
    launched.states[task.name] = DONE
    launched.artifacts[task.name] = outputs
    launched.parameters[task.name] = output.get("parameterValues", {})


def _executor_input(
    task: Task, values: dict[str, Any], folder: Path, launched: LaunchedRun
) -> dict[str, Any]:
    return {
        "inputs": {
            "parameterValues": {
                key: _parameter(source, values, launched) for key, source in task.parameters.items()
            },
            "artifacts": {
                key: launched.artifacts[producer][output]
                for key, (producer, output) in task.artifacts.items()
            },
        },
        "outputs": {
            "artifacts": {
                key: {"artifacts": [_new_artifact(folder / key, declared)]}
                for key, declared in task.output_artifacts.items()
            },
            "parameters": {
                key: {"outputFile": str(folder / "parameters" / key)}
                for key in task.output_parameters
            },
            "outputFile": str(folder / "executor_output.json"),
        },
    }


def _parameter(source: dict[str, Any], values: dict[str, Any], launched: LaunchedRun) -> Any:
    if "componentInputParameter" in source:
        return values[source["componentInputParameter"]]
    if "taskOutputParameter" in source:
        produced = source["taskOutputParameter"]
        return launched.parameters[produced["producerTask"]][produced["outputParameterKey"]]
    return source["runtimeValue"]["constant"]


def _new_artifact(path: Path, declared: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _new_name(),
        "type": declared["artifactType"],
        "uri": str(path),
        "metadata": dict(declared.get("metadata", {})),
    }


def _new_name() -> str:
    # Of the form that Vertex AI gives.
    return f"projects/1/locations/here/metadataStores/default/artifacts/{uuid.uuid4().int >> 64}"
