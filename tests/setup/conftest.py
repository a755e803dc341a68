"""Drives the functions of the shell scripts, each case in a bash of its own."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RunBash = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bash(tmp_path: Path) -> RunBash:
    """Runs bash code after sourcing a script, with an empty home and none of our settings."""

    def run(code: str, *, script: Path = ROOT / "scripts/setup.sh", **env: str):
        clean = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(tmp_path / "home"),
            **env,
        }
        return subprocess.run(
            ["bash", "-c", f'source "$1"\n{code}', "bash", str(script)],
            env=clean,
            cwd=os.sep,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
