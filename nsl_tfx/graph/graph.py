"""A graph in memory, to and from its files and other libraries' forms."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from nsl_tfx.graph.assembly import assemble, is_symmetric
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.files import edge_table, read_edges, read_graph_info, write_graph
from nsl_tfx.graph.ids import as_list, decode_ids
from nsl_tfx.graph.measuring.measurement import measure_graph
from nsl_tfx.graph.numbering import number_ids

# What a graph's files say of themselves; `write` says it anew.
_OF_THE_FILES = ("format_version", "edges", "shards")


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A weighted graph over ids.

    Ids are bytes everywhere; what takes ids turns text into UTF-8 and integers into their digits,
    and what gives them gives text where `decode` is set.

    Attributes:
        ids: The nodes, ascending; a node's place here is its number in `edges`.
        edges: The edges, sorted by source, descending weight and target.
        info: The content of `graph.json`; empty where the graph was not read from files.

    Example:
        >>> graph = Graph.from_edges(["a", "b"], ["b", "c"], [0.5, 1.0], directed=False)
        >>> graph, graph.ids, graph.is_directed
        (Graph(nodes=3, edges=4), [b'a', b'b', b'c'], False)
    """

    ids: list[bytes]
    edges: EdgeList
    info: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        # Not the ids and arrays, of which there may be millions.
        nodes = len(self.ids) + self.unnamed_nodes
        return f"Graph(nodes={nodes}, edges={len(self.edges)})"

    @property
    def unnamed_nodes(self) -> int:
        """Nodes without edges that the files count but do not name."""
        return max(0, self.info.get("nodes", 0) - len(self.ids))

    @property
    def is_directed(self) -> bool:
        """Whether an edge lacks its reverse of the same weight."""
        return not is_symmetric(self.edges, len(self.ids))

    @classmethod
    def from_edges(
        cls, source: Any, target: Any, weight: Any = None, nodes: Any = None, directed: bool = True
    ) -> Graph:
        """Makes a graph of columns: sequences, NumPy arrays, pandas Series or Arrow arrays.

        Args:
            source: Id that each edge starts at.
            target: Id that it ends at.
            weight: Its weight, taken as float32; 1 for all when None.
            nodes: Further ids: those of nodes without edges.
            directed: False adds each edge's reverse.

        Raises:
            TypeError: An id is neither bytes, text nor an integer, or a weight is no number.
            ValueError: An id is missing or empty, a weight is not finite, or an edge is there
                twice.
        """
        return cls(*assemble(source, target, weight, nodes, directed))

    def to_arrow(self) -> pa.Table:
        """Returns the edges: `source`, `target` (binary) and `weight` (float)."""
        return edge_table(self.ids, self.edges)

    @classmethod
    def from_arrow(
        cls,
        table: pa.Table,
        source: str = "source",
        target: str = "target",
        weight: str | None = "weight",
        nodes: Any = None,
        directed: bool = True,
    ) -> Graph:
        """Makes a graph of a table's columns.

        Args:
            table: A row an edge.
            source: Column of the ids that edges start at.
            target: Column of the ids that they end at.
            weight: Column of the weights; None where all are 1.
            nodes: Further ids: those of nodes without edges.
            directed: False adds each edge's reverse.

        Raises:
            TypeError: As `from_edges`.
            ValueError: As `from_edges`, or a column is missing.
        """
        starts, ends, weights = _columns(table, table.column_names, source, target, weight)
        return cls.from_edges(starts, ends, weights, nodes, directed)

    def to_pandas(self, decode: bool = False) -> Any:
        """Returns the edges as a DataFrame: `source`, `target` and `weight` (float32).

        Args:
            decode: Give ids as text instead of bytes.

        Raises:
            ValueError: `decode` is set and an id is not UTF-8.
        """
        import pandas as pd

        names = np.empty(len(self.ids), object)
        names[:] = self.names(decode)
        return pd.DataFrame(
            {
                "source": names[self.edges.source],
                "target": names[self.edges.target],
                "weight": self.edges.weight.copy(),
            }
        )

    @classmethod
    def from_pandas(
        cls,
        frame: Any,
        source: str = "source",
        target: str = "target",
        weight: str | None = "weight",
        nodes: Any = None,
        directed: bool = True,
    ) -> Graph:
        """Makes a graph of a DataFrame's columns; for arguments and errors see `from_arrow`.

        Example:
            >>> import pandas as pd
            >>> frame = pd.DataFrame({"source": [1, 1], "target": [2, 3], "weight": [0.5, 0.25]})
            >>> Graph.from_pandas(frame).ids
            [b'1', b'2', b'3']
        """
        starts, ends, weights = _columns(frame, list(frame.columns), source, target, weight)
        return cls.from_edges(starts, ends, weights, nodes, directed)

    def to_csr(self) -> tuple[csr_array, NDArray[np.object_]]:
        """Returns the matrix of weights, float32 `[nodes, nodes]`, and the ids of its rows.

        An edge of weight zero is a stored zero, which SciPy's `eliminate_zeros` removes.

        Example:
            >>> matrix, ids = Graph.from_edges(["a"], ["b"], [0.5]).to_csr()
            >>> matrix.toarray().tolist(), ids.tolist()
            ([[0.0, 0.5], [0.0, 0.0]], [b'a', b'b'])
        """
        order = np.lexsort((self.edges.target, self.edges.source))
        edges = self.edges.select(order)
        count = len(self.ids)
        starts = np.concatenate([[0], np.cumsum(np.bincount(edges.source, minlength=count))])
        matrix = csr_array((edges.weight, edges.target, starts), shape=(count, count))
        ids = np.empty(count, object)
        ids[:] = self.ids
        return matrix, ids

    @classmethod
    def from_csr(cls, matrix: Any, ids: Any = None, directed: bool = True) -> Graph:
        """Makes a graph of a sparse matrix of weights; stored zeros are edges too.

        Args:
            matrix: Any sparse form of SciPy, `[nodes, nodes]`.
            ids: The id of each row; its number when None.
            directed: False adds each edge's reverse.

        Raises:
            TypeError: The matrix is not sparse, or as `from_edges`.
            ValueError: It is not square, the ids are not one a row, each once, or as `from_edges`.
        """
        if not issparse(matrix):
            kind = type(matrix).__name__
            raise TypeError(
                f"Expected a sparse matrix of SciPy. Received: {kind}. Convert it with "
                "scipy.sparse.csr_array(matrix)."
            )
        rows = range(matrix.shape[0]) if ids is None else ids
        names = np.empty(len(rows), object)
        names[:] = list(rows)
        if matrix.shape != (len(names), len(names)):
            raise ValueError(
                "Expected a square matrix and an id for each of its rows. Received shape "
                f"{list(matrix.shape)} and {len(names)} ids."
            )
        entries = matrix.tocoo()
        graph = cls.from_edges(
            names[entries.row], names[entries.col], entries.data, names, directed=directed
        )
        if len(graph.ids) != len(names):
            raise ValueError(
                f"Expected each id once. Received {len(names)} ids, of which {len(graph.ids)} are "
                "different."
            )
        return graph

    def to_networkx(self, directed: bool | None = None, decode: bool = False) -> Any:
        """Returns a networkx DiGraph, or Graph, with the attribute `weight` on each edge.

        Args:
            directed: Whether it is a DiGraph; when None, it is one unless each edge has its reverse
                of the same weight.
            decode: Give ids as text instead of bytes.

        Raises:
            ValueError: It shall be undirected but is not, or `decode` is set and an id is not
                UTF-8.
        """
        import networkx as nx

        is_directed = self.is_directed
        if directed is None:
            directed = is_directed
        if is_directed and not directed:
            raise ValueError(
                "Expected a graph whose edges have reverses of the same weight, for directed=False."
                " Received one that is directed. Leave the argument out to get a DiGraph."
            )
        names = self.names(decode)
        edges = (
            self.edges if directed else self.edges.select(self.edges.source <= self.edges.target)
        )
        result = nx.DiGraph() if directed else nx.Graph()
        result.add_nodes_from(names)
        result.add_weighted_edges_from(
            (names[source], names[target], weight)
            for source, target, weight in zip(
                edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True
            )
        )
        return result

    @classmethod
    def from_networkx(cls, graph: Any, weight: str | None = "weight") -> Graph:
        """Makes a graph of a networkx graph, directed or not; nodes without edges are kept.

        Args:
            graph: Its nodes are bytes, text or integers.
            weight: The edges' attribute that holds the weight, 1 where an edge lacks it; None
                where all are 1.

        Raises:
            TypeError: As `from_edges`.
            ValueError: As `from_edges`; so a multigraph must have no parallel edges.
        """
        edges = list(graph.edges(data=weight, default=1.0) if weight else graph.edges())
        return cls.from_edges(
            [edge[0] for edge in edges],
            [edge[1] for edge in edges],
            [edge[2] for edge in edges] if weight else None,
            nodes=list(graph.nodes),
            directed=graph.is_directed(),
        )

    def names(self, decode: bool = False) -> list[Any]:
        """Returns the ids, as text where `decode` is set.

        Raises:
            ValueError: `decode` is set and an id is not UTF-8.
        """
        return decode_ids(pa.array(self.ids, pa.binary())) if decode else list(self.ids)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes the graph's files, with metrics; a graph that was read keeps what it knew.

        Args:
            folder: Where to write to; a graph that it holds is replaced.

        Raises:
            TypeError: The folder is no path.
            ValueError: There is no node.
        """
        info = {key: value for key, value in self.info.items() if key not in _OF_THE_FILES}
        if "metrics" not in info:
            info["metrics"] = measure_graph(len(self.ids), self.edges).to_dict()
        info.setdefault("directed", self.is_directed)
        write_graph(folder, self.ids, self.edges, info)


def read_graph(folder: str | os.PathLike[str]) -> Graph:
    """Reads a NeighborGraph: the folder of its files, which is also the artifact's URI.

    Raises:
        FileNotFoundError: The folder holds no graph, or not all of its files.
        TypeError: The folder is no path.
        ValueError: A file is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Graph.from_edges(["a"], ["b"], [0.5]).write(folder)
        ...     read_graph(folder).to_arrow().to_pydict()
        {'source': [b'a'], 'target': [b'b'], 'weight': [0.5]}
    """
    info = read_graph_info(folder)
    table = read_edges(folder)
    ids, (source, target) = number_ids(table["source"], table["target"])
    return Graph(as_list(ids), EdgeList(source, target, table["weight"].to_numpy()), info)


def _columns(
    table: Any, names: list[Any], source: str, target: str, weight: str | None
) -> list[Any]:
    wanted = [name for name in (source, target, weight) if name is not None]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(map(repr, wanted))}. Received: "
            f"{', '.join(map(repr, names)) or 'none'}. Name the columns by the arguments source, "
            "target and weight; weight=None gives each edge the weight 1."
        )
    return [None if name is None else table[name] for name in (source, target, weight)]
