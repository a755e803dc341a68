"""What an import will take, told before the files are read."""

import re

import numpy as np
import pytest

from nsl_tfx.graph import Graph, export_graph
from nsl_tfx.graph.importing.edge_files import find_edge_files
from nsl_tfx.tools.imported_graph import foresee_import

EDGES = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("graph"))
    weights = np.random.default_rng(0).random(EDGES)
    Graph.from_edges(np.arange(EDGES) + 10_000, np.arange(EDGES) + 20_000, weights).write(path)
    return path


@pytest.mark.parametrize("name", ["x.tsv", "x.tsv.gz", "x.csv", "x.parquet", "tfgnn"])
def test_the_number_of_edges_is_guessed_from_files(folder, tmp_path, name):
    path = str(tmp_path / name)
    export_graph(folder, path, name.split(".")[1] if "." in name else name)
    files = find_edge_files([f"{path}/edges*" if name == "tfgnn" else path])
    found = int(re.match(r"About ([\d,]+) edges: ", foresee_import(files))[1].replace(",", ""))
    assert found == pytest.approx(EDGES, rel=0.02)


@pytest.mark.parametrize("name", ["x.tsv", "x.tfrecord"])
def test_empty_files_hold_no_edges(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert foresee_import(find_edge_files([str(tmp_path / name)])).startswith("About 0 edges")
