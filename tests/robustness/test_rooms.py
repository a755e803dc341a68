"""The robustness layer's rooms import one way; `tests/test_layering.py` asks the same of layers."""

import re
from pathlib import Path

import pytest

import nsl_tfx.robustness

FOLDER = Path(nsl_tfx.robustness.__file__).parent
# Room to the rooms that it may import, beside itself and what lies in the folder itself.
ROOMS = {
    "models": set(),
    "attacking": {"models"},
    "faults": {"attacking", "models"},
    "measuring": {"attacking", "faults", "models"},
    "judging": {"attacking", "measuring"},
    "reporting": {"attacking"},
}
_IMPORT = re.compile(r"^\s*(?:from|import) nsl_tfx\.robustness\.(\w+)", re.MULTILINE)


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room):
    for path in sorted((FOLDER / room).rglob("*.py")):
        found = set(_IMPORT.findall(path.read_text())) & set(ROOMS)
        assert found <= {room, *ROOMS[room]}, path.name


def test_imports_are_found():
    code = "def f():\n    from nsl_tfx.robustness.judging.scores import score"
    assert _IMPORT.findall(code) == ["judging"]
