import pytest

from tests.flink.cluster import Cluster, missing


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    lacks = missing()
    if lacks is not None:
        pytest.skip(f"nothing was run on Flink: {lacks}")
    with Cluster(tmp_path_factory.mktemp("flink") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def cluster(running):
    """The session's cluster, with two task managers."""
    running.restore(2)
    return running
