"""The Beam transform that joins neighbors to examples and writes them, at any size.

Where one worker can hold the examples, it does all, and nothing passes between workers. Where not,
they are cut into parts by a hash of their ids, and go between workers in blocks:

1. Edges go to the part of their target, and those without one end there. What is left goes to the
   part of its source, where each example's neighbors are chosen.
2. Each part asks for the examples that it needs, once for each, however many of its own have it as
   their neighbor: so a hub is sent to each part at most once, and needs no care of its own.
3. Examples, edges and neighbors meet in the examples' part, which writes them. Parts are ranges of
   hashes, and so are files: only what shares a file with another part moves once more.

Groups are read once, front to back: a Flink or Spark group may not be iterable twice.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton, TaggedOutput
from numpy.typing import NDArray

from nsl_tfx.graph.examples.rows import Rows
from nsl_tfx.graph.examples.shards import (
    places_of,
    range_of,
    ranges_within,
    split_shards,
    write_shard,
)
from nsl_tfx.graph.examples.writing import ShardKey
from nsl_tfx.graph.files import EDGE_SCHEMA, Shard
from nsl_tfx.graph.hashing import hash_ids
from nsl_tfx.graph.id_ranges import take_rows
from nsl_tfx.graph.joining.augmenting import (
    ExampleReader,
    Job,
    augment_whole,
    count_edges,
    count_rows,
    read_edge_batches,
    write_rows,
    written_rows,
)
from nsl_tfx.graph.joining.checks import check_join
from nsl_tfx.graph.joining.matching import (
    COUNTS,
    LABEL_FEATURES,
    MATCHED_SCHEMA,
    choose_for_seeds,
    join_examples,
    match_targets,
)
from nsl_tfx.io.content_size import estimate_content_bytes
from nsl_tfx.io.tfrecords import read_record_blocks

_COUNTS = "counts"
_SIZES = "sizes"
_EXAMPLES = "examples"
_SUPPLY = "supply"
_REQUESTS = "requests"
_MAIN = "main"
# What a worker holds at its peak: so many times the examples' bytes, and so many bytes an edge.
_WORK_PER_BYTE = 1.5
_BYTES_PER_EDGE = 200
# More parts make too many files that parts share.
_MAX_PARTS = 1 << 14
_BLOCK_BYTES = 8 << 20


class JoinNeighbors(beam.PTransform):
    """Examples to examples with neighbors, files to files.

    The files are the same to the byte however many parts the examples are cut into, and in whatever
    order their files and the graph's are read. A split that takes no part in the graph is copied,
    with no neighbors.

    Element types: none to (name, count), of `matching.COUNTS`; they may come in parts, which add
    up.

    Args:
        job: What is joined, and where it goes. A component gives a temporary folder, which it
            publishes whole.
        parts: Into how many parts the examples are cut; as many as `worker_memory_mb` needs, when
            None.

    Raises:
        FileNotFoundError: The graph is missing or not whole; raised before the pipeline runs, where
            its description is missing.
        ValueError: A file is damaged, an example of a split that gets or supplies neighbors has no
            id or one that another has, an edge's weight is not a number, or a new feature's name is
            taken; no example has the label's feature, or one of the graph's ids; raised while the
            pipeline runs.
    """

    def __init__(self, job: Job, parts: int | None = None):
        super().__init__()
        self._job = job
        self._parts = parts
        self._edge_shards = job.edge_shards()

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform."""
        job = self._job
        files = (
            pipeline
            | "Files"
            >> beam.Create([(s, path) for s, paths in job.files.items() for path in paths])
            | "SpreadFiles" >> beam.Reshuffle()
        )
        parts = AsSingleton(self._count_parts(pipeline, files))
        once = pipeline | "Once" >> beam.Create([None])
        whole = once | "Whole" >> beam.FlatMap(_join_whole, job, parts)

        rows = files | "ReadRows" >> beam.FlatMap(_read_rows, job, parts).with_outputs(
            _COUNTS, _SIZES, _EXAMPLES, _SUPPLY, main=_MAIN
        )
        edges = (
            pipeline
            | "EdgeFiles" >> beam.Create(self._edge_shards)
            | "SpreadEdges" >> beam.Reshuffle()
            | "ReadEdges" >> beam.FlatMap(_read_edges, job, parts).with_outputs(_COUNTS, main=_MAIN)
        )
        matched = (
            (edges[_MAIN], rows[_EXAMPLES])
            | "EdgesAndTargets" >> beam.Flatten()
            | "GroupByTarget" >> beam.GroupByKey()
            | "Match" >> beam.FlatMap(_match, job, parts).with_outputs(_COUNTS, main=_MAIN)
        )
        chosen = (
            (matched[_MAIN], rows[_EXAMPLES])
            | "EdgesAndSources" >> beam.Flatten()
            | "GroupBySource" >> beam.GroupByKey()
            | "Choose"
            >> beam.FlatMap(_choose, job, parts).with_outputs(
                _COUNTS, _SIZES, _REQUESTS, main=_MAIN
            )
        )
        answers = (
            (chosen[_REQUESTS], rows[_SUPPLY])
            | "RequestsAndSupply" >> beam.Flatten()
            | "GroupRequests" >> beam.GroupByKey()
            | "Answer" >> beam.FlatMap(_answer)
        )
        sizes = AsDict(
            (rows[_SIZES], chosen[_SIZES])
            | "Sizes" >> beam.Flatten()
            | "SplitSizes" >> beam.CombinePerKey(sum)
        )
        every_part = once | "EveryPart" >> beam.FlatMap(_every_part, parts)
        shared = (
            (rows[_MAIN], chosen[_MAIN], answers, every_part)
            | "AllOfPart" >> beam.Flatten()
            | "GroupParts" >> beam.GroupByKey()
            | "Write" >> beam.FlatMap(_write_part, job, parts, sizes)
        )
        every_shared = once | "EveryShared" >> beam.FlatMap(_every_shared, job, parts, sizes)
        _ = (
            (shared, every_shared)
            | "PiecesOfFiles" >> beam.Flatten()
            | "GroupFiles" >> beam.GroupByKey()
            | "WriteShared" >> beam.Map(_write_shared, job.folder)
        )
        counts = [whole, rows[_COUNTS], edges[_COUNTS], matched[_COUNTS], chosen[_COUNTS]]
        all_counts = counts | "Counts" >> beam.Flatten()
        totals = AsDict(all_counts | "Totals" >> beam.CombinePerKey(sum))
        _ = once | "Check" >> beam.Map(_check, job, totals)
        return all_counts | "Told" >> beam.Filter(lambda count: count[0] in COUNTS)

    def _count_parts(self, pipeline: Any, files: Any) -> Any:
        if self._parts is not None:
            return pipeline | "GivenParts" >> beam.Create([self._parts])
        num_edges = sum(shard["edges"] for shard in self._edge_shards)
        return (
            files
            | "FileSizes" >> beam.Map(_estimate_size)
            | "TotalSize" >> beam.CombineGlobally(sum)
            | "Parts" >> beam.Map(_num_parts, num_edges, self._job)
        )


# A part's number, and a piece of what it gets.
_Piece = tuple[int, Any]


def _estimate_size(file: tuple[str, str]) -> int:
    return estimate_content_bytes(file[1])


def _num_parts(content_bytes: int, num_edges: int, job: Job) -> int:
    budget = job.config.worker_memory_mb << 20
    both_ways = 1 + job.config.add_undirected_edges
    edge_bytes = num_edges * both_ways * _BYTES_PER_EDGE
    if content_bytes * _WORK_PER_BYTE + edge_bytes <= budget:
        return 1
    # Each example may have to be joined by as many that lie in no other example's neighborhood.
    most = content_bytes * _WORK_PER_BYTE * (1 + job.config.neighbors.max_neighbors) + edge_bytes
    return int(min(_MAX_PARTS, max(2, -(-most // budget))))


def _join_whole(_: None, job: Job, parts: int) -> Iterator[tuple[str, int]]:
    if parts == 1:
        yield from augment_whole(job).items()


def _read_rows(file: tuple[str, str], job: Job, parts: int) -> Iterator[Any]:
    """Yields rows by part; and, of those that take part in the graph, what is asked of them."""
    split, path = file
    if parts == 1:
        return
    config = job.config
    reader = ExampleReader(job)
    counts: collections.Counter[str] = collections.Counter()
    size = 0
    for block in read_record_blocks(path):
        rows = reader.read(block, split)
        counts.update(count_rows(rows, config))
        carried = reader.project(rows)
        for piece in _split_batch(reader.describe(rows, block, carried), "id", parts):
            yield TaggedOutput(_EXAMPLES, piece)
        if split in config.splits:
            for part, picked in _by_part(range_of(hash_ids(rows.ids), parts)):
                supply = (_pick(rows.ids, picked), _pick(carried, picked))
                yield TaggedOutput(_SUPPLY, (part, supply))
        rows = written_rows(rows, config)
        size += sum(map(len, rows.records))
        for part, picked in _by_part(range_of(places_of(rows.ids, rows.records), parts)):
            yield part, (split, *(_pick(column, picked) for column in rows[1:]))
    yield TaggedOutput(_SIZES, (split, size))
    counts[LABEL_FEATURES] += reader.has_seen_label
    for count in counts.items():
        yield TaggedOutput(_COUNTS, count)


def _read_edges(shard: Shard, job: Job, parts: int) -> Iterator[Any]:
    if parts == 1:
        return
    rows = 0
    for batch in read_edge_batches(job, shard):
        rows += batch.num_rows
        yield from _split_batch(batch, "target", parts)
    for count in count_edges(shard["edges"], rows, job.config).items():
        yield TaggedOutput(_COUNTS, count)


def _match(group: tuple[int, Iterable[pa.RecordBatch]], job: Job, parts: int) -> Iterator[Any]:
    examples, edges = _parted(group[1], EDGE_SCHEMA, job)
    matched, counts = match_targets(examples, edges)
    for batch in matched.to_batches():
        yield from _split_batch(batch, "source", parts)
    for count in counts.items():
        yield TaggedOutput(_COUNTS, count)


def _choose(group: tuple[int, Iterable[pa.RecordBatch]], job: Job, parts: int) -> Iterator[Any]:
    part = group[0]
    chosen = choose_for_seeds(*_parted(group[1], MATCHED_SCHEMA, job), job.config)
    yield part, chosen.edges.combine_chunks()
    targets = chosen.edges["target"].unique().to_pylist()
    for owner, picked in _by_part(range_of(hash_ids(targets), parts)):
        yield TaggedOutput(_REQUESTS, (owner, (part, _pick(targets, picked))))
    for size in chosen.sizes.items():
        yield TaggedOutput(_SIZES, size)
    for count in chosen.counts.items():
        yield TaggedOutput(_COUNTS, count)


def _answer(group: tuple[int, Iterable[Any]]) -> Iterator[_Piece]:
    """Yields the examples that each part asked for."""
    supply: dict[bytes, bytes] = {}
    requests = []
    for piece in group[1]:
        if isinstance(piece[0], int):
            requests.append(piece)
        else:
            supply.update(zip(*piece, strict=True))
    for part, ids in requests:
        yield from ((part, block) for block in _in_blocks(ids, supply))


def _in_blocks(
    ids: Iterable[bytes], supply: Mapping[bytes, bytes]
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    block: tuple[list[bytes], list[bytes]] = ([], [])
    size = 0
    for identity in ids:
        block[0].append(identity)
        block[1].append(supply[identity])
        size += len(supply[identity])
        if size >= _BLOCK_BYTES:
            yield block
            block, size = ([], []), 0
    if block[0]:
        yield block


def _check(_: None, job: Job, counts: Mapping[str, int]) -> None:
    check_join(job, counts)


def _every_part(_: None, parts: int) -> Iterator[_Piece]:
    if parts > 1:
        for part in range(parts):
            yield part, None


def _write_part(
    group: tuple[int, Iterable[Any]], job: Job, parts: int, sizes: Mapping[str, int]
) -> Iterator[tuple[ShardKey, tuple[NDArray[np.uint64], list[bytes]]]]:
    """Writes the files that lie in a part; yields what it has of those that do not."""
    part, pieces = group
    rows = {split: Rows(split, [], [], []) for split in job.splits}
    edges = [EDGE_SCHEMA.empty_table()]
    ids: list[bytes] = []
    supply: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, pa.Table):
            edges.append(piece)
        elif isinstance(piece, tuple) and len(piece) == len(Rows._fields):
            rows[piece[0]].extend(*piece[1:])
        elif piece is not None:
            ids.extend(piece[0])
            supply.extend(piece[1])
    shards = split_shards(job.splits, sizes, job.bytes_in_shard)
    for split in job.splits:
        for shard, places, records in write_rows(
            job,
            rows[split],
            pa.concat_tables(edges),
            pa.array(ids, pa.binary()),
            supply,
            shards[split],
            part,
            parts,
        ):
            yield (split, shard, shards[split]), (places, records)


def _every_shared(
    _: None, job: Job, parts: int, sizes: Mapping[str, int]
) -> Iterator[tuple[ShardKey, None]]:
    if parts == 1:
        return
    for split, shards in split_shards(job.splits, sizes, job.bytes_in_shard).items():
        for shard in range(shards):
            first, last = ranges_within(shard, shards, parts)
            if first < last:
                yield (split, shard, shards), None


def _write_shared(
    group: tuple[ShardKey, Iterable[tuple[NDArray[np.uint64], list[bytes]] | None]], folder: str
) -> str:
    (split, shard, shards), pieces = group
    # Each piece is in order, and none begins before another ends.
    ordered = sorted(
        (piece for piece in pieces if piece is not None and piece[1]), key=lambda one: one[0][0]
    )
    records = (record for _, piece in ordered for record in piece)
    return write_shard(folder, split, shard, shards, records)


def _parted(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, job: Job
) -> tuple[pa.Table, pa.Table]:
    """Returns the examples, and the edges, which have that schema."""
    examples: list[pa.RecordBatch] = []
    edges: list[pa.RecordBatch] = []
    for batch in batches:
        (edges if batch.schema.equals(schema) else examples).append(batch)
    return join_examples(examples, job.paths), pa.Table.from_batches(edges, schema)


def _split_batch(batch: pa.RecordBatch, column: str, parts: int) -> Iterator[_Piece]:
    """Yields the rows of each part, by the id in a column."""
    ids = batch.column(batch.schema.get_field_index(column)).dictionary_encode()
    part_of = range_of(hash_ids(ids.dictionary.to_pylist()), parts)[ids.indices.to_numpy()]
    for part, rows in _by_part(part_of):
        yield part, take_rows(batch, rows)


def _by_part(part_of: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yields each part that is there, and its rows in their order."""
    if not len(part_of):
        return
    order = np.argsort(part_of, kind="stable")
    parts, first = np.unique(part_of[order], return_index=True)
    yield from zip(parts.tolist(), np.split(order, first[1:]), strict=True)


def _pick(column: list[Any], rows: NDArray[np.int64]) -> list[Any]:
    return [column[row] for row in rows.tolist()]
