"""Whether a new process, such as a worker of Beam's, can import what it needs."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from nsl_tfx.doctor.findings import Finding, Level

MODULES = (
    "google.protobuf",
    "tensorflow",
    "keras",
    "ml_metadata",
    "apache_beam",
    "tfx.v1",
    "nsl_tfx.components",
    "nsl_tfx.trainer",
)
"""In this order, so that the first that fails is the one that is broken."""

_SECONDS = 600
_MARK = "nsl-tfx doctor:"
_PROGRAM = f"""
import importlib, sys
for name in sys.argv[1:]:
    print("{_MARK} begins", name, flush=True)
    importlib.import_module(name)
print("{_MARK} ends", flush=True)
"""


def check_imports(modules: Sequence[str] = MODULES, seconds: float = _SECONDS) -> Finding:
    """Imports modules in a new process, in an empty folder: what breaks there breaks it alone.

    Args:
        modules: Full names.
        seconds: How long to wait.
    """
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *modules],
                cwd=empty,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Finding(
                "imports",
                Level.WRONG,
                f"not done after {seconds:.0f} s",
                "See which import takes so long: python -X importtime -c 'import tfx.v1'",
            )
    marks = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode == 0 and marks and marks[-1].endswith("ends"):
        return Finding("imports", Level.OK, "a new process imports TFX and all components")
    module = marks[-1].split()[-1] if marks else "Python"
    return Finding("imports", Level.WRONG, *_story(module, done.returncode, done.stderr))


def _story(module: str, code: int, errors: str) -> tuple[str, str]:
    """Returns what happened, and the cure."""
    if code == -signal.SIGILL:
        return (
            f"{module} uses instructions that this processor does not have",
            "Use a processor with AVX, on which TensorFlow is built to run.",
        )
    if code < 0:
        return (
            f"{module} ends the process ({signal.Signals(-code).name})",
            f"Install it anew, and see what it says: python -c 'import {module}'",
        )
    lines = [line for line in errors.splitlines() if line.strip()]
    said = lines[-1].strip() if lines else f"exit code {code}"
    if said.startswith("ModuleNotFoundError") and module.startswith("nsl_tfx"):
        return (
            f"a new process does not find {module}: {said}",
            "Install the package in this environment (pip install nsl-tfx), or name its folder in "
            "PYTHONPATH.",
        )
    return f"{module} does not import: {said}", f"See the whole story: python -c 'import {module}'"
