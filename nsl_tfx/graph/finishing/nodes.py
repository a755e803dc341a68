"""Tables of nodes: ids, and the labels and splits that quality is measured by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.measuring.counting import UNKNOWN, Ends
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.numbering import number_ids

NODE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(), nullable=False),
        pa.field("label", pa.binary()),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""A row a node; the label is null where it has none."""

_CODED_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(), nullable=False),
        pa.field("label", pa.uint64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)


@dataclasses.dataclass(frozen=True, eq=False)
class NumberedNodes:
    """Ids that were numbered, and what is known of them.

    Attributes:
        ids: Ascending.
        ends: Label and split of each.
        splits: The splits' names.
    """

    ids: pa.Array
    ends: Ends
    splits: Sequence[str]


def node_batch(
    ids: Sequence[bytes], labels: Sequence[bytes | None] | None = None, split: str = ""
) -> pa.RecordBatch:
    """Returns nodes of one split as a batch of `NODE_SCHEMA`.

    Example:
        >>> node_batch([b"a", b"b"], [b"cat", None], "train").num_rows
        2
    """
    columns = [
        pa.array(ids, pa.binary()),
        pa.nulls(len(ids), pa.binary()) if labels is None else pa.array(labels, pa.binary()),
        pa.array([split], pa.string()).take(pa.array(np.zeros(len(ids), np.int64))),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=NODE_SCHEMA)


def code_labels(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns nodes with each label as a hash, 0 for none: all that counting them takes."""
    encoded = batch.column(1).dictionary_encode()
    # Zero stands for no label. That a label's hash is zero will not happen; a one would do then.
    hashes = np.maximum(hash_ids(encoded.dictionary.to_pylist()), 1)
    places = pc.fill_null(encoded.indices, len(hashes)).to_numpy(zero_copy_only=False)
    labels = np.append(hashes, np.uint64(0))[places]
    columns = [batch.column(0), pa.array(labels, pa.uint64()), batch.column(2)]
    return pa.RecordBatch.from_arrays(columns, schema=_CODED_SCHEMA)


def coded_nodes(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Returns the batches that `code_labels` gave as one table."""
    return pa.Table.from_batches(list(batches), _CODED_SCHEMA)


def number_nodes(
    nodes: pa.Table | None, *columns: pa.ChunkedArray
) -> tuple[NumberedNodes, list[NDArray[np.int64]]]:
    """Numbers all ids, and tells of each what the table of nodes knows.

    Args:
        nodes: Of `coded_nodes`; None where every id is known, without label or split.
        *columns: Further columns of ids.

    Returns:
        The nodes, and the numbers of each column's rows.

    Raises:
        ValueError: Two nodes have one id.
    """
    if nodes is None:
        ids, numbers = number_ids(*columns)
        labels = np.zeros(len(ids), np.uint64)
        return NumberedNodes(ids, Ends(labels, np.zeros(len(ids), np.int64)), [""]), numbers
    ids, (known, *numbers) = number_ids(nodes["id"], *columns)
    times = np.bincount(known, minlength=len(ids))
    if len(times) and times.max() > 1:
        twice = np.flatnonzero(times > 1)
        raise ValueError(
            f"Expected every id once. Received {len(twice)} of them several times: "
            f"{name_some(ids.take(pa.array(twice)).to_pylist())}. Give the examples unique ids, "
            "or read each file once."
        )
    labels = np.zeros(len(ids), np.uint64)
    labels[known] = nodes["label"].to_numpy()
    codes, splits = number_splits(nodes["split"])
    split = np.full(len(ids), UNKNOWN, np.int64)
    split[known] = codes
    return NumberedNodes(ids, Ends(labels, split), splits), numbers


def number_splits(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Returns the number of each row's split, `UNKNOWN` for null, and the splits' names."""
    parts = column.dictionary_encode().chunks
    if not parts:
        return np.empty(0, np.int64), []
    codes = [pc.fill_null(part.indices, UNKNOWN).to_numpy() for part in parts]
    return np.concatenate(codes).astype(np.int64), parts[0].dictionary.to_pylist()
