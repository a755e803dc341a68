"""A graph of files that hold its edges, without a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from nsl_tfx.configs import GraphFormat, GraphImportConfig
from nsl_tfx.graph.examples.columns import read_ids, read_single_values
from nsl_tfx.graph.examples.feature_names import absent_feature
from nsl_tfx.graph.finishing.nodes import code_labels, coded_nodes, node_batch
from nsl_tfx.graph.importing.edge_files import EdgeFile, find_edge_files
from nsl_tfx.graph.importing.edge_files.parquet import count_rows
from nsl_tfx.graph.importing.edge_files.streams import COMPRESSIONS, read_chunks
from nsl_tfx.graph.importing.whole import import_graph
from nsl_tfx.io import RecordBlock, read_record_blocks
from nsl_tfx.io.content_size import estimate_content_bytes
from nsl_tfx.io.tfrecords import FRAME_BYTES
from nsl_tfx.tools.amounts import format_bytes
from nsl_tfx.tools.embeddings import Paths, find_files
from nsl_tfx.tools.progress import progress, tell

# Measured for a million edges of text: 330 with short ids of 100,000 nodes, 430 with those of a
# million, 480 with ids of 30 bytes.
_BYTES_PER_EDGE = 500
_SAMPLE_BYTES = 1 << 16
# Of compressions whose files do not tell what they unpack to.
_LIKELY_RATIO = 4


def import_graph_folder(config: GraphImportConfig, examples: Paths, folder: str) -> None:
    """Reads the graph that files of edges hold, and writes its folder.

    Args:
        config: Which files, and what becomes of their edges.
        examples: TFRecord files of the examples that are the nodes; where there are none, every id
            is a node.
        folder: Where the graph is written to; one that it holds is replaced.

    Raises:
        FileNotFoundError: A path names no file.
        ValueError: A file is damaged, a row is no edge, an example has no id, or edges have ids
            that no example has and are not to.
    """
    tell(foresee_import(find_edge_files(config.paths, config.format)))
    nodes = _read_nodes(find_files(examples), config) if examples else None
    with progress("Reading", None, "edges") as advance:
        graph = import_graph(config, nodes, advance)
    with progress("Writing", len(graph.edges), "edges") as advance:
        graph.write(folder)
        advance(len(graph.edges))


def foresee_import(files: Sequence[EdgeFile]) -> str:
    """Returns what importing files of edges will take, before they are read; as text.

    How many edges there are is guessed from the files' sizes and what they begin with.
    """
    count = round(sum(map(_guess_edges, files)))
    memory = format_bytes(_BYTES_PER_EDGE * count)
    return f"About {count:,} edges: at most about {memory} of memory."


def _guess_edges(file: EdgeFile) -> float:
    path = file.path
    if file.format is GraphFormat.PARQUET:
        return 0 if "://" in path or path.endswith(tuple(COMPRESSIONS)) else count_rows(path)
    size = estimate_content_bytes(path)
    if any(path.endswith(ending) for ending in COMPRESSIONS if ending != ".gz"):
        size *= _LIKELY_RATIO
    if file.format is GraphFormat.EXAMPLES:
        records: list[bytes] = next((block[2] for block in read_record_blocks(path)), [])
        return size / (sum(map(len, records)) / len(records) + FRAME_BYTES) if records else 0
    sample = next(read_chunks(path, _SAMPLE_BYTES), b"")
    return size / len(sample) * max(1, sample.count(b"\n")) if sample else 0


def _read_nodes(files: Sequence[str], config: GraphImportConfig) -> pa.Table:
    from nsl_tfx.io.decoding import decode_features

    features = [config.id_feature]
    features += [] if config.label_feature is None else [config.label_feature]
    batches: list[pa.RecordBatch] = []
    first: RecordBlock | None = None
    unlabeled = config.label_feature
    with progress("Reading", None, "examples") as advance:
        for file in files:
            for block in read_record_blocks(file):
                columns = decode_features(block, features)
                if block[2] and pa.types.is_null(columns[config.id_feature].type):
                    cure = "Name the feature that holds the id, or give the examples ids first."
                    raise absent_feature(config.id_feature, block, cure)
                labels = None
                if config.label_feature is not None:
                    labels = read_single_values(columns, config.label_feature, block)
                    if any(label is not None for label in labels):
                        unlabeled = None
                first = first or (block if block[2] else None)
                ids = read_ids(columns, config.id_feature, block)
                batches.append(code_labels(node_batch(ids, labels)))
                advance(len(ids))
    if unlabeled is not None and first is not None:
        raise absent_feature(unlabeled, first, "Name another label_feature, or none.")
    return coded_nodes(batches)
