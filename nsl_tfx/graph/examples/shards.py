"""Files of examples whose order and bytes depend on the examples alone.

Rows are ordered by a hash of their id, over all files of a split: shuffled as far as a learner can
tell, yet in one order whoever writes them. A file holds a range of the hashes; so does the part of
the data that one worker holds, and the number of files does not depend on the number of parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.io import storage
from nsl_tfx.io.publishing import published
from nsl_tfx.io.record_writer import write_records_to

BYTES_IN_SHARD = 128 << 20

# Half of a hash decides about ranges: its product with their number has to fit into 64 bits.
_RANGE_BITS = 32


def places_of(ids: Sequence[bytes], records: Sequence[bytes]) -> NDArray[np.uint64]:
    """Returns what rows are ordered by: a hash of the id or, where there is none, of the record."""
    return hash_ids(map(_id_or_record, ids, records))


def range_of(places: NDArray[np.uint64], ranges: int) -> NDArray[np.int64]:
    """Returns the number of the range that each place lies in, of so many ranges of equal length.

    Example:
        >>> range_of(np.array([0, 2**63, 2**64 - 1], np.uint64), 2).tolist()
        [0, 1, 1]
    """
    bits = np.uint64(_RANGE_BITS)
    return ((places >> bits) * np.uint64(ranges) >> bits).astype(np.int64)


def ranges_within(number: int, ranges: int, others: int) -> tuple[int, int]:
    """Returns the first and the last of `others` ranges that share places with one of `ranges`.

    Example:
        >>> [ranges_within(number, 2, 3) for number in range(2)]
        [(0, 1), (1, 2)]
    """
    # A range begins at the least half hash h for which h * ranges >> 32 is its number.
    begin, end = (-(-(one << _RANGE_BITS) // ranges) for one in (number, number + 1))
    return begin * others >> _RANGE_BITS, (end - 1) * others >> _RANGE_BITS


def num_shards(size: int, bytes_in_shard: int = BYTES_IN_SHARD) -> int:
    """Returns how many files a split of so many bytes is written to; one even if it is empty."""
    return max(1, -(-size // bytes_in_shard))


def split_shards(
    splits: Sequence[str], sizes: Mapping[str, int], bytes_in_shard: int
) -> dict[str, int]:
    """Returns the number of files of each split."""
    return {split: num_shards(sizes.get(split, 0), bytes_in_shard) for split in splits}


def sort_rows(
    places: NDArray[np.uint64], ids: Sequence[bytes], records: Sequence[bytes]
) -> NDArray[np.int64]:
    """Returns the rows' order: by place; those of one place by id and record."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    if not (ordered[1:] == ordered[:-1]).any():
        return order
    return np.array(
        sorted(range(len(places)), key=lambda row: (places[row], ids[row], records[row])), np.int64
    )


def write_shard(folder: str, split: str, shard: int, shards: int, records: Iterable[bytes]) -> str:
    """Writes `Split-<split>/data_tfrecord-SSSSS-of-NNNNN.gz`, whole; returns its path."""
    split_folder = storage.join(folder, f"Split-{split}")
    path = storage.join(split_folder, f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz")
    # A reader of a split takes every file of its folder, so that none may be left there by a worker
    # that is killed.
    with published(path, compress=False, unfinished_in=folder) as file:
        write_records_to(file, records, compress=True)
    return path


def cut_into_shards(
    places: NDArray[np.uint64], first: int, last: int, shards: int
) -> Iterator[tuple[int, int, int]]:
    """Yields the number of each file from `first` to `last`, and where its rows begin and end.

    Args:
        places: Of the rows, ascending; all in these files.
        first: The first file.
        last: The last.
        shards: Files of the split.
    """
    numbers = range_of(places, shards)
    ends = np.searchsorted(numbers, np.arange(first, last + 1), side="right").tolist()
    begin = 0
    for shard, end in enumerate(ends, start=first):
        yield shard, begin, end
        begin = end


def _id_or_record(identity: bytes, record: bytes) -> bytes:
    return identity or record
