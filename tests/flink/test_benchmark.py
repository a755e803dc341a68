"""That the benchmark runs on a cluster; what it finds is its own to say."""

import importlib
from pathlib import Path

import pytest

from nsl_tfx.graph import read_graph

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.tfx
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_each_case_is_timed_and_builds_the_same_graph(cluster, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    flink = importlib.import_module("flink")
    seconds = flink.measure(cluster, tmp_path, rows=200, dimension=4, rounds=1)
    assert {case: len(found) for case, found in seconds.items()} == dict.fromkeys(flink.CASES, 1)
    in_process, *others = (read_graph(str(tmp_path / f"0-{i}")) for i in range(len(flink.CASES)))
    assert in_process.info["nodes"] == 200
    for graph in others:
        assert graph.to_arrow() == in_process.to_arrow()
