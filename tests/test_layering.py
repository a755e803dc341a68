"""Imports point one way: each layer is loaded in a fresh process, in order, and asked what came."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "faiss", "scipy", "tensorflow", "keras", "matplotlib", "apache_beam", "tfx")
# Each line may load what the lines above it may. TensorFlow 2.16 loads Keras and more by itself, so
# of TensorFlow's layers only Beam and TFX are asked for.
ALLOWED = {
    "nsl_tfx": set(),
    "nsl_tfx.configs": set(),
    "nsl_tfx.cli": set(),
    "nsl_tfx.statistics": {"numpy", "scipy"},
    "nsl_tfx.graph": {"numpy", "scipy", "faiss"},
}
WITHOUT_BEAM_AND_TFX = [
    "nsl_tfx.io",
    "nsl_tfx.lib",
    "nsl_tfx.attacks",
    "nsl_tfx.keras",
    "nsl_tfx.trainer",
    "nsl_tfx.robustness",
    "nsl_tfx.pipelines.digits.model",
    "nsl_tfx.pipelines.digits.data",
]


def loaded_after(modules):
    """Returns, for each module imported in turn, which of the heavy ones are loaded then."""
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    print(json.dumps([name, [h for h in {HEAVY!r} if h in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["nsl'))


@pytest.fixture(scope="module")
def light():
    return loaded_after(list(ALLOWED))


@pytest.fixture(scope="module")
def middle():
    return loaded_after(WITHOUT_BEAM_AND_TFX)


@pytest.mark.parametrize("module", ALLOWED)
def test_the_light_layers_load_only(light, module):
    assert set(light[module]) <= ALLOWED[module]


@pytest.mark.parametrize("module", WITHOUT_BEAM_AND_TFX)
def test_the_tensor_layers_load_neither_beam_nor_tfx(middle, module):
    assert "tensorflow" in middle[module]
    assert not {"apache_beam", "tfx"} & set(middle[module])


@pytest.mark.parametrize("name", ["components", "pipelines"])
def test_the_linked_folders_cannot_be_imported_twice(name):
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"Expected `import nsl_tfx.{name}`" in done.stderr
