"""A graph of files that hold its edges, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsl_tfx.configs import DanglingIds, GraphImportConfig, Symmetrize
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.finishing.completion import Completion, complete_graph
from nsl_tfx.graph.finishing.description import describe_counts
from nsl_tfx.graph.graph import Graph
from nsl_tfx.graph.ids import as_list
from nsl_tfx.graph.importing.edge_files import find_edge_files, read_edge_file

_CAUSES = {
    "invalid_edges": "that are no edges (invalid_edges)",
    "self_loops": "from a node to itself (self_loops)",
}
# How files are read does not show in the graph: the same edges make the same one.
_READING = {
    "paths",
    "format",
    "source",
    "target",
    "weight",
    "header",
    "delimiter",
    "worker_memory_mb",
}


def import_graph(
    config: GraphImportConfig,
    nodes: pa.Table | None = None,
    advance: Callable[[float], None] = lambda count: None,
) -> Graph:
    r"""Reads the graph that files of edges hold.

    Args:
        config: Which files, and what becomes of their edges.
        nodes: The examples' ids and labels, of `coded_nodes`; None where every id is a node, and
            what the config says of examples does not matter.
        advance: Called with the number of edges read since its last call.

    Returns:
        The graph, with its metrics and what was dropped in `info`. `Graph.write` writes it.

    Raises:
        FileNotFoundError: No file matches.
        ValueError: A file is damaged, a row is no edge, or there is no edge at all; or, with nodes,
            two of them have one id, or edges have ids that none has and are not to.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        ...     _ = file.write("a\tb\t0.5\nb\ta\t0.75\n")
        ...     file.flush()
        ...     graph = import_graph(GraphImportConfig(paths=(file.name,)))
        >>> graph.to_arrow().to_pydict()
        {'source': [b'a', b'b'], 'target': [b'b', b'a'], 'weight': [0.75, 0.75]}
    """
    drops: Counter[str] = Counter()
    batches = []
    for file in find_edge_files(config.paths, config.format):
        for block in read_edge_file(file, config):
            batches.append(block.edges)
            drops.update(block.drops)
            advance(len(block.edges))
    table = pa.Table.from_batches(batches, EDGE_SCHEMA)
    how = Completion(
        symmetrize=symmetrize_of(config),
        dangling=config.dangling,
        max_linked_nodes=2 * len(table) + (0 if nodes is None else len(nodes)) + 1,
    )
    graph = complete_graph(table, nodes, how)
    check_any(graph.counts.nodes, drops)
    labeled = nodes is not None and config.label_feature is not None
    info = describe_counts(graph.counts, how, describe_import(config, drops), labeled)
    ids, edges = graph.ids, graph.edges
    if nodes is not None and config.dangling is not DanglingIds.KEEP:
        ids, edges = _without_unknown(ids, edges, nodes)
    return Graph(as_list(ids), edges, info | {"nodes": graph.counts.nodes})


def _without_unknown(ids: pa.Array, edges: EdgeList, nodes: pa.Table) -> tuple[pa.Array, EdgeList]:
    """Leaves out the ids that no node has, at which no edge is left."""
    known = pc.is_in(ids, nodes["id"]).to_numpy(zero_copy_only=False)
    number = np.cumsum(known) - 1
    return ids.filter(pa.array(known)), EdgeList(
        number[edges.source], number[edges.target], edges.weight
    )


def symmetrize_of(config: GraphImportConfig) -> Symmetrize:
    """Returns how both directions of an edge become one graph."""
    return Symmetrize.NONE if config.directed else Symmetrize.UNION


def describe_import(config: GraphImportConfig, drops: dict[str, int]) -> dict[str, Any]:
    """Returns what `graph.json` tells of an import, whatever the files' form, number and order."""
    settings = {key: value for key, value in config.to_dict().items() if key not in _READING}
    causes = ("invalid_edges", "self_loops")
    return {
        "config": settings,
        "drops": {cause: drops.get(cause, 0) for cause in causes},
        "method": "imported",
    }


def check_any(nodes: int, drops: Mapping[str, int] | None = None) -> None:
    """Raises ValueError where a graph has no nodes.

    Args:
        nodes: How many it has.
        drops: How many edges were dropped, by cause; None where that is not known.
    """
    if nodes:
        return
    if drops and (total := sum(drops.values())):
        causes = ", ".join(
            f"{count:,} {_CAUSES[cause]}" for cause, count in sorted(drops.items()) if count
        )
        raise ValueError(
            f"Expected at least one edge to make a graph of. Received {total:,}, all of which were "
            f"dropped: {causes}. Keep such edges, or mend the files."
        )
    raise ValueError(
        "Expected at least one edge to make a graph of. Received none in any of the files. "
        "Check that GraphImportConfig.paths names the right ones."
    )
