"""The whole digits pipeline, run once as a user runs it; every test reads what it left."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import io
from nsl_tfx.graph import read_edges, read_graph_info

pytestmark = [pytest.mark.slow, pytest.mark.tfx]

NODES = [
    "ImportExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "GraphBuilder",
    "NeighborAugmenter",
    "Trainer.baseline",
    "Trainer.regularized",
    "Evaluator",
    "RobustnessEvaluator",
    "Pusher",
]


def states(output):
    return dict(re.findall(r"^ +\d+/11 +(\S+) +(done|cached|failed)", output, re.MULTILINE))


class TestWhatIsPrinted:
    def test_it_succeeds(self, demo):
        assert demo.first.returncode == 0, demo.first.stderr
        assert demo.second.returncode == 0, demo.second.stderr

    def test_there_is_a_line_for_each_node(self, demo):
        assert states(demo.first.stdout) == dict.fromkeys(NODES, "done")

    def test_a_second_run_reuses_every_node(self, demo):
        assert states(demo.second.stdout) == dict.fromkeys(NODES, "cached")

    def test_both_runs_tell_the_same_result(self, demo):
        first, second = (
            run.stdout.split("Graph over")[1].split("Finished")[0]
            for run in (demo.first, demo.second)
        )
        assert first == second

    def test_no_library_is_heard(self, demo):
        assert demo.first.stderr == ""
        assert not re.search(r"WARNING|INFO|Traceback|cuda", demo.first.stdout, re.IGNORECASE)
        assert len(demo.first.stdout.splitlines()) < 60
        assert max(map(len, demo.first.stdout.splitlines())) <= 100

    def test_the_log_holds_what_was_hidden(self, demo):
        assert "RobustnessEvaluator" in (demo.root.parent / "demo.log").read_text()

    def test_the_digits_were_served(self, demo):
        found = re.search(r"predicted ((?: +\d)+)\n +label ((?: +\d)+)\n", demo.first.stdout)
        predicted, label = (found[i].split() for i in (1, 2))
        assert len(predicted) == len(label) == 10
        assert sum(p == w for p, w in zip(predicted, label, strict=True)) >= 8


class TestTheGraph:
    def test_its_numbers_are_in_the_metadata(self, demo):
        graph = demo.outputs["GraphBuilder"]["graph"]
        info = read_graph_info(graph.uri)
        assert graph.properties["nodes"] == info["nodes"] == 1000
        assert graph.properties["edges"] == info["edges"] == read_edges(graph.uri).num_rows

    def test_neighbors_look_alike(self, demo):
        info = read_graph_info(demo.outputs["GraphBuilder"]["graph"].uri)
        agreement = info["metrics"]["label_agreement"]
        assert agreement["low"] > 0.5 > 3 * agreement["chance"]

    def test_no_node_comes_from_another_split(self, demo):
        data = demo.root / "data" / "train" / "*"
        ids = {
            tf.train.Example.FromString(record).features.feature["id"].bytes_list.value[0]
            for record in io.read_records(str(data)).as_numpy_iterator()
        }
        edges = read_edges(demo.outputs["GraphBuilder"]["graph"].uri)
        assert set(edges["source"].to_pylist()) | set(edges["target"].to_pylist()) <= ids


class TestTheAugmentedExamples:
    @staticmethod
    def read(demo, split):
        outputs = demo.outputs["NeighborAugmenter"]
        spec = io.parsing_spec(io.read_schema(outputs["schema"].uri))
        pattern = f"{outputs['examples'].uri}/Split-{split}/*"
        (batch,) = io.read_examples(pattern, spec, batch_size=2000).as_numpy_iterator()
        return batch

    def test_training_examples_carry_their_neighbors(self, demo):
        batch = self.read(demo, "train")
        edges = read_edges(demo.outputs["GraphBuilder"]["graph"].uri).to_pandas()
        best = edges.groupby("source").first()
        images = dict(zip(batch["id"][:, 0], batch["image"], strict=True))
        for row in range(0, 1000, 50):
            nearest = best.loc[batch["id"][row, 0]]
            np.testing.assert_array_equal(batch["NL_nbr_0_image"][row], images[nearest["target"]])
            assert batch["NL_nbr_0_weight"][row, 0] == nearest["weight"]

    @pytest.mark.parametrize("split", ["eval", "test"])
    def test_other_examples_have_none(self, demo, split):
        batch = self.read(demo, split)
        assert not batch["NL_num_nbrs"].any()
        assert not batch["NL_nbr_0_weight"].any()


class TestTheModels:
    def test_the_regularized_one_beats_the_baseline(self, demo):
        gain = demo.evaluation["comparison"]
        assert gain["robust_accuracy"]["low"] > 0.1
        assert gain["accuracy"]["low"] > -0.02

    def test_the_hardest_digit_and_accidents_are_measured_and_told(self, demo):
        scores = demo.evaluation["model"]
        assert [one["value"] for one in scores["slices"]] == [str(digit) for digit in range(10)]
        assert sum(one["accuracy"]["total"] for one in scores["slices"]) == 500
        lowest = min(scores["slices"], key=lambda one: one["robust_accuracy"]["value"])
        assert f"digit {lowest['value']}: the regularized model's weakest" in demo.first.stdout
        for corruption in scores["corruptions"]:
            accuracies = [point["accuracy"]["value"] for point in corruption["points"]]
            assert accuracies[-1] < scores["accuracy"]["value"]
            assert f"{100 * accuracies[-1]:.1f} [" in demo.first.stdout
        assert len(scores["corruptions"]) == 3

    def test_the_blessing_obeys_both_evaluators(self, demo):
        blessings = [
            demo.outputs[node]["blessing"] for node in ("Evaluator", "RobustnessEvaluator")
        ]
        assert [blessing.properties["blessed"] for blessing in blessings] == [1, 1]

    def test_the_pushed_model_is_plain(self, demo):
        (pushed,) = (demo.root / "serving").iterdir()
        loaded = tf.saved_model.load(str(pushed))
        for signature in loaded.signatures.values():
            names = [operation.name for operation in signature.graph.get_operations()]
            assert not [name for name in names if "NL_" in name]
        assert b"nsl_tfx" not in (pushed / "saved_model.pb").read_bytes()

    def test_the_report_is_there(self, demo):
        report = Path(demo.outputs["RobustnessEvaluator"]["evaluation"].uri) / "report.html"
        assert "</html>" in report.read_text()
