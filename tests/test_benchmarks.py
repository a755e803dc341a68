"""That the benchmarks run; what they find is theirs to say."""

import importlib
import shutil
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


@pytest.mark.slow
@pytest.mark.parametrize("part", ["cora", "digits", "reviews"])
def test_quality_prints_a_line_for_each_method(part, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    data = importlib.import_module("quality_data")
    missing = data.missing_files(part)
    if missing:
        pytest.skip(f"The data of {part} are not beside the checkout: {missing}.")
    methods = importlib.import_module(f"quality_{part}").METHODS.values()
    output = run_benchmark("quality.py", "--quick", "--only", part)
    lines = [line.split("|") for line in output.splitlines() if line.startswith("|")]
    assert [cells[1].strip() for cells in lines[2:]] == [method.title for method in methods]
    assert all(0 <= float(cells[2]) <= 100 for cells in lines[2:])


@pytest.mark.slow
def test_quality_names_missing_data(tmp_path):
    for script in (ROOT / "benchmarks").glob("quality*.py"):
        (tmp_path / "checkout/benchmarks").mkdir(parents=True, exist_ok=True)
        shutil.copy(script, tmp_path / "checkout/benchmarks")
    script = tmp_path / "checkout/benchmarks/quality.py"
    result = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "Expected the data of cora beside the checkout" in result.stderr


@pytest.mark.slow
def test_serving_finds_equal_graphs_and_outputs():
    lines = [line.split("\u2502") for line in run_benchmark("serving.py", "--quick").splitlines()]
    rows = [[cell.strip() for cell in line[1:-1]] for line in lines if len(line) > 3]
    assert [row[0] for row in rows] == ["pushed", "plain", "plain again"] * 2
    assert len({row[1] for row in rows}) == 1
    assert {row[-1] for row in rows} == {"equal"}


@pytest.mark.slow
def test_input_prints_a_line_for_each_way():
    output = run_benchmark("input.py", "--quick")
    for name in ("tf.data, shuffled", "kept in memory", "read in each pass"):
        assert output.count(name) >= 2


@pytest.mark.slow
def test_robustness_prints_a_line_for_each_attack(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    missing = importlib.import_module("quality_data").missing_files("digits")
    if missing:
        pytest.skip(f"The digits are not beside the checkout: {missing}.")
    output = run_benchmark("robustness.py", "--quick", "--no-peer")
    cells = [line.split("|")[1].strip() for line in output.splitlines() if line.startswith("|")]
    attacks = ["FGSM", "PGD", "APGD-CE", "APGD-DLR", "Square"]
    assert [cell for cell in cells if cell.endswith("ours")] == [
        f"{attack}, 20 images: ours" for attack in attacks
    ]
    assert {"2 gradients", "PGD, 2 steps", "4 gradients", "APGD-CE, 4 steps"} < set(cells)
    assert cells[-1] == "all, checks included"
