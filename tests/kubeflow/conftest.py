"""What the tests for Kubeflow share."""

import pytest


@pytest.fixture(scope="session")
def kfp():
    reason = "TFX compiles with kfp, which it offers below Python 3.12 alone"
    return pytest.importorskip("kfp", reason=reason)
