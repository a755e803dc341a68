"""What the graph layer's submodules load; `tests/test_layering.py` asks for the package itself."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "absent"),
    [
        ("nsl_tfx.graph.blocks, nsl_tfx.graph.description", {"apache_beam", "tensorflow", "tfx"}),
        ("nsl_tfx.graph.packing", {"apache_beam", "tfx"}),
        ("nsl_tfx.graph.building", {"tensorflow", "tfx"}),
        ("nsl_tfx.graph.joining", {"tfx"}),
        ("nsl_tfx.graph.importing", {"apache_beam", "tensorflow", "tfx"}),
        ("nsl_tfx.graph.edge_reading, nsl_tfx.graph.finishing", {"tensorflow", "tfx"}),
    ],
)
def test_submodules_load_nothing_they_do_not_need(names, absent):
    code = f"import sys, {names}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(done.stdout.splitlines()[-1].split())
