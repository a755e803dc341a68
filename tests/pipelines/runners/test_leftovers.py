"""What a run that was stopped or killed leaves, told and removed by the next."""

import os

import pandas as pd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from nsl_tfx import metadata
from tests.metadata.stores import Writer

pytestmark = pytest.mark.tfx

NAMES = [("plain", "Trainer"), ("with.points", "Trainer"), ("with.points", "Trainer.base")]


def output(root, node, execution):
    """Makes what a node has written so far."""
    path = root / node / "model" / str(execution)
    path.mkdir(parents=True)
    (path / "half").touch()
    return path


@pytest.mark.parametrize(("pipeline", "node"), NAMES)
def test_a_nodes_folder_is_found_by_its_id(tmp_path, pipeline, node):
    from nsl_tfx.pipelines.runners.leftovers import settle

    writer = Writer(tmp_path / "m.sqlite")
    done, open_ = (
        writer.execute(pipeline, "run", node, state=state) for state in ("complete", "running")
    )
    whole, half = (output(tmp_path / "root", node, one) for one in (done, open_))
    found = settle(writer.store, "run", os.fspath(tmp_path / "root"), pb.Execution.CANCELED)
    assert found == [node]
    assert (whole.exists(), half.exists()) == (True, False)
    assert list(metadata.executions(writer.store, "run")["state"]) == ["complete", "canceled"]
    assert settle(writer.store, "run", os.fspath(tmp_path), pb.Execution.FAILED) == []


@pytest.mark.parametrize("is_unseen", [False, True])
def test_only_who_saw_the_end_tells_the_time(tmp_path, is_unseen):
    from nsl_tfx.pipelines.runners.leftovers import settle

    writer = Writer(tmp_path / "m.sqlite")
    writer.execute("mine", "run", "Trainer", state="running")
    settle(writer.store, "run", os.fspath(tmp_path), pb.Execution.FAILED, is_unseen)
    (seconds,) = metadata.executions(writer.store, "run")["seconds"]
    assert pd.isna(seconds) == is_unseen
