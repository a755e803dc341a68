"""What `nsl-tfx demo` says of a run, without the run."""

import subprocess

import pytest
from rich.console import Console

from nsl_tfx.pipelines.lineage import ArtifactRecord

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
