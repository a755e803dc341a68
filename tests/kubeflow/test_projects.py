"""Each ready pipeline compiles, as the project that `nsl-tfx new` makes of it does."""

import importlib
import sys

import pytest
import yaml

from nsl_tfx.pipelines.starter import KINDS, write_project

pytestmark = [pytest.mark.tfx, pytest.mark.usefixtures("kfp")]


@pytest.fixture(params=KINDS)
def runners(request, tmp_path, monkeypatch):
    """The module `runners` of a project of each kind."""
    name = f"own_{request.param}"
    monkeypatch.syspath_prepend(write_project(name, request.param, str(tmp_path / "project")))
    yield importlib.import_module(f"{name}.runners")
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[module]


def test_a_project_compiles(runners, tmp_path):
    path = tmp_path / "project.yaml"
    runners.compile_for_kubeflow(
        "gs://bucket/root", str(tmp_path / "data"), str(path), image="host/project:1"
    )
    spec = yaml.safe_load(path.read_text())
    assert spec["defaultPipelineRoot"] == "gs://bucket/root/artifacts"
    tasks = spec["root"]["dag"]["tasks"]
    assert {"Evaluator", "RobustnessEvaluator", "Pusher"} < tasks.keys()
    blessing = tasks["Pusher"]["inputs"]["artifacts"]["model_blessing"]
    assert blessing["taskOutputArtifact"]["producerTask"] == "RobustnessEvaluator"
    images = {
        one["container"]["image"]
        for one in spec["deploymentSpec"]["executors"].values()
        if "container" in one
    }
    assert images == {"host/project:1"}
