"""The nodes that the ready pipelines have in common."""

import os

import pytest

pytestmark = pytest.mark.tfx


def test_an_empty_root_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    from nsl_tfx.pipelines.tumors.pipeline import create_pipeline

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"Expected a folder\. Received: ''"):
        create_pipeline("", "data")
    assert not os.listdir(tmp_path)
