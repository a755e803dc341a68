"""What `beam_pipeline_args` of a pipeline's nodes name: added to, and asked whether it is here."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import create_runner
from tfx import v1 as tfx
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

# Beam starts these runners' job server, a Java program, itself, unless one of the options is given:
# of a server that runs already, or of a cluster that takes the job as a file.
_IN_JAVA = {
    "FlinkRunner": ("job_endpoint", "flink_submit_uber_jar"),
    "SparkRunner": ("job_endpoint", "spark_submit_uber_jar"),
}


def add_beam_arguments(pipeline: tfx.dsl.Pipeline, arguments: Sequence[str]) -> None:
    """Gives each node that works with Beam more arguments, which count before those that it has.

    A node whose arguments change runs anew where an earlier run finished it.

    Args:
        pipeline: Is changed.
        arguments: Such as `--runner=FlinkRunner`.
    """
    for node in pipeline.components:
        if isinstance(node.executor_spec, BeamExecutorSpec):
            node.executor_spec.add_beam_pipeline_args(arguments)


def check_beam_runners(pipeline: tfx.dsl.Pipeline) -> None:
    """Tries whether each node's Beam runner can be had here.

    Arguments that only a run knows (placeholders) are left out.

    Raises:
        ValueError: There is no runner of that name, it needs a package or Java, which is not here,
            or Beam cannot read the arguments. Names the node, and what to install.
    """
    for node in pipeline.components:
        if isinstance(node.executor_spec, BeamExecutorSpec):
            arguments = node.executor_spec.beam_pipeline_args
            _check([one for one in arguments if isinstance(one, str)], node.id)


def _check(arguments: Sequence[str], node: str) -> None:
    options = _read(arguments, node)
    named = options["runner"]
    if named is None:
        return
    expected = f"Expected beam_pipeline_args of {node} with a runner that is here."
    try:
        kind = type(create_runner(named)).__name__
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(f"{expected} Received: --runner={named}. Beam says: {error}") from error
    without_java = _IN_JAVA.get(kind)
    if without_java is None or any(options.get(name) for name in without_java):
        return
    home = os.environ.get("JAVA_HOME")
    if shutil.which(f"{home}/bin/java" if home else "java") is None:
        where = f"in JAVA_HOME={home}" if home else "on the path"
        raise ValueError(
            f"{expected} Received: --runner={named}, which starts Beam's job server with Java, and "
            f"there is no java {where}. Install a Java runtime, 11 or 17, such as the package "
            f"openjdk-17-jre-headless, or name a server that runs already by --job_endpoint."
        )


def _read(arguments: Sequence[str], node: str) -> dict[str, Any]:
    """Returns all options by name."""
    said = io.StringIO()
    try:
        # Beam's parser is one of a command: it prints what is wrong and ends the process.
        with contextlib.redirect_stderr(said):
            return PipelineOptions(list(arguments)).get_all_options()
    except SystemExit as error:
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise ValueError(
            f"Expected beam_pipeline_args of {node} that Beam can read. Received: "
            f"{' '.join(arguments)}. Beam says: {reason}"
        ) from error
