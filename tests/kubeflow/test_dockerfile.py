"""The image: its recipe, and what comes of its steps."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubeflow import image_steps

ROOT = image_steps.ROOT
DOCKERFILE = ROOT / "Dockerfile"
HADOLINT = Path(sys.executable).parent / "hadolint"


def lint(text):
    return subprocess.run([HADOLINT, "-"], input=text, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def _hadolint():
    if not HADOLINT.exists():
        pytest.fail("hadolint is missing; it is one of the extra dev: run make setup")


def test_a_linter_finds_nothing():
    done = lint(DOCKERFILE.read_text())
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (" --no-install-recommends", "", "DL3015"),
        (" --no-cache-dir", "", "DL3042"),
        ("WORKDIR /src", "WORKDIR src", "DL3000"),
        ("--from=build", "--from=bild", "DL3022"),
    ],
)
def test_the_linter_finds_what_is_wrong(old, new, rule):
    text = DOCKERFILE.read_text()
    assert old in text
    assert rule in lint(text.replace(old, new)).stdout


def copied():
    """The files and folders that the Dockerfile copies from the checkout."""
    values = [shlex.split(v) for i, v in image_steps.read_steps(DOCKERFILE) if i == "COPY"]
    return [path for words in values if not words[0].startswith("--") for path in words[:-1]]


@pytest.mark.parametrize("path", copied())
def test_what_is_copied_is_there_and_sent_to_the_builder(path):
    assert (ROOT / path).exists()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = False
    for rule in rules:
        if fnmatch.fnmatch(path, rule.removeprefix("!")):
            sent = rule.startswith("!")
    assert sent


@pytest.mark.parametrize("path", [".git", ".venv", ".uv", "tests", "data", "nsl_tfx/__pycache__"])
def test_what_is_not_copied_stays_here(path):
    assert path not in copied()
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert not [r for r in rules if r.startswith("!") and fnmatch.fnmatch(path, r[1:])]


def test_the_base_is_the_python_of_the_stack_with_kubeflow():
    (base,) = re.findall(
        r"^ARG BASE=python:(\d+\.\d+)-slim-bookworm$", DOCKERFILE.read_text(), re.M
    )
    assert base == "3.10"
    values = [value for instruction, value in image_steps.read_steps(DOCKERFILE)]
    assert any("[kfp]" in value and "requirements/tfx-1.16.txt" in value for value in values)


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.skipif(
    "NSL_TFX_IMAGE" not in os.environ, reason="fetches the whole stack: make test-image"
)
@pytest.mark.skipif(sys.version_info[:2] != (3, 10), reason="needs the base image's Python 3.10")
def test_the_steps_make_what_a_task_starts_with(tmp_path):
    try:
        folder = image_steps.run_steps(DOCKERFILE, ROOT, tmp_path / "image")
    except image_steps.ImpossibleError as error:
        pytest.skip(f"needs folders like those of scripts/next.sh: {error}")
    stage = image_steps.Stage(folder, {"PATH": "/opt/nsl-tfx/bin:/usr/local/bin:/usr/bin:/bin"})
    # As in a compiled pipeline.
    module = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
    image_steps.enter(stage, "sh", "-c", f"python -m {module} --help | grep executor_class_path")
    image_steps.enter(stage, "nsl-tfx", "--version")
    # What installs a user's modules.
    image_steps.enter(stage, "python", "-m", "pip", "--version")
    image_steps.enter(stage, "sh", "-c", "! command -v c++ && ! command -v pytest")
