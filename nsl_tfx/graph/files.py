"""A graph's files: sharded Parquet and `graph.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsl_tfx.graph import storage
from nsl_tfx.graph.edges import EdgeList

FORMAT_VERSION = 1
INFO_FILE = "graph.json"
EDGE_SCHEMA = pa.schema(
    [
        pa.field("source", pa.binary(), nullable=False),
        pa.field("target", pa.binary(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
    ]
)

# A row group is what a reader takes at once; a shard is what one worker reads or writes.
_ROWS_IN_GROUP = 1 << 18
EDGES_IN_SHARD = 1 << 21

# A file's name and its number of edges: `file` and `edges`.
Shard = dict[str, Any]


def edge_table(ids: Sequence[bytes] | pa.Array, edges: EdgeList) -> pa.Table:
    """Returns the edges as a table of ids, in the edges' order.

    Args:
        ids: The id of each node.
        edges: Edges between the nodes' numbers.

    Example:
        >>> edge_table([b"a", b"b"], EdgeList([0], [1], [0.5])).to_pydict()
        {'source': [b'a'], 'target': [b'b'], 'weight': [0.5]}
    """
    names = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.binary())
    columns = [names.take(pa.array(ends)) for ends in (edges.source, edges.target)]
    return pa.Table.from_arrays([*columns, pa.array(edges.weight)], schema=EDGE_SCHEMA)


_SHARD_NAME = re.compile(r"edges-\d{5,}-of-\d{5,}\.parquet")


def write_graph(
    folder: str,
    ids: Sequence[bytes],
    edges: EdgeList,
    info: Mapping[str, Any],
    edges_in_shard: int = EDGES_IN_SHARD,
) -> None:
    """Writes a graph: `edges-SSSSS-of-NNNNN.parquet`, then `graph.json`.

    A folder without `graph.json` is no graph to a reader. It is removed first and written last, so
    a run that dies in between leaves nothing that could be taken for a whole graph.

    Args:
        folder: Where to write to; made where it is missing. A graph that it holds is replaced.
        ids: The nodes, ascending.
        edges: The edges between the nodes' numbers; written sorted.
        info: Further content of `graph.json`.
        edges_in_shard: Edges of one file.
    """
    remove_graph(folder)
    shards = write_edges(folder, ids, edges.sorted(), edges_in_shard)
    write_info(folder, len(ids), shards, info)


def remove_graph(folder: str) -> None:
    """Removes a graph's files, `graph.json` first."""
    info_path = storage.join(folder, INFO_FILE)
    if storage.exists(info_path):
        storage.remove(info_path)
    for path in storage.matching(folder, "edges-*.parquet"):
        # Not a user's file that happens to begin and end so.
        if _SHARD_NAME.fullmatch(path.rsplit("/", 1)[-1]):
            storage.remove(path)


def write_edges(
    folder: str,
    ids: Sequence[bytes] | pa.Array,
    edges: EdgeList,
    edges_in_shard: int = EDGES_IN_SHARD,
) -> list[Shard]:
    """Writes sorted edges; returns their files, for `write_info`."""
    names = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.binary())
    count = num_shards(len(edges), edges_in_shard)
    shards = []
    for shard in range(count):
        rows = np.arange(shard * edges_in_shard, min((shard + 1) * edges_in_shard, len(edges)))
        shards.append(write_shard(folder, shard, count, edge_table(names, edges.select(rows))))
    return shards


def num_shards(edges: int, edges_in_shard: int = EDGES_IN_SHARD) -> int:
    """Returns the number of files that so many edges are written to; at least one."""
    return max(1, -(-edges // edges_in_shard))


def write_shard(folder: str, shard: int, shards: int, edges: pa.Table) -> Shard:
    """Writes one file of edges; the same bytes for the same edges.

    Args:
        folder: The graph's.
        shard: The file's number.
        shards: Number of files.
        edges: Of `EDGE_SCHEMA`.
    """
    name = f"edges-{shard:05d}-of-{shards:05d}.parquet"
    buffer = pa.BufferOutputStream()
    # One chunk, because the writer's pages may end where a chunk does.
    pq.write_table(
        edges.combine_chunks(), buffer, row_group_size=_ROWS_IN_GROUP, compression="zstd"
    )
    storage.write_bytes(storage.join(folder, name), buffer.getvalue().to_pybytes())
    return {"file": name, "edges": len(edges)}


def write_info(folder: str, nodes: int, shards: Iterable[Shard], info: Mapping[str, Any]) -> None:
    """Writes `graph.json`, which makes the folder a graph.

    Args:
        folder: Holds the edges' files already.
        nodes: Number of nodes.
        shards: What `write_shard` returned of each file, in any order.
        info: Further content.

    Raises:
        ValueError: A number of the content is none that JSON knows.
    """
    listed = sorted(shards, key=lambda shard: shard["file"])
    content = {
        "format_version": FORMAT_VERSION,
        "nodes": nodes,
        "edges": sum(shard["edges"] for shard in listed),
        "shards": listed,
        **info,
    }
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"
    storage.write_bytes(storage.join(folder, INFO_FILE), text.encode())


def read_graph_info(folder: str) -> dict[str, Any]:
    """Returns the content of `graph.json`.

    Raises:
        FileNotFoundError: There is none: the folder holds no graph, or half of one.
        ValueError: The file is damaged, or of a format that this version does not know.
    """
    path = storage.join(folder, INFO_FILE)
    if not storage.exists(path):
        raise FileNotFoundError(
            f"Expected a graph in {folder}, but {INFO_FILE} is missing. It is written last: the "
            "run that should have made the graph failed, or the path is another artifact's."
        )
    try:
        info = json.loads(storage.read_bytes(path))
        version = info["format_version"]
        _ = [(shard["file"], shard["edges"]) for shard in info["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected {path} to be a graph's description. It is damaged ({error!r}); "
            "build the graph anew."
        ) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"Expected {path} of format version {FORMAT_VERSION}. Received: {version}. "
            "Read it with the version of nsl_tfx that wrote it, or build it anew."
        )
    return dict(info)


def read_edges(folder: str) -> pa.Table:
    """Returns all edges of a graph: columns `source`, `target` (binary) and `weight` (float32).

    Raises:
        FileNotFoundError: `graph.json` or a file that it lists is missing.
        ValueError: A file is damaged, or holds something else.
    """
    return pa.concat_tables([EDGE_SCHEMA.empty_table(), *iterate_edges(folder)])


def iterate_edges(folder: str) -> Iterator[pa.Table]:
    """Yields a graph's edges file after file, in their order; one file is in memory at a time.

    Raises:
        FileNotFoundError: `graph.json` or a file that it lists is missing.
        ValueError: A file is damaged, or holds something else.
    """
    for item in read_graph_info(folder)["shards"]:
        yield read_shard(storage.join(folder, item["file"]), item["edges"])


def read_shard(path: str, edges: int) -> pa.Table:
    """Returns the edges of one file.

    Args:
        path: The file.
        edges: How many edges `graph.json` says it holds.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged, or holds something else.
    """
    if not storage.exists(path):
        raise FileNotFoundError(f"Expected {path}, which {INFO_FILE} lists; it is missing.")
    try:
        table = pq.read_table(pa.BufferReader(storage.read_bytes(path)))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"Expected {path} to be a Parquet file. It is cut off or damaged ({error}); "
            "build the graph anew."
        ) from error
    if not table.schema.equals(EDGE_SCHEMA) or len(table) != edges:
        raise ValueError(
            f"Expected {path} to hold {edges} edges with the columns source and target (binary) "
            f"and weight (float). Received {len(table)} rows of: "
            f"{table.schema.to_string(show_field_metadata=False)}."
        )
    return table
