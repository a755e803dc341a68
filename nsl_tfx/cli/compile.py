"""The command `nsl-tfx compile`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from nsl_tfx.cli.options import assignments, beam_arguments
from nsl_tfx.tools.commands import check_output, load, plain_errors

if TYPE_CHECKING:
    from nsl_tfx.pipelines.runners.kubeflow import CompiledPipeline


@click.command("compile", short_help="Compile a pipeline for Kubeflow Pipelines.")
@click.argument("pipeline", type=click.Path(readable=False), metavar="PIPELINE")
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False),
    required=True,
    metavar="FILE",
    help="What to write: .yaml for Kubeflow Pipelines and Vertex AI, .json for Vertex AI.",
)
@assignments(
    "--set", "arguments", "An argument of the function that makes the pipeline; may be repeated."
)
@beam_arguments
@click.option("--image", help="Container image of the nodes, with its registry.")
@click.option(
    "--root", metavar="URI", help="Where artifacts go, such as gs://BUCKET/FOLDER; the pipeline's."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was compiled as JSON.")
def compile_command(
    pipeline: str,
    output: str,
    arguments: dict[str, str],
    beam_args: tuple[str, ...],
    image: str | None,
    root: str | None,
    as_json: bool,
) -> None:
    """Compile a pipeline for Kubeflow Pipelines v2 and Vertex AI Pipelines.

    PIPELINE is path/to/file.py[:function] or package.module[:function], with a function that
    returns a tfx.dsl.Pipeline (create_pipeline if none is named).
    """
    with plain_errors():
        from nsl_tfx.pipelines.runners.compile_checks import (
            check_file_name,
            check_image,
            check_kfp,
        )
        from nsl_tfx.pipelines.runners.loading import check_spec, load_pipeline

        try:
            check_kfp()
        except ModuleNotFoundError as error:
            raise ValueError(str(error)) from error
        check_spec(pipeline)
        check_file_name(output)
        check_output(output, "--output")
        check_image(image)
        load(
            "tfx.v1",
            "nsl_tfx.pipelines.runners.kubeflow",
            "tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner",
            quietly=True,
        )
        from nsl_tfx.pipelines.runners.beam_runners import add_beam_arguments
        from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

        loaded = load_pipeline(pipeline, arguments)
        add_beam_arguments(loaded, beam_args)
        compiled = compile_pipeline(loaded, output, image=image, root=root)
        click.echo(json.dumps(dataclasses.asdict(compiled)) if as_json else _told(compiled))


def _told(compiled: CompiledPipeline) -> str:
    """Returns what a person wants to know of it."""
    lines = [
        f"Wrote {compiled.path}: pipeline {compiled.name}.",
        f"  image       {compiled.image}",
        f"  root        {compiled.root}",
    ]
    for name, default in compiled.parameters.items():
        lines.append(f"  parameter   {name} ({_default(default)})")
    return "\n".join([*lines, *(f"Note: {note}" for note in compiled.notes)])


def _default(value: Any) -> str:
    return "no default" if value is None else f"default {value!r}"
