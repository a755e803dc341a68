"""The launcher itself, on containers of a shell's commands, which start at once."""

from __future__ import annotations

import json
import re

import celpy
import pytest

from nsl_tfx import metadata
from tests.kubeflow import dags
from tests.kubeflow.launcher import TaskFailedError, launch
from tests.kubeflow.launcher.conditions import holds
from tests.kubeflow.launcher.placeholders import fill

INPUT = {
    "inputs": {
        "parameterValues": {"text": "a {{$}} b", "count": 3},
        "artifacts": {"model": {"artifacts": [{"uri": "/model", "metadata": {"id": "one"}}]}},
    },
    "outputs": {"artifacts": {"made": {"artifacts": [{"uri": "/made", "metadata": {}}]}}},
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain $ {{ }}", "plain $ {{ }}"),
        ("{{$}}", json.dumps(INPUT)),
        ("-{{$.inputs.parameters['text']}}-", "-a {{$}} b-"),
        ("{{$.inputs.parameters['count']}}", "3"),
        (
            "{{$.inputs.artifacts['model'].uri}} {{$.outputs.artifacts['made'].uri}}",
            "/model /made",
        ),
        ("\"{{$.inputs.artifacts['model'].metadata['id']}}\"", '"one"'),
    ],
)
def test_placeholders_are_filled_once(text, filled):
    assert fill(text, INPUT) == filled


@pytest.mark.parametrize(
    "path", [".inputs.parameters['none']", ".inputs.artifacts['none'].uri", ".outputs", ".inputs"]
)
def test_a_placeholder_for_what_is_not_there_is_an_error(path):
    with pytest.raises(LookupError):
        fill(f"{{{{${path}}}}}", INPUT)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0)", True),
        ("(inputs.artifacts['b'].artifacts[0].metadata['blessed'] > 1.0)", False),
        ("!((inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0))", False),
        ("(inputs.artifacts['b'].artifacts[0].uri == 'gs://b')", True),
        ("(1.0 < 2.0) && (inputs.artifacts['b'].artifacts[0].uri == 'other')", False),
    ],
)
def test_conditions_are_judged(condition, expected):
    artifact = {"uri": "gs://b", "metadata": {"blessed": 1.0}}
    assert holds(condition, {"artifacts": {"b": {"artifacts": [artifact]}}}) is expected


def test_a_condition_on_what_is_not_there_is_an_error():
    inputs = {"artifacts": {"b": {"artifacts": [{"metadata": {}}]}}}
    with pytest.raises(celpy.CELEvalError):
        holds("(inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0)", inputs)


def shell(name, script, inputs=None, parameters=None, **values):
    """Returns a component that runs a script, whose $0 is the place of its output `text`."""
    from tfx import v1 as tfx
    from tfx.dsl.component.experimental import placeholders as ph

    types = tfx.types.standard_artifacts
    arguments = [ph.InputValuePlaceholder(key) for key in parameters or {}]
    arguments += [ph.InputUriPlaceholder(key) for key in inputs or {}]
    make = tfx.dsl.experimental.create_container_component(
        name=name,
        image="none",
        command=["sh", "-c", script, ph.OutputUriPlaceholder("text"), *arguments],
        inputs=inputs or {},
        parameters=parameters or {},
        outputs={"text": types.String},
    )
    return make(**values)


WRITE = 'mkdir -p "$0" && printf %s "$1" > "$0/value"'


def small_pipeline(blessed=1, uri="gs://bucket/model"):
    """Writer -> Copier; Gated and what comes after it wait for a blessing as well."""
    from tfx import v1 as tfx

    types = tfx.types.standard_artifacts
    greeting = tfx.dsl.experimental.RuntimeParameter(name="greeting", ptype=str, default="hello")
    blessing = dags.importer(types.ModelBlessing, "blessing", uri, blessed=blessed)
    writer = shell("Writer", WRITE, parameters={"greeting": str}, greeting=greeting)
    text = writer.outputs["text"]
    copier = shell(
        "Copier",
        'mkdir -p "$0" && cp "$1/value" "$0"',
        inputs={"copied": types.String},
        copied=text,
    )
    condition = blessing.outputs["result"].future()[0].custom_property("blessed") == 1
    with tfx.dsl.Cond(condition):
        gated = shell(
            "Gated", 'mkdir -p "$0" && pwd > "$0/value"', inputs={"read": types.String}, read=text
        )
    after = shell("After", "true", inputs={"read": types.String}, read=gated.outputs["text"])
    return dags.make_pipeline(blessing, writer, copier, gated, after)


@pytest.fixture
def compile_to(kfp, tmp_path):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    def run(pipeline, name="small.yaml"):
        path = tmp_path / name
        compile_pipeline(pipeline, str(path), root=str(tmp_path / "root"))
        return path

    return run


def text_of(run, task):
    from pathlib import Path

    return Path(run.artifacts[task]["text"]["artifacts"][0]["uri"], "value").read_text()


@pytest.mark.tfx
@pytest.mark.parametrize("name", ["small.yaml", "small.json"])
def test_parameters_and_artifacts_reach_the_tasks(compile_to, tmp_path, name):
    path = compile_to(small_pipeline(), name)
    run = launch(path, tmp_path / "metadata.sqlite")
    assert run.states == dict.fromkeys(["blessing", "Writer", "Copier", "Gated", "After"], "done")
    assert text_of(run, "Copier") == "hello"
    other = launch(path, tmp_path / "metadata.sqlite", parameters={"greeting": "{{$}} 'you' $1"})
    assert text_of(other, "Copier") == "{{$}} 'you' $1"
    # Each task works in a folder of its own.
    assert text_of(run, "Gated").strip() != text_of(other, "Gated").strip() != str(tmp_path)


@pytest.mark.tfx
def test_a_false_condition_skips_the_task_and_what_follows_it(compile_to, tmp_path):
    run = launch(compile_to(small_pipeline(blessed=0)), tmp_path / "metadata.sqlite")
    assert run.states == {
        "blessing": "done",
        "Writer": "done",
        "Copier": "done",
        "Gated": "skipped",
        "After": "skipped",
    }
    executions = metadata.executions(metadata.open_store(str(tmp_path / "metadata.sqlite")))
    assert sorted(executions["node"]) == ["Copier", "Writer", "blessing"]


@pytest.mark.tfx
@pytest.mark.parametrize("given", [{"greting": "hello"}, {"greeting": None}])
def test_a_wrong_parameter_is_an_error(compile_to, tmp_path, given):
    with pytest.raises(ValueError, match="greeting"):
        launch(compile_to(small_pipeline()), tmp_path / "metadata.sqlite", parameters=given)


@pytest.mark.tfx
def test_a_failure_is_told_and_recorded_and_ends_the_run(compile_to, tmp_path):
    from tfx import v1 as tfx

    broken = shell("Broken", "echo the cause >&2; exit 7")
    types = tfx.types.standard_artifacts
    after = shell("After", "true", inputs={"read": types.String}, read=broken.outputs["text"])
    path = compile_to(dags.make_pipeline(broken, after))
    with pytest.raises(TaskFailedError, match=r"(?s)^Broken exited with 7; .*the cause$") as error:
        launch(path, tmp_path / "metadata.sqlite")
    assert error.value.task == "Broken"
    executions = metadata.executions(metadata.open_store(str(tmp_path / "metadata.sqlite")))
    assert list(executions["node"]) == ["Broken"]
    assert list(executions["state"]) == ["failed"]


@pytest.mark.tfx
def test_the_projects_own_reader_finds_the_run(compile_to, tmp_path):
    path = compile_to(small_pipeline())
    for run in ("first", "second"):
        launch(path, tmp_path / "metadata.sqlite", run=run)
    store = metadata.open_store(str(tmp_path / "metadata.sqlite"))
    runs = metadata.runs(store)
    assert list(runs["run"]) == ["first", "second"]
    assert list(runs["pipeline"]) == ["small", "small"]
    assert list(runs["state"]) == ["complete", "complete"]
    outputs = metadata.last_outputs(store, "small")
    assert outputs["blessing"]["result"].uri == "gs://bucket/model"
    assert outputs["blessing"]["result"].properties["blessed"] == 1
    assert outputs["Copier"]["text"].type == "String"
    assert re.search(r"/second/Copier/text$", outputs["Copier"]["text"].uri)


def resolving_pipeline(kind):
    """Returns a pipeline that asks for the latest model, or the latest blessed one."""
    from tfx import v1 as tfx

    types = tfx.types.standard_artifacts
    strategy = {
        "latest": tfx.dsl.experimental.LatestArtifactStrategy,
        "blessed": tfx.dsl.experimental.LatestBlessedModelStrategy,
    }[kind]
    channels = {"model": tfx.dsl.Channel(type=types.Model)}
    if kind == "blessed":
        channels["model_blessing"] = tfx.dsl.Channel(type=types.ModelBlessing)
    resolver = tfx.dsl.Resolver(strategy_class=strategy, **channels).with_id("latest")
    return dags.make_pipeline(resolver, name="resolving")


@pytest.mark.tfx
@pytest.mark.parametrize("kind", ["latest", "blessed"])
def test_resolvers_find_what_earlier_runs_made(compile_to, tmp_path, kind):
    from tfx import v1 as tfx

    types = tfx.types.standard_artifacts
    database = tmp_path / "metadata.sqlite"
    resolve = compile_to(resolving_pipeline(kind), "resolving.yaml")

    def resolved():
        run = launch(resolve, database)
        (outputs,) = [made["model"] for made in run.artifacts.values() if "model" in made]
        return [artifact["uri"] for artifact in outputs["artifacts"]]

    assert resolved() == []
    names = {}
    for uri in ("gs://one", "gs://two"):
        path = compile_to(dags.make_pipeline(dags.importer(types.Model, "model", uri)), "m.yaml")
        run = launch(path, database)
        names[uri] = run.artifacts["model"]["result"]["artifacts"][0]["name"]
    for uri, blessed in (("gs://one", 1), ("gs://two", 0)):
        blessing = dags.importer(
            types.ModelBlessing, "b", uri, blessed=blessed, current_model_id=names[uri]
        )
        launch(compile_to(dags.make_pipeline(blessing), "b.yaml"), database)
    assert resolved() == ["gs://two" if kind == "latest" else "gs://one"]
