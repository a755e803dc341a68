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


def run_benchmark(name: str, *options: str) -> str:
    command = [sys.executable, ROOT / "benchmarks" / name, *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_graphs_print_a_table_for_each_part():
    output = run_benchmark("graph.py", "--quick", "--no-peer")
    for title in ("Exact, 5,000", "Growth", "Approximate, 20,000", "From TFRecords"):
        assert title in output
    found = [line.split() for line in output.splitlines() if line.split()[:1] == ["10,000"]]
    assert [float(row[2]) >= 0.95 for row in found] == [True]  # the recall at twice the rows


@pytest.mark.slow
def test_packing_prints_a_line_for_each_case():
    output = run_benchmark("packing.py", "--rows", "300", "--no-peer")
    cases = [line.split("|")[1].strip() for line in output.splitlines() if line.startswith("|")]
    packed = "nsl_tfx.tools.pack_nbrs"
    assert [cases.count(packed), cases.count(f"{packed}, gzipped")] == [1, 1]
    assert {"kernel, gzipped", "Beam, 1 part, gzipped", "Beam, 4 parts, gzipped"} < set(cases)
