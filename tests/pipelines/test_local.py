import io

import pytest

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def local():
    from nsl_tfx.pipelines import local

    return local


def make_pipeline(folder):
    from tfx import v1 as tfx

    return tfx.dsl.Pipeline(
        pipeline_name="broken",
        pipeline_root=str(folder / "artifacts"),
        components=[tfx.components.ImportExampleGen(input_base=str(folder / "data"))],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local"],
    )


def test_a_failing_node_is_named(local, tmp_path):
    from rich.console import Console

    output = io.StringIO()
    (tmp_path / "data").mkdir()
    with pytest.raises(local.NodeFailedError, match=r"^ImportExampleGen failed\. .+") as caught:
        local.run_locally(make_pipeline(tmp_path), Console(file=output))
    assert caught.value.node == "ImportExampleGen"
    assert caught.value.__cause__ is not None
    assert "1/1  ImportExampleGen  failed" in output.getvalue()


def test_a_second_run_is_kept_out(local, tmp_path):
    folder = str(tmp_path / "new")
    first, second = (local.only_run_in(folder) for _ in range(2))
    with first, pytest.raises(RuntimeError, match="one is at work there"):
        second.__enter__()
    with local.only_run_in(folder):
        pass
