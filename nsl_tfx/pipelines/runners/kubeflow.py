"""A pipeline as the file that Kubeflow Pipelines v2 and Vertex AI Pipelines run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml
from tfx.orchestration.data_types import RuntimeParameter

from nsl_tfx.io.folders import check_named
from nsl_tfx.io.publishing import published_text
from nsl_tfx.pipelines.runners.compile_checks import (
    JSON,
    check_file_name,
    check_image,
    check_kfp,
)
from nsl_tfx.pipelines.runners.kubeflow_limits import check_compilable, notes_on
from nsl_tfx.version import __version__

if TYPE_CHECKING:
    from tfx import v1 as tfx

DEFAULT_IMAGE = f"nsl-tfx:{__version__}"
"""What the Dockerfile of this package builds; a cluster wants it with its registry's name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompiledPipeline:
    """What was written, and what its user has to know.

    Attributes:
        name: The pipeline's.
        path: The file.
        image: The container image that each node runs in.
        root: Where artifacts go if a run names no other place.
        parameters: The runtime parameters with their defaults; None for one that has none.
        notes: What works otherwise there than with LocalDagRunner; a sentence each.
    """

    name: str
    path: str
    image: str
    root: str
    parameters: Mapping[str, Any]
    notes: tuple[str, ...]


def compile_pipeline(
    pipeline: tfx.dsl.Pipeline, path: str, image: str | None = None, root: str | None = None
) -> CompiledPipeline:
    """Writes a pipeline as a file for Kubeflow Pipelines v2, with the schema 2.1.

    The file names the pipeline root, and the defaults of runtime parameters, so that a run needs
    neither. A `.yaml` file is what Kubeflow Pipelines takes, a `.json` file what Vertex AI
    Pipelines takes beside it.

    Args:
        pipeline: The pipeline; where it says how metadata are stored, that is not heeded there.
        path: The file, which ends in `.yaml`, `.yml` or `.json`; it appears whole or not at all.
        image: The container image with TFX, kfp and this package; `DEFAULT_IMAGE` when None.
        root: Pipeline root, such as `gs://bucket/runs`; the pipeline's own when None.

    Returns:
        What was written.

    Raises:
        ModuleNotFoundError: kfp is not installed.
        ValueError: The file's name ends otherwise, the image has no name that an image can have,
            the root is empty, or Kubeflow cannot run a part of the pipeline; names the node and
            the cure.
        OSError: The file cannot be written.
    """
    check_kfp()
    check_file_name(path)
    check_image(image)
    if root is not None:
        check_named(root)
    check_compilable(pipeline)
    image = DEFAULT_IMAGE if image is None else image
    with _rooted(pipeline, root):
        root = str(pipeline.pipeline_info.pipeline_root)
        job = _compile(pipeline, image)
        parameters = _parameters(pipeline)
        notes = notes_on(pipeline, root)
    spec = job["pipelineSpec"]
    # TFX writes neither; without them each run had to be told both.
    spec["defaultPipelineRoot"] = root
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, default in parameters.items():
        if default is not None:
            declared[name] |= {"defaultValue": default, "isOptional": True}
    with published_text(path) as file:
        if path.endswith(JSON):
            json.dump(job, file, indent=2, sort_keys=True)
            file.write("\n")
        else:
            yaml.safe_dump(spec, file, sort_keys=True)
    return CompiledPipeline(
        name=pipeline.pipeline_info.pipeline_name,
        path=path,
        image=image,
        root=root,
        parameters=parameters,
        notes=notes,
    )


@contextlib.contextmanager
def _rooted(pipeline: tfx.dsl.Pipeline, root: str | None) -> Iterator[None]:
    """Gives the pipeline another root for a while: TFX puts a user's modules there."""
    info = pipeline.pipeline_info
    own = info.pipeline_root
    info.pipeline_root = own if root is None else root
    try:
        yield
    finally:
        info.pipeline_root = own


def _compile(pipeline: tfx.dsl.Pipeline, image: str) -> dict[str, Any]:
    """Returns the job: `pipelineSpec`, and a `runtimeConfig` with the root."""
    # Without kfp these modules cannot be imported.
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runners

    # 2.0, which is TFX's default, types parameters in a way that Kubeflow has given up.
    config = runners.KubeflowV2DagRunnerConfig(default_image=image, use_pipeline_spec_2_1=True)
    try:
        return dict(runners.KubeflowV2DagRunner(config).run(pipeline, write_out=False))
    except (AssertionError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected pipeline {pipeline.pipeline_info.pipeline_name} to hold only what TFX can "
            f"compile for Kubeflow. It says: {type(error).__name__}: {error}"
        ) from error


def _parameters(pipeline: tfx.dsl.Pipeline) -> dict[str, Any]:
    """Returns the runtime parameters of all nodes with their defaults."""
    values = (value for node in pipeline.components for value in node.exec_properties.values())
    found = [value for value in values if isinstance(value, RuntimeParameter)]
    return {one.name: one.default for one in sorted(found, key=lambda one: one.name)}
