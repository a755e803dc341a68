"""What the metadata package tells of a real pipeline's two runs, the second from the cache."""

import json

import pytest
from click.testing import CliRunner

from nsl_tfx import metadata
from nsl_tfx.cli import main

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


@pytest.fixture(scope="module")
def store(demo):
    return metadata.open_store(demo.root)


def test_both_runs_are_told(store):
    runs = metadata.runs(store)
    assert runs["state"].tolist() == ["complete"] * 2
    assert runs["nodes"].nunique() == 1
    assert runs["complete"].tolist() == [runs["nodes"][0], 0]
    assert runs["cached"].tolist() == [0, runs["nodes"][0]]
    assert runs["blessed"].tolist() == [True] * 2
    assert runs["pushed"].tolist() == [True] * 2


def test_what_the_cache_gave_is_the_same_in_both(store):
    compared = metadata.compare(store, "RobustnessEvaluation")
    assert compared.shape[1] == 2
    first, second = (compared.iloc[:, i].tolist() for i in range(2))
    assert first == second
    assert "robust_accuracy" in compared.index.get_level_values("property")


def test_the_pushed_model_leads_back_to_data_and_graph(store):
    found = metadata.lineage(store, "latest pushedmodel")
    nodes = {one.node for one in found.executions.values()}
    assert {"GraphBuilder", "NeighborAugmenter", "Trainer.regularized", "Pusher"} <= nodes
    types = {one.type for one in found.artifacts.values()}
    assert {"Examples", "nsl_tfx.NeighborGraph", "Model", "ModelBlessing"} <= types
    assert {one.state for one in found.executions.values()} == {"complete"}


def test_the_command_draws_it_with_the_report(demo, tmp_path):
    page = tmp_path / "lineage.html"
    arguments = ["inspect", str(demo.root), "lineage", "latest model", "--html", str(page)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "/report.html" in page.read_text()
    told = json.loads(CliRunner().invoke(main, ["inspect", str(demo.root), "--json"]).output)
    assert [one["state"] for one in told] == ["complete"] * 2
