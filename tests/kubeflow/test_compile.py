"""What a compiled pipeline holds, and what is refused or noted."""

from __future__ import annotations

import json

import pytest
import yaml

from nsl_tfx.fingerprint import code_fingerprint
from tests.kubeflow import dags

pytestmark = [pytest.mark.tfx, pytest.mark.usefixtures("kfp")]
EXECUTORS = {
    "ExampleIdentifier": "nsl_tfx.components.example_identifier.Executor",
    "GraphBuilder": "nsl_tfx.components.graph_builder.Executor",
    "GraphImporter": "nsl_tfx.components.graph_importer.Executor",
    "NeighborAugmenter": "nsl_tfx.components.neighbor_augmenter.Executor",
    "RobustnessEvaluator": "nsl_tfx.components.robustness_evaluator.Executor",
}


@pytest.fixture(scope="module")
def compiled(kfp, tmp_path_factory):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    path = tmp_path_factory.mktemp("compiled") / "all.yaml"
    return compile_pipeline(dags.all_components(), str(path))


@pytest.fixture(scope="module")
def spec(compiled):
    with open(compiled.path) as file:
        return yaml.safe_load(file)


def test_every_component_is_in_the_table():
    from tfx.dsl.components.base.base_component import BaseComponent

    from nsl_tfx import components

    found = (getattr(components, name) for name in components.__all__)
    assert {c.__name__ for c in found if issubclass(c, BaseComponent)} == set(EXECUTORS)


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_container_runs_the_components_executor(spec, name):
    container = spec["deploymentSpec"]["executors"][f"{name}_executor"]["container"]
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=False))
    assert options["--executor_class_path"] == EXECUTORS[name]
    assert options["--json_serialized_invocation_args"] == "{{$}}"
    declared = json.loads(options["--json_serialized_inputs_spec_args"])
    assert declared == spec["components"][name]["inputDefinitions"]
    assert container["args"][-2:] == ["--runner=FnApiRunner", "--sdk_container_image=local"]


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_task_gets_its_config_and_the_codes_hash(spec, name):
    from nsl_tfx import configs

    parameters = spec["root"]["dag"]["tasks"][name]["inputs"]["parameters"]
    assert parameters["code"] == {"runtimeValue": {"constant": code_fingerprint()}}
    if name == "RobustnessEvaluator":
        assert parameters["config"] == {"componentInputParameter": "robustness"}
        return
    kinds = {
        "ExampleIdentifier": configs.IdentifyConfig,
        "GraphBuilder": configs.SimilarityGraphConfig,
        "GraphImporter": configs.GraphImportConfig,
        "NeighborAugmenter": configs.AugmentConfig,
    }
    kinds[name].from_json(parameters["config"]["runtimeValue"]["constant"])


@pytest.mark.parametrize(
    ("node", "key", "title"),
    [
        ("GraphBuilder", "graph", "nsl_tfx.NeighborGraph"),
        ("GraphImporter", "graph", "nsl_tfx.NeighborGraph"),
        ("RobustnessEvaluator", "evaluation", "nsl_tfx.RobustnessEvaluation"),
        ("RobustnessEvaluator", "blessing", "tfx.ModelBlessing"),
        ("NeighborAugmenter", "examples", "tfx.Examples"),
        ("ExampleIdentifier", "schema", "tfx.Schema"),
    ],
)
def test_a_container_finds_an_artifacts_class_by_its_title(spec, node, key, title):
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as entrypoint

    kind = spec["components"][node]["outputDefinitions"]["artifacts"][key]["artifactType"]
    assert yaml.safe_load(kind["instanceSchema"])["title"] == title
    artifact = pipeline_spec_pb2.RuntimeArtifact(
        uri="gs://bucket/file",
        type=pipeline_spec_pb2.ArtifactTypeSchema(instance_schema=kind["instanceSchema"]),
    )
    artifacts = {key: pipeline_spec_pb2.ArtifactList(artifacts=[artifact])}
    (found,) = entrypoint.parse_raw_artifact_dict(artifacts)[key]
    assert type(found).__name__ == title.split(".")[1]


def test_the_push_waits_for_the_blessing(spec):
    pusher = spec["root"]["dag"]["tasks"]["Pusher"]
    channel = "_RobustnessEvaluator.blessing"
    assert pusher["triggerPolicy"]["condition"] == (
        f"(inputs.artifacts['{channel}'].artifacts[0].metadata['blessed'] == 1.0)"
    )
    assert "RobustnessEvaluator" in pusher["dependentTasks"]


def test_the_file_holds_what_tfx_leaves_out(spec, compiled):
    assert spec["schemaVersion"] == "2.1.0"
    assert spec["defaultPipelineRoot"] == compiled.root == "gs://bucket/root"
    default = dags.ROBUSTNESS.to_json()
    assert compiled.parameters == {"robustness": default}
    assert spec["root"]["inputDefinitions"]["parameters"]["robustness"] == {
        "parameterType": "STRING",
        "defaultValue": default,
        "isOptional": True,
    }


def test_the_file_is_one_of_kubeflows(spec):
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    # Refuses fields that it does not know.
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())


def images(spec):
    executors = spec["deploymentSpec"]["executors"].values()
    return {one["container"]["image"] for one in executors if "container" in one}


def test_image_and_root_can_be_chosen_and_json_holds_the_same(compiled, spec, tmp_path):
    from nsl_tfx.pipelines.runners.kubeflow import DEFAULT_IMAGE, compile_pipeline

    assert images(spec) == {DEFAULT_IMAGE} == {compiled.image}
    pipeline = dags.all_components()
    path = tmp_path / "new" / "all.json"
    other = compile_pipeline(pipeline, str(path), image="host/image:1", root="gs://other")
    assert (other.image, other.root) == ("host/image:1", "gs://other")
    assert pipeline.pipeline_info.pipeline_root == "gs://bucket/root"
    job = json.loads(path.read_text())
    assert images(job["pipelineSpec"]) == {"host/image:1"}
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://other"
    # But for image and root.
    text = json.dumps(job["pipelineSpec"]).replace("host/image:1", DEFAULT_IMAGE)
    assert json.loads(text.replace("gs://other", "gs://bucket/root")) == spec


def misnamed_artifact():
    from tfx.types.artifact import Artifact

    class Wrong(Artifact):
        TYPE_NAME = "Wrong"

    return Wrong


def declaring_artifact():
    from tfx.types.artifact import Artifact, Property, PropertyType

    class Declaring(Artifact):
        TYPE_NAME = "project.Declaring"
        PROPERTIES = {"count": Property(type=PropertyType.INT)}  # noqa: RUF012 - as TFX asks

    return Declaring


def refused(kind):
    """Returns a pipeline that Kubeflow cannot run."""
    from tfx import v1 as tfx
    from tfx.types.channel import union

    types = tfx.types.standard_artifacts
    model = dags.importer(types.Model, "model")
    if kind == "empty":
        return dags.make_pipeline()
    if kind == "name":
        return dags.make_pipeline(model, name="Some_name")
    if kind == "InfraValidator":
        validator = tfx.components.InfraValidator(
            model=model.outputs["result"], serving_spec=tfx.proto.ServingSpec()
        )
        return dags.make_pipeline(model, validator)
    if kind == "union":
        examples = [dags.importer(types.Examples, name) for name in ("one", "two")]
        statistics = tfx.components.StatisticsGen(
            examples=union([one.outputs["result"] for one in examples])
        )
        return dags.make_pipeline(*examples, statistics)
    made = {"type": misnamed_artifact, "properties": declaring_artifact}[kind]()
    return dags.make_pipeline(dags.importer(made, "own"))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("empty", r"at least one node"),
        ("name", r"pipeline_name='Some_name'"),
        ("InfraValidator", r"Received: InfraValidator; leave it out"),
        ("union", r"input examples of StatisticsGen to come from one output"),
        ("type", r"type of own's result to be named like package\.Class.*TYPE_NAME='Wrong'"),
        ("properties", r"own's result to declare no PROPERTIES.*project\.Declaring with count"),
    ],
)
def test_what_kubeflow_cannot_run_is_refused(kind, told, tmp_path):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    pipeline = refused(kind)
    with pytest.raises(ValueError, match=rf"(?s)^Expected .*{told}"):
        compile_pipeline(pipeline, str(tmp_path / "file.yaml"))
    assert not list(tmp_path.iterdir())


def test_what_tfx_refuses_beside_that_is_told(tmp_path):
    from tfx import v1 as tfx

    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.SpanRangeStrategy,
        config={"range_config": tfx.proto.RangeConfig()},
        examples=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Examples),
    )
    with pytest.raises(ValueError, match=r"^Expected pipeline small to hold only .* TypeError: "):
        compile_pipeline(dags.make_pipeline(resolver), str(tmp_path / "file.yaml"))


@pytest.mark.parametrize("path", ["pipeline", "pipeline.yaml.txt", "pipeline.yaml/"])
def test_another_form_of_file_is_refused(path):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    with pytest.raises(ValueError, match=r"Expected a file whose name ends in .yaml, .yml or"):
        compile_pipeline(dags.make_pipeline(dags.any_node()), path)


def noted(kind):
    """Returns a pipeline of one node that works otherwise on Kubeflow."""
    from tfx import v1 as tfx

    from nsl_tfx import components
    from nsl_tfx.configs import GraphImportConfig
    from nsl_tfx.pipelines.parts import make_pusher

    if kind == "root":
        return dags.make_pipeline(dags.any_node(), root="runs")
    if kind == "path":
        return dags.make_pipeline(tfx.components.CsvExampleGen(input_base="/data/csv"))
    if kind == "relative path":
        return dags.make_pipeline(tfx.components.CsvExampleGen(input_base="csv"))
    if kind == "destination":
        kind_of_model = tfx.types.standard_artifacts.Model
        model = tfx.dsl.Importer(source_uri="gs://BUCKET/model", artifact_type=kind_of_model)
        pusher = make_pusher("runs", model.outputs["result"], blessing=None)
        return dags.make_pipeline(model.with_id("Model"), pusher)
    if kind == "code":
        return dags.make_pipeline(tfx.dsl.components.component(Own)())
    paths = ("edges.tsv",) if kind == "files" else ("/data/edges.tsv",)
    return dags.make_pipeline(components.GraphImporter(GraphImportConfig(paths=paths)))


def Own():
    """A component's function, which TFX takes from the top of a module alone."""


FILES = r"GraphImporter reads files by name.*compile anew"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("root", [r"pipeline root runs is a folder of this machine.*gs://"]),
        ("path", [r"CsvExampleGen names /data/csv, on this machine"]),
        ("relative path", [r"CsvExampleGen names csv, on this machine"]),
        ("destination", [r"Pusher names runs/serving, on this machine"]),
        ("code", [rf"Own runs code of {__name__}, which containers import"]),
        ("files", [r"GraphImporter names edges.tsv", FILES]),
        ("files and path", [r"GraphImporter names /data/edges.tsv", FILES]),
    ],
)
def test_what_works_otherwise_is_noted(kind, told, tmp_path):
    import re

    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    notes = compile_pipeline(noted(kind), str(tmp_path / "file.yaml")).notes
    assert len(notes) == len(told)
    for note, pattern in zip(notes, told, strict=True):
        assert re.search(pattern, note)


def test_nothing_is_noted_of_a_pipeline_that_works_alike(tmp_path):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    pipeline = dags.make_pipeline(dags.any_node())
    assert compile_pipeline(pipeline, str(tmp_path / "file.yml")).notes == ()
