"""A name of NSL's tools is its function, whatever was imported before, and a command too."""

import subprocess
import sys

import pytest

import nsl_tfx as nsl

FUNCTIONS = [
    "add_edge",
    "add_undirected_edges",
    "build_graph",
    "build_graph_from_config",
    "pack_nbrs",
    "read_tsv_graph",
    "write_tsv_graph",
]
WAYS = {
    "attribute": "import nsl_tfx as nsl; found = nsl.tools.{0}",
    "from": "from nsl_tfx.tools import {0} as found",
    "module first": "import nsl_tfx.tools.{0}, nsl_tfx; found = nsl_tfx.tools.{0}",
    "out of the module": "from nsl_tfx.tools.{0} import {0} as found",
    "module last": "import nsl_tfx; nsl_tfx.tools.{0}; import nsl_tfx.tools.{0}; "
    "found = nsl_tfx.tools.{0}",
    "pickled": "import pickle, nsl_tfx; found = pickle.loads(pickle.dumps(nsl_tfx.tools.{0}))",
}


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_all_names_of_nsl_are_there():
    assert nsl.tools.__all__ == FUNCTIONS == dir(nsl.tools)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nsl.tools.nothing


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_function_is_found(way):
    code = "\n".join(
        f"{WAYS[way].format(name)}\nassert found.__name__ == {name!r} and callable(found)"
        for name in ("build_graph", "pack_nbrs")
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build_graph", "pack_nbrs"])
def test_the_module_is_a_command(name):
    done = run("-m", f"nsl_tfx.tools.{name}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--id_feature_name" in done.stdout
