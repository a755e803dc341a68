"""Reading a compiled pipeline."""

from __future__ import annotations

import dataclasses
import graphlib
import json
from pathlib import Path
from typing import Any

import yaml

# TFX names the producer of a parameter so, though no task has the suffix.
_SUFFIX = "_task"


@dataclasses.dataclass(frozen=True)
class Task:
    """A node: what it waits for, reads and makes, and how it runs."""

    name: str
    depends_on: tuple[str, ...]
    condition: str | None
    parameters: dict[str, dict[str, Any]]
    artifacts: dict[str, tuple[str, str]]
    output_artifacts: dict[str, dict[str, Any]]
    output_parameters: tuple[str, ...]
    executor: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A pipeline, its tasks in an order in which they may run."""

    name: str
    root: str
    defaults: dict[str, Any]
    tasks: tuple[Task, ...]


def read_spec(path: Path) -> Spec:
    """Reads a `.yaml` or `.json` file; what this launcher lacks is an error."""
    text = path.read_text()
    spec = json.loads(text)["pipelineSpec"] if path.suffix == ".json" else yaml.safe_load(text)
    if spec["schemaVersion"] != "2.1.0":
        raise NotImplementedError(f"schema {spec['schemaVersion']}")
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    tasks = {name: _task(name, one, spec) for name, one in spec["root"]["dag"]["tasks"].items()}
    order = graphlib.TopologicalSorter(
        {name: set(task.depends_on) & set(tasks) for name, task in sorted(tasks.items())}
    )
    return Spec(
        name=spec["pipelineInfo"]["name"],
        root=spec["defaultPipelineRoot"],
        defaults={name: one.get("defaultValue") for name, one in declared.items()},
        tasks=tuple(tasks[name] for name in order.static_order()),
    )


def _task(name: str, task: dict[str, Any], spec: dict[str, Any]) -> Task:
    component = spec["components"][task["componentRef"]["name"]]
    if "dag" in component or "strategy" in task.get("triggerPolicy", {}):
        raise NotImplementedError(f"{name}: a pipeline within, or an exit handler")
    inputs = task.get("inputs", {})
    artifacts = {
        key: (
            one["taskOutputArtifact"]["producerTask"],
            one["taskOutputArtifact"]["outputArtifactKey"],
        )
        for key, one in inputs.get("artifacts", {}).items()
    }
    outputs = component.get("outputDefinitions", {})
    producers = {producer for producer, _ in artifacts.values()}
    return Task(
        name=name,
        depends_on=tuple(sorted({*task.get("dependentTasks", []), *producers})),
        condition=task.get("triggerPolicy", {}).get("condition"),
        parameters={key: _parameter(one) for key, one in inputs.get("parameters", {}).items()},
        artifacts=artifacts,
        output_artifacts=outputs.get("artifacts", {}),
        output_parameters=tuple(outputs.get("parameters", {})),
        executor=spec["deploymentSpec"]["executors"][component["executorLabel"]],
    )


def _parameter(source: dict[str, Any]) -> dict[str, Any]:
    produced = source.get("taskOutputParameter")
    if produced is None:
        return source
    producer = produced["producerTask"].removesuffix(_SUFFIX)
    return {"taskOutputParameter": {**produced, "producerTask": producer}}
