"""The best edges of each source, merged from several searches."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.numbering import number_ids
from nsl_tfx.graph.search.top_neighbors import make_keys


def top_edges(batches: Iterable[pa.RecordBatch], num_neighbors: int) -> pa.RecordBatch:
    """Returns the best edges of each source: by weight, equal ones by the target's id.

    Args:
        batches: Of `EDGE_SCHEMA`, in any order; an edge may come several times, each time with the
            same weight.
        num_neighbors: Edges of a source.

    Returns:
        One batch of `EDGE_SCHEMA`, sorted by source and, within, best first: whatever the order and
        the batches that the edges came in.

    Example:
        >>> edges = pa.RecordBatch.from_pylist(
        ...     [{"source": b"a", "target": t, "weight": w} for t, w in ((b"c", 0.5), (b"b", 0.5))],
        ...     EDGE_SCHEMA,
        ... )
        >>> top_edges([edges, edges], 1).to_pylist()
        [{'source': b'a', 'target': b'b', 'weight': 0.5}]
    """
    table = pa.Table.from_batches(list(batches), EDGE_SCHEMA)
    _, (source, target) = number_ids(table["source"], table["target"])
    keys = make_keys(table["weight"].to_numpy().astype(np.float32), target)
    order = np.lexsort((-keys, source))
    source, target, keys = source[order], target[order], keys[order]
    again = np.zeros(len(order), bool)
    again[1:] = (source[1:] == source[:-1]) & (keys[1:] == keys[:-1])
    order, source = order[~again], source[~again]
    begin = np.flatnonzero(np.append(True, source[1:] != source[:-1]))[: len(source)]
    rank = np.arange(len(source)) - np.repeat(begin, np.diff(np.append(begin, len(source))))
    best = pa.array(order[rank < num_neighbors])
    kept = table.take(best).combine_chunks().to_batches()
    return kept[0] if kept else pa.RecordBatch.from_pylist([], EDGE_SCHEMA)
