import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nsl_tfx import metadata


@dataclasses.dataclass(frozen=True)
class DemoRun:
    """What `nsl-tfx demo` printed the first and the second time, and what it left."""

    first: subprocess.CompletedProcess
    second: subprocess.CompletedProcess
    root: Path

    @property
    def outputs(self) -> dict[str, dict[str, metadata.ArtifactRecord]]:
        store = metadata.open_store(str(self.root / "metadata.sqlite"))
        return metadata.last_outputs(store, "digits")

    @property
    def evaluation(self) -> dict[str, Any]:
        uri = self.outputs["RobustnessEvaluator"]["evaluation"].uri
        return json.loads((Path(uri) / "metrics.json").read_text())


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> DemoRun:
    """The real thing, run once for all tests, as a user runs it."""
    folder = tmp_path_factory.mktemp("demo")
    runs = [
        subprocess.run(
            [sys.executable, "-m", "nsl_tfx.cli", "demo"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        for _ in range(2)
    ]
    return DemoRun(*runs, folder / "nsl-tfx-demo" / "seed-0")
