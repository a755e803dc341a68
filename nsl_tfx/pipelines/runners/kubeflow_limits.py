"""What Kubeflow Pipelines v2 cannot run, or runs otherwise than LocalDagRunner."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import UnionChannel

from nsl_tfx.components.file_drivers import FILES, FilesDriver
from nsl_tfx.io.folders import is_remote

if TYPE_CHECKING:
    from tfx import v1 as tfx

_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# The name is the path that a container imports the class from, too.
_TYPE_NAME = re.compile(r"[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}")
# Where ExampleGens read, where Pusher writes, and the files that GraphImporter reads: paths even
# where they do not begin with a slash.
_PATH_KEYS = ("input_base", "base_directory", "paths")


def check_compilable(pipeline: tfx.dsl.Pipeline) -> None:
    """Raises ValueError, with the node and the cure, where Kubeflow cannot run a pipeline.

    TFX refuses the same things, but tells neither where nor what to do.
    """
    name = pipeline.pipeline_info.pipeline_name
    if not _PIPELINE_NAME.fullmatch(name):
        raise ValueError(
            "Expected a pipeline name of lower-case letters, digits and hyphens, for Kubeflow "
            f"takes no other. Received: pipeline_name={name!r}."
        )
    if not pipeline.components:
        raise ValueError(f"Expected a pipeline with at least one node. Received: {name} with none.")
    for node in pipeline.components:
        if type(node).__name__ == "InfraValidator":
            raise ValueError(
                f"Expected no InfraValidator: TFX cannot compile it for Kubeflow. Received: "
                f"{node.id}; leave it out of the pipeline that you compile."
            )
        for key, channel in node.inputs.items():
            if isinstance(channel, UnionChannel):
                raise ValueError(
                    f"Expected input {key} of {node.id} to come from one output of one node: "
                    f"Kubeflow joins no channels. Received: a union of {len(channel.channels)}."
                )
        for key, channel in [*node.inputs.items(), *node.outputs.items()]:
            _check_type(node.id, key, channel.type)


def _check_type(node: str, key: str, kind: type) -> None:
    """Raises ValueError where an artifact's type cannot go through Kubeflow."""
    if kind.__module__.startswith("tfx."):
        return
    name = getattr(kind, "TYPE_NAME", None) or kind.__name__
    if not _TYPE_NAME.fullmatch(name):
        raise ValueError(
            f"Expected the artifact type of {node}'s {key} to be named like package.Class, for "
            "Kubeflow's containers import the class by that name. Received: "
            f"TYPE_NAME={name!r}; make the class importable from the top of its package."
        )
    if kind.PROPERTIES:  # type: ignore[attr-defined]
        declared = ", ".join(kind.PROPERTIES)  # type: ignore[attr-defined]
        raise ValueError(
            f"Expected the artifact type of {node}'s {key} to declare no PROPERTIES, which TFX "
            f"cannot compile for Kubeflow. Received: {name} with {declared}; set them as custom "
            "properties, which need no declaration."
        )


def notes_on(pipeline: tfx.dsl.Pipeline, root: str) -> tuple[str, ...]:
    """Returns what works otherwise there, a sentence each.

    Args:
        pipeline: One that `check_compilable` passes.
        root: Where its artifacts go.
    """
    notes = []
    if not is_remote(root):
        notes.append(
            f"The pipeline root {root} is a folder of this machine, which no container sees: give "
            "a root that all of them reach, such as gs://BUCKET/FOLDER."
        )
    for node in pipeline.components:
        paths = sorted(set(_paths(node.exec_properties)))
        if paths:
            notes.append(
                f"{node.id} names {', '.join(paths)}, on this machine; containers have no such "
                "files unless the image brings them."
            )
        if not isinstance(node, BaseComponent):
            continue
        module = _own_module(node)
        if module is not None:
            notes.append(
                f"{node.id} runs code of {module}, which containers import by that name: bring "
                "it into the image as a module that can be imported from anywhere."
            )
        if _looks_at_files(node):
            notes.append(
                f"{node.id} reads files by name, and Kubeflow does not look whether they changed "
                "before it reuses a result: after a change compile anew, or run without caching."
            )
    return tuple(notes)


def _own_module(node: BaseComponent) -> str | None:
    """Returns the module of a component's executor where no package brings it; else None."""
    executor = getattr(node.executor_spec, "executor_class", None)
    if executor is None or executor.__module__.split(".")[0] in ("tfx", "nsl_tfx"):
        return None
    file = getattr(sys.modules.get(executor.__module__), "__file__", None) or ""
    return None if "site-packages" in file else str(executor.__module__)


def _looks_at_files(node: BaseComponent) -> bool:
    return issubclass(node.driver_class, FilesDriver) and bool(node.exec_properties.get(FILES))


def _paths(value: Any, is_path: bool = False) -> Iterator[str]:
    """Yields the paths of this machine in a value, or in the JSON of one.

    Args:
        value: What nodes have as settings.
        is_path: Whether text is a path; otherwise that is one which begins with a slash.
    """
    if isinstance(value, str):
        if value.startswith("/") or (is_path and value and not is_remote(value)):
            yield value
        elif value.startswith(("{", "[")):
            try:
                yield from _paths(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _paths(one, key in _PATH_KEYS)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one, is_path)
