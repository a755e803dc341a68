"""Components on a Flink cluster: the same artifacts as in process, whatever becomes of a worker."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nsl_tfx import metadata
from nsl_tfx.configs import AugmentConfig, GraphNeighborConfig, SimilarityGraphConfig
from nsl_tfx.graph import read_graph_info
from tests.components.conftest import Artifacts, execute_component, files_below
from tests.components.test_robustness_evaluator import Run, export, told
from tests.flink.cluster import wait_until

# One job takes from half a minute to several, as the machine is busy.
pytestmark = [pytest.mark.tfx, pytest.mark.slow, pytest.mark.timeout(1500)]
NODES = 1000
SCHEMA = """
feature { name: "id" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "image" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 4 } } }
feature { name: "label" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
# A budget that cuts vectors into buckets, ids into ranges and examples into parts, so that all that
# may pass between workers does.
GRAPH = SimilarityGraphConfig(
    embedding_feature="image", label_feature="label", num_neighbors=3, worker_memory_mb=1
)
AUGMENT = AugmentConfig(
    features=("image", "id"), neighbors=GraphNeighborConfig(max_neighbors=2), worker_memory_mb=1
)


class Inputs:
    """Examples in several files, their Schema, and the graph that is made of them in process."""

    def __init__(self, folder):
        self.make = Artifacts(folder)
        images = np.random.default_rng(0).normal(size=(NODES, 4)).astype(np.float32).tolist()
        rows = [
            {"id": [b"row-%04d" % i], "image": image, "label": [i % 2]}
            for i, image in enumerate(images)
        ]
        files = [rows[:300], rows[300:700], rows[700:950]]
        self.examples = self.make.examples("examples", {"train": files, "eval": [rows[950:]]})
        self.schema = self.make.schema(SCHEMA)
        self.graph = self.build("graph")

    def build(self, name, *beam_args):
        from nsl_tfx.components.graph_builder import Executor

        graph = self.make.empty("NeighborGraph", name)
        inputs = {"examples": self.examples, "schema": self.schema}
        execute_component(Executor, inputs, {"graph": graph}, GRAPH, *beam_args)
        return graph

    def augment(self, name, *beam_args):
        from nsl_tfx.components.neighbor_augmenter import Executor

        inputs = {
            "input_examples": self.examples,
            "graph": self.graph,
            "input_schema": self.schema,
        }
        outputs = {
            "examples": self.make.empty("Examples", name),
            "schema": self.make.empty("Schema", f"{name}-schema"),
        }
        execute_component(Executor, inputs, outputs, AUGMENT, *beam_args)
        return outputs["examples"], outputs["schema"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return Inputs(tmp_path_factory.mktemp("inputs"))


def test_graph_is_the_same_to_the_byte(cluster, inputs):
    graph = inputs.build("graph-of-flink", *cluster.beam_args(2))
    assert "buckets" in read_graph_info(graph.uri)
    assert files_below(graph.uri) == files_below(inputs.graph.uri)


def test_workers_are_processes_of_two_task_managers(cluster, inputs):
    before = {*cluster.workers()}
    augmented = inputs.augment("augmented-of-flink", *cluster.beam_args(2))
    expected = inputs.augment("augmented")
    assert [files_below(one.uri) for one in augmented] == [files_below(one.uri) for one in expected]
    workers = {pid: parent for pid, parent in cluster.workers().items() if pid not in before}
    assert os.getpid() not in workers
    assert {*workers.values()} == {one.pid for one in cluster.task_managers}


def test_robustness_is_the_same_but_for_the_seconds_that_it_took(cluster, tmp_path):
    run = Run(tmp_path, {"good": export(tmp_path / "model", 4.0)})

    def evaluate(*beam_args):
        evaluation, blessing = run(splits=("eval", "test"), batch_size=4, beam_args=beam_args)
        files = files_below(evaluation.uri)
        metrics = told(json.loads(files["metrics.json"]))
        return files["examples.parquet"], metrics, files_below(blessing.uri)

    expected = evaluate()
    assert evaluate(*cluster.beam_args(2)) == expected


def kill_during(cluster, build):
    """Kills a task manager once a job has done a part of its work; returns the job's future."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(build)
        wait_until(lambda: future.done() or is_amid(cluster), "a job amid its work")
        assert not future.done()
        cluster.task_managers[0].kill()
    return future


def is_amid(cluster):
    """Tells whether a job has ended some of its steps and runs others."""
    for job in cluster.running_jobs():
        states = {vertex["status"] for vertex in cluster.ask(f"jobs/{job}")["vertices"]}
        if {"FINISHED", "RUNNING"} <= states:
            return True
    return False


def run_pipeline(inputs, folder, beam_args):
    """Runs a pipeline with a GraphBuilder; returns the graph's folder."""
    from rich.console import Console
    from tfx import v1 as tfx
    from tfx.dsl.components.common.importer import Importer

    from nsl_tfx.components import GraphBuilder
    from nsl_tfx.pipelines.parts import make_pipeline
    from nsl_tfx.pipelines.runners.beam_runners import add_beam_arguments
    from nsl_tfx.pipelines.runners.local import run_locally

    examples = Importer(
        inputs.examples.uri,
        tfx.types.standard_artifacts.Examples,
        properties={"split_names": inputs.examples.split_names},
    ).with_id("examples")
    builder = GraphBuilder(examples=examples.outputs["result"], config=GRAPH)
    pipeline = make_pipeline("on_flink", str(folder), [examples, builder])
    add_beam_arguments(pipeline, beam_args)
    run_locally(pipeline, Console(quiet=True))
    outputs = metadata.last_outputs(metadata.open_store(folder), "on_flink")
    return outputs["GraphBuilder"]["graph"].uri


def test_a_pipeline_fails_cleanly_without_a_slot_for_the_lost_one_and_runs_again(
    cluster, inputs, tmp_path
):
    killed = kill_during(cluster, lambda: run_pipeline(inputs, tmp_path, cluster.beam_args(2)))
    # Flink's own words for slots that it waited for in vain.
    with pytest.raises(RuntimeError, match=r"(?s)GraphBuilder failed\..*Timeout has occurred"):
        killed.result()
    assert metadata.executions(metadata.open_store(tmp_path))["state"].iloc[-1] == "failed"
    assert not list((tmp_path / "artifacts/GraphBuilder").rglob("graph.json"))
    types = metadata.artifacts(metadata.open_store(tmp_path))["type"].tolist()
    assert types == ["Examples"]
    cluster.restore(2)
    graph = run_pipeline(inputs, tmp_path, cluster.beam_args(2))
    assert files_below(graph) == files_below(inputs.graph.uri)


def test_job_goes_on_where_another_task_manager_has_a_slot(cluster, inputs):
    cluster.restore(3)
    killed = kill_during(cluster, lambda: inputs.build("recovered", *cluster.beam_args(2)))
    assert files_below(killed.result().uri) == files_below(inputs.graph.uri)
