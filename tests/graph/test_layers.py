"""The graph layer's rooms import one way, and their modules load no more than they need.

`tests/test_layering.py` asks the same of the layers.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nsl_tfx.graph

FOLDER = Path(nsl_tfx.graph.__file__).parent
# What all rooms share lies in the folder itself, but for a graph in memory, which measures itself.
SHARED, IN_MEMORY = "", "graph.py"
# Room to the rooms that it may import, beside itself and what is shared.
ROOMS = {
    SHARED: set(),
    "search": set(),
    "measuring": set(),
    "examples": set(),
    "exporting": set(),
    IN_MEMORY: {"measuring"},
    "finishing": {"measuring"},
    "building": {"examples", "finishing", "measuring", "search", IN_MEMORY},
    "importing": {"examples", "finishing", IN_MEMORY},
    "joining": {"examples"},
    "identifying": {"examples"},
    "reporting": {"building", "measuring", IN_MEMORY},
}


def room_of(names):
    """Returns the room of a module below the graph layer, by the parts of its name there."""
    first = names[0] if names else ""
    if first == "graph":
        return IN_MEMORY
    return first if first in ROOMS else SHARED


def imported_rooms(code):
    """Returns the rooms that Python code imports, at its top or inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # What is imported may be a module, or a name in one.
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {
            room_of(path.split(".")[2:]) for path in paths if path.startswith("nsl_tfx.graph.")
        }
    return rooms


def files_of(room):
    if room == SHARED:
        return [path for path in FOLDER.glob("*.py") if path.name not in ("__init__.py", IN_MEMORY)]
    path = FOLDER / room
    return [path] if room == IN_MEMORY else sorted(path.rglob("*.py"))


@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("import nsl_tfx.graph.building.blocks", {"building"}),
        ("import nsl_tfx.graph.files, nsl_tfx.io.storage", {SHARED}),
        ("from nsl_tfx.graph import joining, search", {"joining", "search"}),
        ("from nsl_tfx.graph.graph import Graph", {IN_MEMORY}),
        ("def f():\n    from nsl_tfx.graph.importing.edge_files import text", {"importing"}),
        ("from nsl_tfx.io import wire\nimport numpy", set()),
    ],
)
def test_imports_are_found_in_every_form(code, rooms):
    assert imported_rooms(code) == rooms


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert rooms == {*ROOMS} - {SHARED, IN_MEMORY}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room):
    for file in files_of(room):
        beyond = imported_rooms(file.read_text(encoding="utf-8")) - {room, SHARED, *ROOMS[room]}
        assert not beyond, f"{file.relative_to(FOLDER)} imports {sorted(beyond)}"


def test_no_room_lies_below_itself():
    for room in ROOMS:
        reached, waiting = set(), set(ROOMS[room])
        while waiting:
            reached |= waiting
            waiting = set().union(*(ROOMS[one] for one in waiting)) - reached
        assert room not in reached


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "absent"),
    [
        (
            "nsl_tfx.graph.building.blocks, nsl_tfx.graph.finishing.description",
            {"apache_beam", "tensorflow", "tfx"},
        ),
        ("nsl_tfx.graph.joining.packing", {"apache_beam", "tfx"}),
        (
            "nsl_tfx.graph.examples, nsl_tfx.graph.identifying, nsl_tfx.graph.joining",
            {"apache_beam", "tensorflow", "tfx"},
        ),
        ("nsl_tfx.graph.building.transform", {"tensorflow", "tfx"}),
        ("nsl_tfx.graph.joining.transform", {"tfx"}),
        ("nsl_tfx.graph.importing.whole", {"apache_beam", "tensorflow", "tfx"}),
        (
            "nsl_tfx.graph.importing.transform, nsl_tfx.graph.finishing.transform",
            {"tensorflow", "tfx"},
        ),
    ],
)
def test_submodules_load_nothing_they_do_not_need(names, absent):
    code = f"import sys, {names}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(done.stdout.splitlines()[-1].split())
