"""Beam runners that a pipeline names and this machine lacks."""

import os
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.tfx

FLINK = "--runner=FlinkRunner"


def pipeline_of(*nodes):
    """Returns what is asked of a pipeline: the nodes, and their Beam arguments."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

    components = [SimpleNamespace(id="Plain", executor_spec=None)]
    for number, arguments in enumerate(nodes):
        spec = BeamExecutorSpec(BaseBeamExecutor)
        spec.add_beam_pipeline_args(arguments)
        components.append(SimpleNamespace(id=f"Node{number}", executor_spec=spec))
    return SimpleNamespace(components=components)


def check(*nodes):
    from nsl_tfx.pipelines.runners.beam_runners import check_beam_runners

    check_beam_runners(pipeline_of(*nodes))


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A folder with a program of that name, the only one on the path."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program = tmp_path / "bin/java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    "arguments",
    [[], ["--direct_num_workers=1"], ["--runner=DirectRunner"], ["--runner", "directrunner"],
     [FLINK, "--flink_master=host:8081"], ["--runner=SparkRunner", "--an_option_of_mine=1"]],
)  # fmt: skip
@pytest.mark.usefixtures("java")
def test_runners_that_are_here(arguments):
    check(arguments)


def test_a_runner_that_is_not_known_is_told_with_its_node():
    with pytest.raises(ValueError, match=r"of Node1 with a runner .*=Flunk\. .*DirectRunner"):
        check(["--runner=DirectRunner"], ["--runner=Flunk"])


def test_a_runner_whose_package_is_missing():
    with pytest.raises(ValueError, match=r"Received: --runner=no\.such\.Runner\. .*'no'"):
        check(["--runner=no.such.Runner"])


def test_of_two_runners_the_last_counts():
    # A node's own come after the pipeline's.
    check(["--runner=Flunk", "--runner=DirectRunner"])


@pytest.mark.parametrize("runner", ["FlinkRunner", "flink", "SparkRunner"])
def test_without_java_the_cure_is_told(java, runner):
    java.unlink()
    with pytest.raises(ValueError, match=r"no java on the path\. Install a Java runtime"):
        check([f"--runner={runner}"])


def test_a_java_home_without_java_is_named(java, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", os.fspath(java.parent))
    with pytest.raises(ValueError, match=f"no java in JAVA_HOME={java.parent}"):
        check([FLINK])


@pytest.mark.parametrize("option", ["--job_endpoint=host:8099", "--flink_submit_uber_jar"])
def test_a_job_server_elsewhere_needs_no_java(java, option):
    java.unlink()
    check([FLINK, option])


def test_arguments_that_beam_cannot_read():
    with pytest.raises(ValueError, match=r"Received: .*parallelism=x\. .*invalid int value: 'x'"):
        check([FLINK, "--parallelism=x"])


def test_arguments_that_only_a_run_knows_are_left_out():
    check([object(), "--runner=DirectRunner"])


def test_what_a_caller_adds_counts_before_all_else():
    from nsl_tfx.pipelines.runners.beam_runners import add_beam_arguments, check_beam_runners

    pipeline = pipeline_of([], ["--runner=Flunk", "--parallelism=2"])
    add_beam_arguments(pipeline, ["--runner=DirectRunner"])
    check_beam_runners(pipeline)
    assert [node.executor_spec.beam_pipeline_args for node in pipeline.components[1:]] == [
        ["--runner=DirectRunner"],
        ["--runner=Flunk", "--parallelism=2", "--runner=DirectRunner"],
    ]
