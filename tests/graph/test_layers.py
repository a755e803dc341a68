"""What the graph layer loads, and that its documented examples run."""

import doctest
import importlib
import subprocess
import sys

import pytest

MODULES = [
    "nsl_tfx.graph.blocks",
    "nsl_tfx.graph.description",
    "nsl_tfx.graph.edges",
    "nsl_tfx.graph.files",
    "nsl_tfx.graph.metrics",
    "nsl_tfx.graph.neighbors",
    "nsl_tfx.graph.packing",
    "nsl_tfx.graph.similarity",
    "nsl_tfx.statistics",
]


@pytest.mark.parametrize("name", MODULES)
def test_documented_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def loaded_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_array_kernels_load_neither_beam_nor_tensorflow():
    loaded = loaded_by("nsl_tfx.graph", "nsl_tfx.graph.blocks", "nsl_tfx.graph.description")
    assert not loaded & {"apache_beam", "tensorflow", "tfx", "keras"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("nsl_tfx.graph.packing", {"apache_beam", "tfx"}),
        ("nsl_tfx.graph.building", {"tensorflow", "tfx"}),
        ("nsl_tfx.graph.joining", {"tfx"}),
    ],
)
def test_transforms_load_nothing_they_do_not_need(name, absent):
    assert not loaded_by(name) & absent
