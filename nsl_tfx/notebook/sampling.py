"""A few nodes of a graph with their neighbors, without the rest of it in memory."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsl_tfx.graph.files import iterate_edges


@dataclasses.dataclass(frozen=True)
class Neighborhood:
    """A node and its neighbors.

    Attributes:
        node: Its id.
        neighbors: The nearest ones' ids and the edges' weights, the highest first.
        degree: How many neighbors it has in all.
    """

    node: bytes
    neighbors: tuple[tuple[bytes, float], ...]
    degree: int


def sample_neighborhoods(
    folder: str, nodes: int = 5, neighbors: int = 4, seed: int = 0
) -> list[Neighborhood]:
    """Returns nodes at random among those of a graph's first file of edges, in its order.

    Args:
        folder: Of the graph's files.
        nodes: How many nodes, at most.
        neighbors: How many neighbors of each, at most: those of the highest weights.
        seed: Of the choice.

    Raises:
        FileNotFoundError: The folder holds no graph.
        ValueError: A file is damaged, or fewer than one node or neighbor is asked for.
    """
    for name, value in (("nodes", nodes), ("neighbors", neighbors)):
        if value < 1:
            raise ValueError(f"Expected {name} >= 1 (how many are shown). Received: {value}.")
    first = next((table for table in iterate_edges(folder) if len(table)), None)
    if first is None:
        return []
    sources = pc.unique(first["source"])
    count = min(nodes, len(sources))
    chosen = np.random.default_rng(seed).choice(len(sources), count, replace=False)
    wanted = sources.take(pa.array(np.sort(chosen)))
    edges = first.filter(pc.is_in(first["source"], value_set=wanted))
    rows = zip(*(edges[name].to_pylist() for name in ("source", "target", "weight")), strict=True)
    found = []
    for node, group in itertools.groupby(rows, key=lambda row: row[0]):
        # A file holds a node's edges by descending weight.
        pairs = [(target, weight) for _, target, weight in group]
        found.append(Neighborhood(node, tuple(pairs[:neighbors]), len(pairs)))
    return found
