"""A small pipeline of real components through the launcher, and by LocalDagRunner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsl_tfx import metadata
from nsl_tfx.configs import (
    AugmentConfig,
    GraphNeighborConfig,
    IdentifyConfig,
    SimilarityGraphConfig,
)
from tests.kubeflow import dags
from tests.kubeflow.launcher import launch
from tests.tf_examples import make_example

pytestmark = [pytest.mark.tfx, pytest.mark.slow, pytest.mark.usefixtures("kfp")]

ROWS = 12
SCHEMA = """
feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } } }
feature { name: "y" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
# A module that the image would hold beside this package.
OWN_MODULE = """
from tfx import v1 as tfx
from nsl_tfx.components import NeighborGraph

@tfx.dsl.components.component
def Count(
    graph: tfx.dsl.components.InputArtifact[NeighborGraph],
) -> tfx.dsl.components.OutputDict(nodes=int, told=str):
    nodes = graph.get_int_custom_property("nodes")
    return {"nodes": nodes, "told": f"{nodes} nodes"}

@tfx.dsl.components.component
def Check(nodes: tfx.dsl.components.Parameter[int], told: tfx.dsl.components.Parameter[str]):
    # What another node tells comes as a number of JSON there, whatever is declared.
    assert told == f"{int(nodes)} nodes", (nodes, told)
"""


def write_input(folder):
    import tensorflow as tf

    for split in ("train", "eval"):
        (folder / split).mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / split / "part.gz"), "GZIP") as writer:
            for i in range(ROWS):
                writer.write(make_example(x=[float(i), 1.0], y=[i % 2]))
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(SCHEMA)


def make_pipeline(data, root):
    import own_module
    from tfx import v1 as tfx

    from nsl_tfx.components import ExampleIdentifier, GraphBuilder, NeighborAugmenter

    splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "eval")]
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(data), input_config=tfx.proto.Input(splits=splits)
    )
    schema = dags.importer(tfx.types.standard_artifacts.Schema, "schema", str(data / "schema"))
    identifier = ExampleIdentifier(
        examples=example_gen.outputs["examples"],
        schema=schema.outputs["result"],
        config=IdentifyConfig(),
    )
    examples = identifier.outputs["examples"]
    builder = GraphBuilder(
        examples=examples,
        config=SimilarityGraphConfig(embedding_feature="x", num_neighbors=2),
    )
    graph = builder.outputs["graph"]
    augmenter = NeighborAugmenter(
        examples=examples,
        graph=graph,
        schema=identifier.outputs["schema"],
        config=AugmentConfig(features=("x",), neighbors=GraphNeighborConfig(max_neighbors=2)),
    )
    count = own_module.Count(graph=graph)
    nodes = graph.future()[0].custom_property("nodes")
    values = {key: count.outputs[key].future()[0].value for key in ("nodes", "told")}
    with tfx.dsl.Cond(nodes == ROWS):
        check = own_module.Check(**values)
    with tfx.dsl.Cond(nodes > ROWS):
        wrong = own_module.Check(**values).with_id("Wrong")
    return dags.make_pipeline(
        *(schema, example_gen, identifier, builder, augmenter, count, check, wrong),
        name="tasks",
        root=str(root),
    )


@pytest.fixture(scope="module")
def folder(kfp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "modules").mkdir()
    (folder / "modules" / "own_module.py").write_text(OWN_MODULE)
    write_input(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "modules"))
        yield folder


@pytest.fixture(scope="module")
def launched(folder):
    from nsl_tfx.pipelines.runners.kubeflow import compile_pipeline

    path = folder / "tasks.yaml"
    compile_pipeline(make_pipeline(folder / "data", folder / "root"), str(path))
    return launch(
        path,
        folder / "launched.sqlite",
        variables={"PYTHONPATH": str(folder / "modules"), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.fixture(scope="module")
def outputs(launched, folder):
    """What the launched run and the local run made."""
    from tfx import v1 as tfx

    pipeline = make_pipeline(folder / "data", folder / "local")
    database = folder / "local.sqlite"
    pipeline.metadata_connection_config = (
        tfx.orchestration.metadata.sqlite_metadata_connection_config(str(database))
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    stores = {"launched": folder / "launched.sqlite", "local": database}
    return {
        name: metadata.last_outputs(metadata.open_store(str(path)), "tasks")
        for name, path in stores.items()
    }


def test_tasks_run_or_are_skipped_by_their_conditions(launched):
    assert launched.states.pop("Wrong") == "skipped"
    assert set(launched.states.values()) == {"done"}
    assert "Check" in launched.states


def test_output_parameters_are_passed_on(launched):
    assert launched.parameters["Count"] == {"nodes": ROWS, "told": f"{ROWS} nodes"}


def files_below(folder):
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ("ExampleIdentifier", "schema"),
        ("GraphBuilder", "graph"),
        ("NeighborAugmenter", "schema"),
    ],
)
def test_files_are_those_of_a_local_run(outputs, node, key):
    launched, local = (files_below(outputs[name][node][key].uri) for name in ("launched", "local"))
    assert launched == local
    assert launched


def rows_of(examples):
    """Returns each split's examples, sorted. ExampleGen writes features in any order."""
    import tensorflow as tf

    return {
        split.name: sorted(
            tf.train.Example.FromString(record).SerializeToString(deterministic=True)
            for file in split.iterdir()
            for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
        )
        for split in sorted(Path(examples.uri).iterdir())
    }


@pytest.mark.parametrize("node", ["ImportExampleGen", "ExampleIdentifier", "NeighborAugmenter"])
def test_examples_are_those_of_a_local_run(outputs, node):
    launched, local = (rows_of(outputs[name][node]["examples"]) for name in ("launched", "local"))
    assert launched == local
    assert {split: len(rows) for split, rows in launched.items()} == {
        "Split-eval": ROWS,
        "Split-train": ROWS,
    }


# What LocalDagRunner adds to each artifact, and what changes with the time or the place.
OF_THE_RUN = {"name", "producer_component", "pipeline_name", "tfx_version", "is_external", "state"}


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ("ImportExampleGen", "examples"),
        ("ExampleIdentifier", "examples"),
        ("GraphBuilder", "graph"),
        ("NeighborAugmenter", "examples"),
    ],
)
def test_properties_are_those_of_a_local_run(outputs, node, key):
    found = {}
    for name in ("launched", "local"):
        artifact = outputs[name][node][key]
        properties = {k: v for k, v in artifact.properties.items() if k not in OF_THE_RUN}
        splits = properties.get("split_names")
        found[name] = properties | ({} if splits is None else {"split_names": json.loads(splits)})
        found[name]["type of artifact"] = artifact.type
    assert found["launched"] == found["local"]
    assert len(found["local"]) > 4
