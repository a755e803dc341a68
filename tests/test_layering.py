"""Imports point one way: among our layers by what is written, and to other libraries by what loads.

What is written is complete, functions' own imports included. What loads is asked of each layer in
turn, in a fresh process.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Layer to the layers that it may import, beside itself and the version.
_MODEL = {"configs", "lib", "attacks"}
_LEAVES = {"fingerprint", "io", "statistics"}
_TRAINER = {*_MODEL, *_LEAVES, "keras"}
_COMPONENTS = {*_TRAINER, "graph", "trainer", "robustness", "metadata", "notebook"}
LAYERS = {
    "version": set(),
    "beam_worker": set(),
    "console": set(),
    "doctor": set(),
    "fingerprint": set(),
    "io": set(),
    "statistics": set(),
    "metadata": {"io"},
    "configs": set(),
    "estimator": set(),
    "lib": {"configs"},
    "attacks": {"configs", "lib"},
    "keras": _MODEL,
    "trainer": _TRAINER,
    "graph": {"configs", *_LEAVES},
    "robustness": {*_MODEL, *_LEAVES},
    "tools": {"configs", "console", "graph", "robustness", *_LEAVES},
    "notebook": {"graph", "io"},
    "components": _COMPONENTS,
    "pipelines": {*_COMPONENTS, "components"},
    "cli": {
        *("configs", "console", "doctor", "graph", "metadata", "pipelines", "robustness", "tools"),
        *_LEAVES,
    },
}

HEAVY = ("numpy", "scipy", "tensorflow", "keras", "matplotlib", "apache_beam", "tfx")
# Each line may load what the lines above it may. TensorFlow 2.16 loads Keras and more by itself, so
# of TensorFlow's layers only Beam and TFX are asked for.
ALLOWED = {
    "nsl_tfx": set(),
    "nsl_tfx.configs": set(),
    "nsl_tfx.estimator": set(),
    "nsl_tfx.tools": set(),
    "nsl_tfx.cli": set(),
    "nsl_tfx.io": set(),
    "nsl_tfx.io.tfrecords": {"numpy"},
    "nsl_tfx.metadata": {"numpy"},
    "nsl_tfx.statistics": {"numpy", "scipy"},
    "nsl_tfx.graph": {"numpy", "scipy"},
}
WITHOUT_BEAM_AND_TFX = [
    "nsl_tfx.io.records",
    "nsl_tfx.lib",
    "nsl_tfx.attacks",
    "nsl_tfx.keras",
    "nsl_tfx.trainer",
    "nsl_tfx.robustness",
    *(
        f"nsl_tfx.pipelines.{case}.{module}"
        for case in ("digits", "citations", "reviews", "tumors")
        for module in ("config", "data", "model")
    ),
]


def imported_layers(code):
    """Returns the layers that Python code imports, at its top or inside functions."""
    layers, aliases = set(), set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which layer is meant"
            path = (node.module or "").split(".")
            if path == ["nsl_tfx"]:
                layers |= {alias.name for alias in node.names}
            elif path[0] == "nsl_tfx":
                layers.add(path[1])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top, *below = alias.name.split(".")
                if top == "nsl_tfx":
                    layers |= set(below[:1])
                    aliases.add(alias.asname or top)
    # `import nsl_tfx as nsl` loads a layer at `nsl.layer`.
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            layers |= {node.attr} if node.value.id in aliases else set()
    return layers


def files_of(layer):
    path = ROOT / "nsl_tfx" / layer
    return sorted(path.rglob("*.py")) or [path.with_suffix(".py")]


@pytest.mark.parametrize(
    ("code", "layers"),
    [
        ("import nsl_tfx", set()),
        ("import nsl_tfx.graph.files", {"graph"}),
        ("import nsl_tfx as nsl\nnsl.configs.Config", {"configs"}),
        ("from nsl_tfx import io, keras", {"io", "keras"}),
        ("from nsl_tfx.lib.norms import clip", {"lib"}),
        ("def f():\n    from nsl_tfx.components import staging", {"components"}),
        ("import numpy, keras.layers\nfrom os import path", set()),
    ],
)
def test_imports_are_found_in_every_form(code, layers):
    assert imported_layers(code) == layers


def test_every_layer_has_its_place():
    names = {path.stem for path in (ROOT / "nsl_tfx").iterdir() if path.suffix in ("", ".py")}
    assert names - {"__init__", "__pycache__"} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(layer):
    allowed = {layer, "version", *LAYERS[layer]}
    for file in files_of(layer):
        beyond = imported_layers(file.read_text(encoding="utf-8")) - allowed
        # A name that is no layer is one of the package itself, such as __version__.
        assert not beyond & {*LAYERS}, f"{file.relative_to(ROOT)} imports {sorted(beyond)}"


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


@pytest.mark.slow
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
