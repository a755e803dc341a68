"""The ready pipelines beside the digits', each run once; the tests read what it left."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import io
from nsl_tfx.graph import read_edges

pytestmark = [pytest.mark.slow, pytest.mark.tfx]

# The share of the largest class, and the features that a client sends.
CASES = {
    "citations": (0.25, {"words"}),
    "reviews": (0.5, {"text"}),
    "tumors": (0.63, set()),
}

SERVE = """
import json, sys
sys.modules["nsl_tfx"] = None
import tensorflow as tf
records = list(tf.data.TFRecordDataset(sys.argv[2:], "GZIP").as_numpy_iterator())
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
print(json.dumps(serve(examples=tf.constant(records))["probabilities"].numpy().tolist()))
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run's case and folder."""

    case: str
    root: Path

    def output(self, node, key):
        (found,) = self.root.glob(f"artifacts/{node}/{key}/*")
        return found

    def records(self, node, key, split):
        files = sorted(map(str, self.output(node, key).glob(f"Split-{split}/*")))
        return files, list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())

    def examples(self, node, key, split):
        _, records = self.records(node, key, split)
        return [tf.train.Example.FromString(record).features.feature for record in records]

    @property
    def example_gen(self):
        (found,) = (self.root / "artifacts").glob("*ExampleGen")
        return found.name

    def is_blessed(self, gate):
        (verdict,) = self.output(gate, "blessing").iterdir()
        return {"BLESSED": True, "NOT_BLESSED": False}[verdict.name]

    @property
    def evaluation(self):
        path = self.output("RobustnessEvaluator", "evaluation") / "metrics.json"
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs cases in this process, which loads TFX once for all of them."""
    from tfx import v1 as tfx

    done = {}

    def run(case):
        if case not in done:
            root = tmp_path_factory.mktemp(case)
            data = importlib.import_module(f"nsl_tfx.pipelines.{case}.data")
            getattr(data, f"write_{case}")(str(root / "data"))
            pipeline = importlib.import_module(f"nsl_tfx.pipelines.{case}.pipeline")
            tfx.orchestration.LocalDagRunner().run(
                pipeline.create_pipeline(str(root), str(root / "data"))
            )
            done[case] = Run(case, root)
        return done[case]

    return run


@pytest.fixture(params=CASES)
def run(request, runs):
    return runs(request.param)


def test_both_gates_bless(run):
    assert run.is_blessed("Evaluator")
    assert run.is_blessed("RobustnessEvaluator"), run.evaluation["reasons"]


def test_the_pushed_model_serves_examples_as_they_come_without_this_package(run):
    chance, _ = CASES[run.case]
    (model,) = (run.root / "serving").iterdir()
    assert b"nsl_tfx" not in (model / "saved_model.pb").read_bytes()
    files, records = run.records(run.example_gen, "examples", "test")
    done = subprocess.run(
        [sys.executable, "-I", "-c", SERVE, str(model), *files],
        check=True,
        capture_output=True,
        text=True,
    )
    probabilities = np.array(json.loads(done.stdout.splitlines()[-1]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    labels = [
        tf.train.Example.FromString(record).features.feature["label"].int64_list.value[0]
        for record in records
    ]
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    assert accuracy == pytest.approx(run.evaluation["model"]["accuracy"]["value"], abs=0.01)
    assert accuracy > chance + 0.2


def test_a_client_sends_the_models_features_alone(run):
    _, sent = CASES[run.case]
    if not sent:
        sent = set(importlib.import_module(f"nsl_tfx.pipelines.{run.case}.config").COLUMNS)
    (model,) = (run.root / "serving").iterdir()
    _, (record, *_) = run.records(run.example_gen, "examples", "test")
    serve = tf.saved_model.load(str(model)).signatures["serving_default"]
    whole = tf.train.Example.FromString(record)
    part = tf.train.Example()
    for name in sent & set(whole.features.feature):
        part.features.feature[name].CopyFrom(whole.features.feature[name])
    both = tf.constant([whole.SerializeToString(), part.SerializeToString()])
    first, second = serve(examples=both)["probabilities"].numpy()
    np.testing.assert_array_equal(first, second)


def test_structure_pays(run):
    gain = run.evaluation["comparison"]
    assert gain["robust_accuracy"]["low"] >= 0
    assert (
        gain["accuracy"]["difference"]
        > {"citations": 0.02, "reviews": -0.01, "tumors": -0.02}[run.case]
    )


@pytest.mark.parametrize("case", CASES)
def test_the_seed_reaches_training_and_attacks(case):
    from nsl_tfx.configs import RobustnessConfig

    module = importlib.import_module(f"nsl_tfx.pipelines.{case}.pipeline")
    nodes = {node.id: node for node in module.create_pipeline("root", "data", seed=7).components}
    gate = nodes["RobustnessEvaluator"].exec_properties["config"]
    assert RobustnessConfig.from_json(gate).seed == 7
    for name in ("Trainer.baseline", "Trainer.regularized"):
        custom = json.loads(nodes[name].exec_properties["custom_config"])
        assert custom["nsl_tfx"]["seed"] == 7


class TestGraphs:
    @pytest.fixture(params=["citations", "reviews"])
    def graphed(self, request, runs):
        run = runs(request.param)
        node = "GraphImporter" if run.case == "citations" else "GraphBuilder"
        return run, run.output(node, "graph")

    def test_neighbors_are_alike(self, graphed):
        run, graph = graphed
        augmented = run.examples("NeighborAugmenter", "examples", "train")
        labels = {
            row["id"].bytes_list.value[0]: row["label"].int64_list.value[0] for row in augmented
        }
        edges = read_edges(str(graph)).to_pandas()
        edges = edges[edges["source"].isin(labels) & edges["target"].isin(labels)]
        assert len(edges) > 10
        agreement = np.mean(edges["source"].map(labels) == edges["target"].map(labels))
        assert agreement > CASES[run.case][0] + 0.2

    def test_each_labelled_example_carries_its_best_neighbors_words(self, graphed):
        run, graph = graphed
        config = importlib.import_module(f"nsl_tfx.pipelines.{run.case}.config")
        most = config.AUGMENTATION.neighbors.max_neighbors
        node, key = {
            "citations": ("ImportExampleGen", "examples"),
            "reviews": ("Transform", "transformed_examples"),
        }[run.case]
        words, labelled = {}, set()
        for row in run.examples(node, key, "train"):
            name = row["id"].bytes_list.value[0]
            words[name] = list(row["words"].float_list.value)
            if row["label"].int64_list.value not in ([], [-1]):
                labelled.add(name)
        edges = read_edges(str(graph)).to_pandas()
        # Sorted by descending weight, and then by id.
        edges = edges[edges["source"].isin(labelled) & edges["target"].isin(words)]
        best, degrees = edges.groupby("source")["target"].first(), edges.groupby("source").size()
        augmented = run.examples("NeighborAugmenter", "examples", "train")
        assert {row["id"].bytes_list.value[0] for row in augmented} == labelled
        for row in augmented:
            name = row["id"].bytes_list.value[0]
            (count,) = row["NL_num_nbrs"].int64_list.value
            assert count == min(degrees.get(name, 0), most)
            if count:
                assert list(row["NL_nbr_0_words"].float_list.value) == words[best[name]]
        assert degrees.mean() > 2

    @pytest.mark.parametrize("split", ["eval", "test"])
    def test_examples_that_are_held_out_have_none(self, graphed, split):
        run, _ = graphed
        found = run.examples("NeighborAugmenter", "examples", split)
        assert not any(row["NL_num_nbrs"].int64_list.value[0] for row in found)


def test_the_citations_graph_is_the_file(runs):
    run = runs("citations")
    lines = (run.root / "data" / "citations.tsv").read_text().splitlines()
    given = {frozenset(line.encode().split(b"\t")) for line in lines}
    edges = read_edges(str(run.output("GraphImporter", "graph")))
    ends = edges.to_pandas()[["source", "target"]].to_numpy()
    assert set(map(frozenset, ends)) == given


def test_reviews_got_an_id_each_and_kept_their_text(runs):
    run = runs("reviews")
    for split in ("train", "eval", "test"):
        before, after = (
            run.examples(node, "examples", split) for node in (run.example_gen, "ExampleIdentifier")
        )
        texts = [
            sorted(row["text"].bytes_list.value[0] for row in rows) for rows in (before, after)
        ]
        assert texts[0] == texts[1]
        ids = {row["id"].bytes_list.value[0] for row in after}
        assert len(ids) == len(after)
        assert all(name.startswith(b"review-") for name in ids)


def test_reviews_become_vectors_of_length_one(runs):
    run = runs("reviews")
    spec = io.parsing_spec(io.read_schema(str(run.output("Transform", "post_transform_schema"))))
    pattern = str(run.output("Transform", "transformed_examples") / "Split-test" / "*")
    (batch,) = io.read_examples(pattern, spec, batch_size=1000).as_numpy_iterator()
    np.testing.assert_allclose(np.linalg.norm(batch["words"], axis=1), 1, rtol=1e-5)
    assert set(batch["label"].ravel()) == {0, 1}


def test_tumors_become_standard_deviations_and_empty_cells_their_mean(runs):
    import pandas as pd

    from nsl_tfx.pipelines.tumors.config import COLUMNS, LARGEST

    run = runs("tumors")
    table, train = (
        pd.read_csv(run.root / "data" / split / "tumors.csv", index_col="id")
        for split in ("test", "train")
    )
    for row in run.examples("Transform", "transformed_examples", "test"):
        raw = table.loc[row["id"].bytes_list.value[0].decode()]
        for name in COLUMNS:
            deviations = (raw[name] - train[name].mean()) / train[name].std(ddof=0)
            expected = 0 if np.isnan(raw[name]) else np.clip(deviations, -LARGEST, LARGEST)
            (found,) = row[name].float_list.value
            assert found == pytest.approx(expected, abs=1e-3)


def test_tumors_are_judged_by_lost_measurements_and_by_how_far_each_may_err(runs):
    evaluation = runs("tumors").evaluation
    config, model = evaluation["config"], evaluation["model"]
    assert config["feature_scale"]["area"] == 0.5
    for faults, threshold in (("corruptions", "corrupted"), ("edits", "edited")):
        assert config[f"min_{threshold}_accuracy"] is not None
        (lost,) = model[faults]
        assert lost["name"] == "missing"
        assert lost["points"][-1]["accuracy"]["value"] < model["accuracy"]["value"]
