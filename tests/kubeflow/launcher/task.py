"""Running one task: its container's command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.kubeflow.launcher.placeholders import fill
from tests.kubeflow.launcher.spec import Task

_TOLD_LINES = 30
_KEPT_VARIABLES = ("HOME", "LANG", "TMPDIR")


class TaskFailedError(RuntimeError):
    """A task's command failed; names the task and tells the end of its log."""

    def __init__(self, task: str, code: int, log: Path):
        lines = log.read_text(errors="replace").splitlines()[-_TOLD_LINES:]
        super().__init__("\n".join([f"{task} exited with {code}; {log} ends:", *lines]))
        self.task = task


def run_container(
    task: Task, executor_input: dict[str, Any], folder: Path, variables: dict[str, str]
) -> dict[str, Any]:
    """Runs a task as its container would.

    Args:
        task: One with a container.
        executor_input: What the command is told; its outputs get what the driver finds out.
        folder: The task's, where `executor_output.json` and the log come to lie.
        variables: Environment variables that the image would set.

    Returns:
        The ExecutorOutput; empty where the command writes none.

    Raises:
        TaskFailedError: A command fails.
    """
    container = task.executor["container"]
    output = Path(executor_input["outputs"]["outputFile"])
    driver = container.get("lifecycle", {}).get("preCacheCheck")
    if driver is not None:
        _run(task, driver, executor_input, folder / "driver.log", variables)
        found = _read(output)
        merge(executor_input["outputs"]["artifacts"], found)
        executor_input["inputs"]["parameterValues"] |= found.get("parameterValues", {})
    _run(task, container, executor_input, folder / "executor.log", variables)
    return _read(output)


def merge(artifacts: dict[str, Any], output: dict[str, Any]) -> None:
    """Puts what an ExecutorOutput says of artifacts into those of an ExecutorInput."""
    for key, found in output.get("artifacts", {}).items():
        known, told = artifacts[key]["artifacts"][0], found["artifacts"][0]
        known["uri"] = told.get("uri", known["uri"])
        known["metadata"] = {**known["metadata"], **told.get("metadata", {})}


def _run(
    task: Task,
    process: dict[str, Any],
    executor_input: dict[str, Any],
    log: Path,
    variables: dict[str, str],
) -> None:
    command = [
        fill(part, executor_input)
        for part in [*process.get("command", []), *process.get("args", [])]
    ]
    # Nothing of the caller's place or settings: a container has none of it.
    work = log.with_suffix("")
    work.mkdir(parents=True)
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.defpath])
    with log.open("wb") as file:
        done = subprocess.run(
            command,
            check=False,
            cwd=work,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        raise TaskFailedError(task.name, done.returncode, log)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}
