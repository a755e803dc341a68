"""`nsl-tfx compile`."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from nsl_tfx.cli import main
from nsl_tfx.pipelines.runners import compile_checks

pytestmark = pytest.mark.tfx

PIPELINE_FILE = """
from tests.kubeflow import dags

def create_pipeline(name: str = "small"):
    return dags.make_pipeline(dags.any_node(), name=name, root="gs://bucket/root")
"""


@pytest.fixture
def run_compile(tmp_path, monkeypatch):
    (tmp_path / "own_pipeline.py").write_text(PIPELINE_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *arguments: CliRunner().invoke(main, ["compile", *arguments])


@pytest.mark.usefixtures("kfp")
def test_the_command_writes_the_file_and_says_what(run_compile, tmp_path):
    done = run_compile(
        "own_pipeline.py", "-o", "x.yaml", "--set", "name=other", "--image", "host/image:1"
    )
    assert done.exit_code == 0, done.output
    assert "Wrote x.yaml: pipeline other." in done.output
    assert "host/image:1" in done.output
    assert "gs://bucket/root" in done.output
    spec = yaml.safe_load((tmp_path / "x.yaml").read_text())
    assert spec["pipelineInfo"]["name"] == "other"


@pytest.mark.usefixtures("kfp")
def test_the_command_tells_programs_in_json(run_compile):
    done = run_compile("own_pipeline.py", "-o", "x.json", "--root", "gs://other", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["name"], told["path"], told["root"]) == ("small", "x.json", "gs://other")
    assert (told["parameters"], told["notes"]) == ({}, [])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.py", "-o", "x.yaml"), "missing.py"),
        (("own_pipeline.py", "-o", "x.txt"), "ends in .yaml, .yml or .json"),
        (("own_pipeline.py", "-o", "x.yaml", "--set", "name"), "Expected NAME=VALUE"),
        (("own_pipeline.py", "-o", "x.yaml", "--set", "none=1"), "none"),
        (("own_pipeline.py", "-o", "x.yaml", "--set", "name=A_b"), "pipeline_name='A_b'"),
        (("own_pipeline.py", "-o", "x.yaml", "--image", ""), "image"),
        (("own_pipeline.py", "-o", "x.yaml", "--image", "no image!"), "Received: 'no image!'"),
        (("own_pipeline.py", "-o", "x.yaml", "--root", ""), "Expected a folder. Received: ''."),
        (("own_pipeline.py",), "--output"),
    ],
)
@pytest.mark.usefixtures("kfp")
def test_a_mistake_is_a_message(run_compile, arguments, told, tmp_path):
    done = run_compile(*arguments)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.glob("x.*")] == []


def test_without_kfp_the_cure_is_told_at_once(run_compile, monkeypatch):
    monkeypatch.setattr(compile_checks.importlib.util, "find_spec", lambda name: None)
    done = run_compile("own_pipeline.py", "-o", "x.yaml")
    assert done.exit_code == 2
    assert 'pip install "nsl-tfx[kfp]"' in done.output
    assert "below 3.12" in done.output
