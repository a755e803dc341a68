"""What is wrong with a join as a whole: nothing that a part of it can see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.examples.feature_names import absent_feature
from nsl_tfx.graph.examples.rows import Rows
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.joining.augmenting import ExampleReader, Job, read_edge_batches
from nsl_tfx.graph.joining.matching import LABEL_FEATURES, unmatched_graph
from nsl_tfx.io.tfrecords import RecordBlock, read_record_blocks

_SHOWN = 3


def check_join(job: Job, counts: Mapping[str, int]) -> None:
    """Raises an error where a setting fits none of the data.

    Only where the counts give reason to does it read files, all of them again.

    Args:
        job: What was joined.
        counts: Sums over all parts of the join, of `matching.COUNTS` and `LABEL_FEATURES`.

    Raises:
        ValueError: No example of any split has the label's feature; or there are edges, and no
            example has the id of any of their ends.
    """
    config = job.config
    examples = counts.get("examples", 0) + counts.get("unlabeled_examples", 0)
    if config.label_feature is not None and examples and not counts.get(LABEL_FEATURES, 0):
        block = next(block for block, _ in _read(job) if block[2])
        raise absent_feature(
            config.label_feature, block, "Name the feature that holds the label, or none."
        )
    edges = counts.get("graph_edges", 0) - counts.get("self_loops_dropped", 0)
    ways = 2 if config.add_undirected_edges else 1
    if edges and counts.get("edges_to_unknown", 0) == ways * edges:
        _check_sources(job)


def _check_sources(job: Job) -> None:
    """Raises ValueError where there are examples, and no edge starts at any."""
    shown: list[bytes] = []
    parts = []
    for _, rows in _read(job):
        ids = list(filter(None, rows.ids))
        shown += ids[: _SHOWN - len(shown)]
        parts.append(hash_ids(ids))
    if not shown:
        return
    # Hashes, because the examples may be more than one worker holds: 8 bytes each.
    hashes: NDArray[np.uint64] = np.unique(np.concatenate(parts))
    ends: list[bytes] = []
    for shard in job.edge_shards():
        for batch in read_edge_batches(job, shard):
            sources = batch.column(0).unique().to_pylist()
            if np.isin(hash_ids(sources), hashes).any():
                return
            ends += sources[: _SHOWN - len(ends)]
    raise unmatched_graph(ends, shown, job.config.id_feature)


def _read(job: Job) -> Iterator[tuple[RecordBlock, Rows]]:
    reader = ExampleReader(job)
    for split, paths in job.files.items():
        for path in paths:
            for block in read_record_blocks(path):
                yield block, reader.read(block, split)
