"""A graph's files: sharded Parquet and `graph.json`."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.info_fields import check_fields, check_version
from nsl_tfx.io import storage
from nsl_tfx.io.arrow_input import arrow_input
from nsl_tfx.io.paths import path_text
from nsl_tfx.io.staging import staged

FORMAT_VERSION = 2
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

# A file as `graph.json` lists it: its name, `file`; its number of `edges` and of `bytes`; and
# `crc32`, their checksum. That tells apart what different runs wrote, and finds damage, at a small
# part of what reading costs; a checksum that nobody can forge would cost more, and nobody tries.
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


# No user's file that happens to begin and end so.
_SHARD_NAME = r"edges-\d{5,}-of-\d{5,}\.parquet"


def write_graph(
    folder: str | os.PathLike[str],
    ids: Sequence[bytes],
    edges: EdgeList,
    info: Mapping[str, Any],
    edges_in_shard: int = EDGES_IN_SHARD,
) -> None:
    """Writes a graph: `edges-SSSSS-of-NNNNN.parquet`, then `graph.json`.

    All is written in a temporary folder within, then moved. A folder without `graph.json` is no
    graph to a reader. It is removed first and moved last, and tells of each other file what it
    holds; so neither a run that dies nor two at once leave anything that could be taken for a whole
    graph without being one. Until all is written, and after an error, the former graph stays.

    Args:
        folder: Where to write to; made where it is missing. A graph that it holds is replaced.
        ids: The nodes, ascending.
        edges: The edges between the nodes' numbers; written sorted.
        info: Further content of `graph.json`.
        edges_in_shard: Edges of one file.

    Raises:
        OSError: The folder cannot be written to.
        TypeError: The folder is no path.
        ValueError: A number of `info` is none that JSON knows.
    """
    with staged(path_text(folder, "folder"), last=[INFO_FILE], replaced=_SHARD_NAME) as temporary:
        shards = write_edges(temporary, ids, edges.sorted(), edges_in_shard)
        write_info(temporary, len(ids), shards, info)


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
    content = buffer.getvalue().to_pybytes()
    storage.write_bytes(storage.join(folder, name), content)
    return {"file": name, "edges": len(edges), "bytes": len(content), "crc32": _checksum(content)}


def write_info(folder: str, nodes: int, shards: Iterable[Shard], info: Mapping[str, Any]) -> None:
    """Writes `graph.json`, which makes the folder a graph.

    Args:
        folder: Holds the edges' files already.
        nodes: Number of nodes.
        shards: What `write_shard` returned of each file, in any order.
        info: Further content; what it says of the files themselves does not count.

    Raises:
        ValueError: A number of the content is none that JSON knows.
    """
    listed = sorted(shards, key=lambda shard: shard["file"])
    content = {
        "nodes": nodes,
        **info,
        "format_version": FORMAT_VERSION,
        "edges": sum(shard["edges"] for shard in listed),
        "shards": listed,
    }
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"
    storage.write_bytes(storage.join(folder, INFO_FILE), text.encode())


def read_graph_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the content of `graph.json`; `check_files` looks at the other files.

    Raises:
        FileNotFoundError: There is none: the folder holds no graph, or half of one.
        NotADirectoryError: The path is a file's.
        TypeError: It is no path.
        ValueError: The file is damaged, or of a format that this version does not know.
    """
    folder = path_text(folder, "folder")
    path = storage.join(folder, INFO_FILE)
    if not storage.exists(path):
        _raise_no_graph(folder)
    try:
        info = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise ValueError(
            f"Expected {path} to be a graph's description in JSON. Received what cannot be read "
            f"({error}). The file is damaged; build the graph anew."
        ) from error
    check_version(info, path, FORMAT_VERSION)
    check_fields(info, path)
    return dict(info)


def check_files(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Looks whether a graph is whole; returns the content of `graph.json`.

    The files of a local graph are read, those of a remote one only asked for their size.

    Raises:
        FileNotFoundError: As `read_graph_info`, or a file that `graph.json` lists is missing.
        NotADirectoryError: As `read_graph_info`.
        TypeError: As `read_graph_info`.
        ValueError: As `read_graph_info`, or a file is damaged or another run's.
    """
    folder = path_text(folder, "folder")
    info = read_graph_info(folder)
    for shard in info["shards"]:
        path = _find_shard(folder, shard)
        if not storage.is_remote(folder):
            _check_content(path, shard, storage.read_bytes(path))
    return info


def read_edges(folder: str | os.PathLike[str]) -> pa.Table:
    """Returns all edges of a graph: columns `source`, `target` (binary) and `weight` (float32).

    Raises:
        FileNotFoundError: `graph.json` or a file that it lists is missing.
        TypeError: The folder is no path.
        ValueError: A file is damaged or another run's, or holds something else.
    """
    return pa.concat_tables([EDGE_SCHEMA.empty_table(), *iterate_edges(folder)])


def iterate_edges(folder: str | os.PathLike[str]) -> Iterator[pa.Table]:
    """Returns a graph's edges file after file, in their order; one file is in memory at a time.

    Raises:
        FileNotFoundError: `graph.json` is missing, which is raised at once; or a file that it
            lists.
        TypeError: The folder is no path.
        ValueError: A file is damaged or another run's, or holds something else.
    """
    folder = path_text(folder, "folder")
    return (read_shard(folder, shard) for shard in read_graph_info(folder)["shards"])


def read_shard(folder: str, shard: Shard) -> pa.Table:
    """Returns the edges of one file.

    Args:
        folder: The graph's.
        shard: What `graph.json` says of the file.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged or another run's, or holds something else.
    """
    path = _find_shard(folder, shard)
    content = storage.read_bytes(path)
    _check_content(path, shard, content)
    try:
        # Not `pq.read_table`, which goes by way of data sets, and loads pandas first.
        table = pq.ParquetFile(arrow_input(content)).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"Expected {path} to be a Parquet file. Received one that cannot be read ({error}); "
            "build the graph anew."
        ) from error
    if not table.schema.equals(EDGE_SCHEMA) or len(table) != shard["edges"]:
        raise ValueError(
            f"Expected {path} to hold {shard['edges']} edges with the columns source and target "
            f"(binary) and weight (float). Received {len(table)} rows of: "
            f"{table.schema.to_string(show_field_metadata=False)}. Build the graph anew."
        )
    return table


def _raise_no_graph(folder: str) -> NoReturn:
    if not storage.exists(folder):
        raise FileNotFoundError(
            f"Expected the folder of a graph. Received: {folder!r}, which does not exist. Correct "
            "the path, or build the graph first."
        )
    if not storage.is_folder(folder):
        raise NotADirectoryError(
            f"Expected the folder of a graph. Received: {folder!r}, which is a file. Name the "
            f"folder that holds {INFO_FILE}."
        )
    raise FileNotFoundError(
        f"Expected a graph in {folder}, but {INFO_FILE} is missing. It is written last: the "
        "run that should have made the graph failed, or the path is another artifact's."
    )


def _find_shard(folder: str, shard: Shard) -> str:
    """Returns the path of a file that is there and has the right size."""
    path = storage.join(folder, shard["file"])
    if not storage.exists(path):
        raise FileNotFoundError(
            f"Expected {path}, which {INFO_FILE} lists; it is missing. Build the graph anew."
        )
    size = storage.size_of(path)
    if size != shard["bytes"]:
        _raise_other_content(path, f"{shard['bytes']:,} bytes", f"{size:,}")
    return path


def _check_content(path: str, shard: Shard, content: bytes) -> None:
    checksum = _checksum(content)
    if checksum != shard["crc32"]:
        _raise_other_content(path, f"bytes of the checksum {shard['crc32']}", checksum)


def _raise_other_content(path: str, expected: str, received: str) -> NoReturn:
    raise ValueError(
        f"Expected {path} to hold the {expected} that {INFO_FILE} lists. Received: {received}. The "
        "file is cut off or damaged, or another run has written it since; build the graph anew, "
        "one run at a time."
    )


def _checksum(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"
