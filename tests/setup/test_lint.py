"""pyproject.toml lets ruff see every file of the package, each under one name."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ruff_checks_the_package_and_not_the_links_to_it():
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--show-files", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # Not resolved: that would follow the links.
    shown = {str(Path(line).relative_to(ROOT)) for line in done.stdout.splitlines()}
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "nsl_tfx").rglob("*.py")}
    assert {"nsl_tfx/components/graph_builder.py", "nsl_tfx/pipelines/demo.py"} <= package
    assert package <= shown
    assert not [path for path in shown if path.startswith(("components/", "pipelines/"))]
