"""Ranges of ids: how a graph that one worker cannot hold is cut into parts that it can.

Ranges rather than hashes, so that the edges of one part after the other are sorted as a whole.
"""

from __future__ import annotations

import bisect
import dataclasses
import heapq
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import hash_ids, mix

_SAMPLED_IN_BATCH = 64
_MAX_SAMPLE = 1 << 14
# So few ids of the sample in a range leave its size uncertain by a third.
_SAMPLED_IN_RANGE = 8
# Arrow's columns of ids count their bytes in 32 bits.
_MAX_BYTES_IN_RANGE = 1 << 28


@dataclasses.dataclass(frozen=True)
class IdSample:
    """Ids drawn from columns, and how much the columns hold.

    Attributes:
        ids: Pairs of a number that decides who stays, the smaller the likelier, and an id.
        num_bytes: Size of all columns.
    """

    ids: Sequence[tuple[float, bytes]] = ()
    num_bytes: int = 0


def sample_ids(columns: Iterable[pa.Array], num_bytes: int) -> IdSample:
    """Draws a few ids of columns, each row as likely as any other row of any batch.

    What is drawn decides where the cuts lie, and nothing else.

    Args:
        columns: Of ids.
        num_bytes: Size of what is to be cut.
    """
    drawn: list[tuple[float, bytes]] = []
    for column in columns:
        rows = np.unique(np.linspace(0, len(column) - 1, _SAMPLED_IN_BATCH).astype(np.int64))
        ids = column.take(pa.array(rows[rows >= 0])).to_pylist()
        if not ids:
            continue
        # Each stands for several rows: Efraimidis and Spirakis, "Weighted Random Sampling with a
        # Reservoir", 2006. A row's number makes the draws of an id that comes often differ.
        hashes = mix(hash_ids(ids) + np.arange(len(ids), dtype=np.uint64), len(column))
        chance = (hashes.astype(np.float64) + 1) / 2.0**64
        drawn.extend(zip((-np.log(chance) * len(ids) / len(column)).tolist(), ids, strict=True))
    return IdSample(tuple(drawn), num_bytes)


def join_samples(samples: Iterable[IdSample]) -> IdSample:
    """Returns one sample of all, of bounded size."""
    samples = list(samples)
    drawn = heapq.nsmallest(_MAX_SAMPLE, (one for sample in samples for one in sample.ids))
    return IdSample(tuple(drawn), sum(sample.num_bytes for sample in samples))


def cut_ids(sample: IdSample, bytes_in_range: float) -> list[bytes]:
    """Returns where the ranges begin, but for the first, which begins at the smallest id.

    Args:
        sample: Of all ids.
        bytes_in_range: How much a range shall hold at most; reached about, and not where a single
            id has more.

    Example:
        >>> sample = IdSample(tuple((0.0, b"%02d" % i) for i in range(32)), num_bytes=100)
        >>> cut_ids(sample, bytes_in_range=40)
        [b'10', b'21']
    """
    ids = sorted(one for _, one in sample.ids)
    wanted = int(-(-sample.num_bytes // min(bytes_in_range, _MAX_BYTES_IN_RANGE)))
    ranges = max(1, min(wanted, len(ids) // _SAMPLED_IN_RANGE))
    return sorted({ids[number * len(ids) // ranges] for number in range(1, ranges)})


def split_batch(
    batch: pa.RecordBatch, column: int, starts: Sequence[bytes]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yields the rows of each range, with the range's number.

    Args:
        batch: Rows in any order.
        column: Position of the column of ids that decides.
        starts: Of `cut_ids`.
    """
    if not batch.num_rows:
        return
    if not starts:
        yield 0, batch
        return
    encoded = batch.column(column).dictionary_encode()
    places = [bisect.bisect_right(starts, one) for one in encoded.dictionary.to_pylist()]
    ranges = np.array(places)[encoded.indices.to_numpy()]
    order = np.argsort(ranges, kind="stable")
    found, first = np.unique(ranges[order], return_index=True)
    for number, rows in zip(found.tolist(), np.split(order, first[1:]), strict=True):
        # Taken rather than sliced: a slice would carry the whole batch with it to another worker.
        yield number, take_rows(batch, rows)


def take_rows(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> pa.RecordBatch:
    """Returns some rows of a batch, in new memory."""
    index = pa.array(rows)
    return pa.RecordBatch.from_arrays(
        [column.take(index) for column in batch.columns], schema=batch.schema
    )


def own_memory(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns a batch that holds no more than its rows: one that is not a small slice of others."""
    if batch.get_total_buffer_size() <= 2 * batch.nbytes + 1024:
        return batch
    return take_rows(batch, np.arange(batch.num_rows))
