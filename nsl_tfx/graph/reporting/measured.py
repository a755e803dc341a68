"""What is known of a graph, in a folder or in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.building.similarity import SimilarityGraph
from nsl_tfx.graph.files import check_files, iterate_edges
from nsl_tfx.graph.graph import Graph
from nsl_tfx.graph.measuring.measurement import measure_graph

AnyGraph = str | os.PathLike[str] | Graph | SimilarityGraph
"""The folder of a graph's files, or a graph in memory."""


def info_of(graph: AnyGraph) -> dict[str, Any]:
    """Returns what `graph.json` tells of a graph, or would tell: one in memory is measured.

    Raises:
        FileNotFoundError: The folder holds no graph, or not all of its files.
        TypeError: It is no graph.
        ValueError: A file is damaged or another run's, or the graph in memory has no node.

    Example:
        >>> info_of(Graph.from_edges(["a"], ["b"], [0.5]))["metrics"]["mean_degree"]
        0.5
    """
    if isinstance(graph, (str, os.PathLike)):
        return check_files(os.fspath(graph))
    if isinstance(graph, SimilarityGraph):
        graph = graph.to_graph()
    if not isinstance(graph, Graph):
        raise TypeError(
            "Expected a graph: the folder of its files, a Graph or a SimilarityGraph. Received: "
            f"{type(graph).__name__}."
        )
    known, nodes = dict(graph.info), len(graph.ids) + graph.unnamed_nodes
    if "metrics" not in known:
        known["metrics"] = measure_graph(nodes, graph.edges).to_dict()
    return {**known, "nodes": nodes, "edges": len(graph.edges)}


def weights_of(graph: AnyGraph) -> Iterator[NDArray[np.float32]]:
    """Yields the weights of a graph's edges; of one in a folder, a file is in memory at a time.

    Raises:
        FileNotFoundError: The folder holds no graph, or not all of its files.
        ValueError: A file is damaged or another run's.
    """
    if isinstance(graph, (str, os.PathLike)):
        for table in iterate_edges(os.fspath(graph)):
            yield table["weight"].to_numpy()
    else:
        yield graph.edges.weight
