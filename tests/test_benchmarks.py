"""That the benchmarks run; what they find is theirs to say."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_training_prints_a_line_for_each_case_of_each_model():
    command = [sys.executable, ROOT / "benchmarks/training.py", "--quick", "--no-peer"]
    result = subprocess.run([*command, "--only", "fgsm"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    cases = [line.split("|")[1].strip() for line in result.stdout.splitlines() if "|" in line]
    assert [case for case in cases if case in ("plain", "FGSM")] == ["plain", "FGSM"] * 2
