"""One file of edges, of whatever format, to blocks of checked edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from nsl_tfx.configs import GraphFormat, GraphImportConfig
from nsl_tfx.graph.importing.edge_files.checking import EdgeRows, check_rows
from nsl_tfx.graph.importing.edge_files.examples import read_examples
from nsl_tfx.graph.importing.edge_files.finding import EdgeFile
from nsl_tfx.graph.importing.edge_files.parquet import read_parquet
from nsl_tfx.graph.importing.edge_files.text import read_text


class EdgeBlock(NamedTuple):
    """Some edges of a file.

    Attributes:
        edges: Of `nsl_tfx.graph.files.EDGE_SCHEMA`.
        drops: Causes, and how many further ones each of them cost.
    """

    edges: pa.RecordBatch
    drops: Counter[str]


def read_edge_file(file: EdgeFile, config: GraphImportConfig) -> Iterator[EdgeBlock]:
    """Yields a file's edges in blocks, in their order.

    Args:
        file: Of `find_edge_files`.
        config: Columns, and what becomes of rows that are no edges.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or of another format; or a row is no edge, and the config
            does not say to drop it. The message names file and row.
    """
    for rows, wrong in _read(file, config):
        edges, drops = check_rows(rows, config)
        drops["invalid_edges"] += wrong
        yield EdgeBlock(edges, drops)


def _read(file: EdgeFile, config: GraphImportConfig) -> Iterator[tuple[EdgeRows, int]]:
    if file.format is GraphFormat.PARQUET:
        yield from ((rows, 0) for rows in read_parquet(file.path, config))
    elif file.format is GraphFormat.EXAMPLES:
        yield from ((rows, 0) for rows in read_examples(file.path, config))
    else:
        yield from read_text(file.path, file.format, config)
