"""docs/kubeflow.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nsl_tfx.cli import main
from nsl_tfx.version import __version__

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "kubeflow.md").read_text()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target


def test_the_image_is_of_this_version():
    assert set(re.findall(r"nsl-tfx:(\d[\d.]*\d)", TEXT)) == {__version__}


@pytest.mark.tfx
@pytest.mark.usefixtures("kfp")
def test_the_command_compiles_the_demo(tmp_path, monkeypatch):
    (command,) = re.findall(r"^nsl-tfx (compile .*?[^\\])\n", TEXT, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, shlex.split(command.replace("\\\n", "")))
    assert done.exit_code == 0, done.output
    assert "Note" not in done.output
    spec = yaml.safe_load((tmp_path / "digits.yaml").read_text())
    assert spec["defaultPipelineRoot"] == "gs://BUCKET/digits/artifacts"
    pusher = spec["root"]["dag"]["tasks"]["Pusher"]["inputs"]["parameters"]
    assert "gs://BUCKET/digits/serving" in pusher["push_destination"]["runtimeValue"]["constant"]
    images = {
        executor["container"]["image"] for executor in spec["deploymentSpec"]["executors"].values()
    }
    assert images == {f"REGISTRY/nsl-tfx:{__version__}"}
