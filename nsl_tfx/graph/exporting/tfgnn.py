"""A graph in the form that TF-GNN's sampler reads.

A folder holds a graph schema in protobuf's text form, `schema.pbtxt`, and a sharded TFRecord file
for each set of nodes and of edges that it names. An example of a node has its id as `#id`, one of
an edge has the ids of its ends as `#source` and `#target`, and its other features.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa

from nsl_tfx.graph.numbering import number_ids
from nsl_tfx.io import storage
from nsl_tfx.io.publishing import published
from nsl_tfx.io.record_writer import write_records_to
from nsl_tfx.io.wire import encode_varint, entry_header, features_header, join_features

SCHEMA_FILE = "schema.pbtxt"
_NODES = "nodes"
_EDGES = "edges"
_RECORDS_IN_FILE = 1 << 21
_RECORDS_AT_ONCE = 1 << 12
# What stands before the bytes of a feature's single float: a list of floats, packed.
_FLOAT = b"\x12\x06\x0a\x04"

_SCHEMA = """\
node_sets {{
  key: "{nodes}"
  value {{
    description: "Examples; the feature #id holds the id."
    metadata {{
      filename: "{nodes_file}"
      cardinality: {num_nodes}
    }}
  }}
}}
edge_sets {{
  key: "{edges}"
  value {{
    description: "Neighbors of examples."
    source: "{nodes}"
    target: "{nodes}"
    features {{
      key: "weight"
      value {{
        description: "How similar both ends are."
        dtype: DT_FLOAT
      }}
    }}
    metadata {{
      filename: "{edges_file}"
      cardinality: {num_edges}
    }}
  }}
}}
"""


def write_tfgnn(folder: str, tables: Sequence[pa.Table]) -> None:
    """Writes a graph's edges and nodes for TF-GNN: one node set `nodes`, one edge set `edges`.

    `schema.pbtxt` is removed first and written last: a folder without it is no graph.

    Args:
        folder: Where to write to; made where it is missing.
        tables: The edges, of `EDGE_SCHEMA`; their ends become the nodes.

    Raises:
        OSError: The folder cannot be written to.
    """
    schema = storage.join(folder, SCHEMA_FILE)
    for path in [schema, *storage.matching(folder, "*.tfrecords-*-of-*")]:
        if storage.exists(path):
            storage.remove(path)
    ids = _ids(tables)
    nodes_file = _write_shards(folder, _NODES, len(ids), map(_node_example, ids))
    num_edges = sum(len(table) for table in tables)
    edges_file = _write_shards(folder, _EDGES, num_edges, _edge_examples(tables))
    content = _SCHEMA.format(
        nodes=_NODES,
        edges=_EDGES,
        nodes_file=nodes_file,
        edges_file=edges_file,
        num_nodes=len(ids),
        num_edges=num_edges,
    )
    with published(schema) as file:
        file.write(content.encode())


def _ids(tables: Sequence[pa.Table]) -> list[bytes]:
    columns = [table[name] for table in tables for name in ("source", "target")]
    found: list[bytes] = number_ids(*columns)[0].to_pylist() if columns else []
    return found


def _write_shards(folder: str, name: str, total: int, records: Iterator[bytes]) -> str:
    """Writes the records to files of bounded length; returns the pattern of their names."""
    shards = max(1, -(-total // _RECORDS_IN_FILE))
    for shard in range(shards):
        path = storage.join(folder, f"{name}.tfrecords-{shard:05d}-of-{shards:05d}")
        with published(path) as file:
            write_records_to(file, itertools.islice(records, _RECORDS_IN_FILE), compress=False)
    return f"{name}.tfrecords-?????-of-{shards:05d}"


def _node_example(node: bytes) -> bytes:
    return join_features([(b"#id", _bytes_value(node))])


def _edge_examples(tables: Sequence[pa.Table]) -> Iterator[bytes]:
    weight_header = entry_header(b"weight", len(_FLOAT) + 4) + _FLOAT
    weight_size = len(weight_header) + 4
    for table in tables:
        # An id is at the end of many edges, and looks alike in each.
        sources, targets = _Entries(b"#source"), _Entries(b"#target")
        for batch in table.to_batches(_RECORDS_AT_ONCE):
            weights = batch.column(2).to_numpy().astype("<f4").tobytes()
            starts, ends = (batch.column(i).to_numpy(zero_copy_only=False) for i in range(2))
            for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
                source, target = sources[start], targets[end]
                yield b"".join(
                    (
                        features_header(len(source) + len(target) + weight_size),
                        source,
                        target,
                        weight_header,
                        weights[4 * row : 4 * row + 4],
                    )
                )


class _Entries(dict[bytes, bytes]):
    """Id to the serialized feature of one name that holds it."""

    def __init__(self, name: bytes):
        super().__init__()
        self._name = name

    def __missing__(self, node: bytes) -> bytes:
        value = _bytes_value(node)
        self[node] = entry = entry_header(self._name, len(value)) + value
        return entry


def _bytes_value(value: bytes) -> bytes:
    """Returns a feature of a single value, serialized: a message in a message in a message."""
    inside = b"".join((b"\x0a", encode_varint(len(value)), value))
    return b"".join((b"\x0a", encode_varint(len(inside)), inside))
