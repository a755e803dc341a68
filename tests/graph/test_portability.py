"""The shape of pipelines, which some runners refuse that the one in process takes."""

from collections import defaultdict

import apache_beam as beam
import pytest

from nsl_tfx.configs import (
    AugmentConfig,
    GraphNeighborConfig,
    IdentifyConfig,
    SimilarityGraphConfig,
    Symmetrize,
)
from nsl_tfx.graph import EdgeList, write_graph
from nsl_tfx.graph.building.transform import BuildGraph
from nsl_tfx.graph.finishing.transform import FinishGraph
from nsl_tfx.graph.identifying.transform import IdentifyExamples
from nsl_tfx.graph.joining.augmenting import Job
from nsl_tfx.graph.joining.transform import JoinNeighbors
from nsl_tfx.io import write_records
from tests.tf_examples import make_example

FLATTEN = "beam:transform:flatten:v1"


def build(pipeline, folder, files):
    config = SimilarityGraphConfig(embedding_feature="x", label_feature="y")
    splits = {name: pipeline | name >> beam.Create([]) for name in ("train", "eval")}
    return splits | BuildGraph(config, folder)


def finish(pipeline, folder, files):
    parts = ("edges", "nodes", "info")
    return {name: pipeline | name >> beam.Create([]) for name in parts} | FinishGraph(folder)


def finish_edges(pipeline, folder, files):
    return {"edges": pipeline | beam.Create([])} | FinishGraph(folder, symmetrize=Symmetrize.NONE)


def join(pipeline, folder, files):
    write_graph(folder, [b"a", b"b"], EdgeList([0], [1], [1.0]), {})
    config = AugmentConfig(features=("x",), neighbors=GraphNeighborConfig(max_neighbors=1))
    return pipeline | JoinNeighbors(Job(files, folder, config, (), folder))


def identify(pipeline, folder, files):
    return pipeline | IdentifyExamples(files, IdentifyConfig())


def clashes(pipeline):
    """Names each Flatten of which an input goes to another kind of transform, too.

    Flink's and Spark's portable runners stop there: they put such a Flatten into the workers' stage
    for one of its inputs, and beside it for another.
    """
    transforms = pipeline.to_runner_api().components.transforms.values()
    users = defaultdict(set)
    for one in transforms:
        if not one.subtransforms:
            for collection in one.inputs.values():
                users[collection].add(one.spec.urn)
    return [
        one.unique_name
        for one in transforms
        if one.spec.urn == FLATTEN
        and any(users[collection] != {FLATTEN} for collection in one.inputs.values())
    ]


@pytest.mark.parametrize("make", [build, finish, finish_edges, join, identify])
def test_portable_runners_can_take_the_flattens(make, tmp_path):
    path = str(tmp_path / "part.gz")
    write_records(path, [make_example(id=[b"a"], x=[1.0])])
    pipeline = beam.Pipeline(runner="FnApiRunner")
    make(pipeline, str(tmp_path / "graph"), {"train": [path]})
    assert clashes(pipeline) == []


def test_a_clash_is_seen():
    pipeline = beam.Pipeline(runner="FnApiRunner")
    one, two = (pipeline | name >> beam.Create([]) for name in ("one", "two"))
    _ = (one, two) | "both" >> beam.Flatten()
    assert clashes(pipeline) == []
    _ = one | beam.Map(print)
    assert clashes(pipeline) == ["both"]
