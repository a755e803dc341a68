"""What `nsl-tfx demo` says of a run, without the run."""

import re
import subprocess

import pytest
from rich.console import Console

from nsl_tfx.metadata import ArtifactRecord

pytestmark = pytest.mark.tfx


def pushed_to(path, pushed=1):
    return ArtifactRecord("", {"pushed": pushed, "pushed_destination": str(path)})


def test_label_agreement_tells_how_few_pairs_it_rests_on():
    from nsl_tfx.pipelines.demo import graph_table

    agreement = {"share": 0.9, "low": 0.8, "high": 1.0, "chance": 0.1, "pairs": 38}
    metrics = {
        "nodes": 1000,
        "edges": 7000,
        "pairs": 3500,
        "isolated_nodes": 0,
        "label_agreement": agreement,
    }
    console = Console(width=100)
    with console.capture() as printed:
        console.print(graph_table({"metrics": metrics}))
    assert "38 of 3,500 pairs" in printed.get()


def share(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def scores(accuracy, robust, p_values):
    return {
        "accuracy": share(accuracy),
        "robust_accuracy": share(robust),
        "attacks": [{"name": "fgsm"}, {"name": "pgd"}],
        "slices": [
            {"value": str(i), "robust_accuracy": share(robust - 0.1 * i), "p_value": p_value}
            for i, p_value in enumerate(p_values)
        ],
        "corruptions": [
            {
                "name": name,
                "points": [{"accuracy": share(accuracy - 0.1 * i)} for i in range(1, 4)],
            }
            for name in ("gaussian_noise", "occlusion")
        ],
    }


def printed_models(p_values):
    from nsl_tfx.pipelines.demo import model_table

    gain = {"difference": 0.102, "low": -0.101, "high": 0.303}
    evaluation = {
        "examples": 500,
        "config": {"confidence": 0.95, "epsilon": 0.1, "attacks": "fast", "severities": [1, 2, 4]},
        "baseline": scores(0.8, 0.4, p_values),
        "model": scores(0.9, 0.5, p_values),
        "comparison": {"accuracy": gain, "robust_accuracy": gain},
    }
    console = Console(width=80)
    with console.capture() as printed:
        console.print(model_table(evaluation))
    return [line.rstrip() for line in printed.get().splitlines()]


def test_models_stand_side_by_side_clean_attacked_and_corrupted():
    rows = {
        line.split("  ")[1].strip(): line for line in printed_models([0.3, 0.01]) if "[" in line
    }
    values = {
        name: [part.split()[0] for part in re.findall(r"\S+ \[", rows[name])] for name in rows
    }
    assert values == {
        "clean": ["80.0", "90.0", "+10.2"],
        "attacked": ["40.0", "50.0", "+10.2"],
        "": ["30.0", "40.0"],
        "noise": ["50.0", "60.0"],
        "occlusion": ["50.0", "60.0"],
    }
    assert "digit 1" in rows[""]


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.3, 0.01], "digit 1: the regularized model's weakest, clearly so (p = 0.01)"),
        ([0.3, 0.2], "digit 1: the regularized model's weakest, perhaps by chance (p = 0.2)"),
    ],
)
def test_below_the_models_it_says_what_the_rows_are(p_values, expected):
    lines = printed_models(p_values)
    assert "attacked: every pixel moved by up to 0.1; the worst of fgsm, pgd" in lines
    assert expected in lines
    assert "noise, occlusion: at severity 4 of 5" in lines
    assert "…" not in "".join(lines)


def test_without_slices_no_digit_is_named():
    assert not [line for line in printed_models([]) if "digit" in line]


def test_a_pushed_model_that_is_there_is_fine(tmp_path):
    from nsl_tfx.pipelines.demo import check_pushed

    (tmp_path / "saved_model.pb").touch()
    check_pushed(pushed_to(tmp_path), "runs/seed-0")


def test_nothing_pushed_is_fine(tmp_path):
    from nsl_tfx.pipelines.demo import check_pushed

    check_pushed(pushed_to(tmp_path / "none", pushed=0), "runs/seed-0")


def test_a_pushed_model_that_is_gone_is_said_with_the_cure(tmp_path):
    from nsl_tfx.pipelines.demo import check_pushed

    with pytest.raises(RuntimeError, match=r"none is there. Delete runs/seed-0 or choose another"):
        check_pushed(pushed_to(tmp_path / "1"), "runs/seed-0")


def test_a_pushed_model_that_does_not_work_is_said_with_the_cure(tmp_path, monkeypatch):
    from nsl_tfx.pipelines import demo

    def fail(command, **_):
        return subprocess.CompletedProcess(command, 3, stdout="")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"exit status 3\). Delete runs/seed-0 or choose"):
        demo._print_served(pushed_to(tmp_path), "runs/seed-0", str(tmp_path), Console())
