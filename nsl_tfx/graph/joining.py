"""Beam transforms that join neighbors to examples, and write the result.

Groups are read once, front to back: a Flink or Spark group may not be iterable twice. What has to
wait for its counterpart in the group is small (ids and weights), and features are shipped once for
every request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, TaggedOutput

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.graph import storage
from nsl_tfx.graph.files import read_graph_info, read_shard
from nsl_tfx.graph.packing import pack_example, project_example
from nsl_tfx.io.records import write_records

# Split, id and serialized tf.Example. A plain tuple, because Beam passes it between workers.
Row = tuple[str, bytes, bytes]

_COUNTS = "counts"
_MAIN = "main"
_BYTES_IN_SHARD = 128 << 20
_DIGEST_BYTES = 8


class AttachNeighbors(beam.PTransform):
    """Packs each example's best neighbors into it.

    An edge to an id that no example has is dropped before the best are chosen. Neighbors are
    ordered by descending weight; equal weights by id.

    Element types: `Row` and (source, target, weight) to `Row` and (name, count). The counts may
    come in parts, which add up:
        graph_edges: Edges of the graph.
        edges_to_unknown: Edges dropped because no example has the target's id.
        neighbors: Neighbors written.
        unknown_sources: Ids that edges start at but no example has.
        examples_with_neighbors: Examples that got at least one neighbor.

    Args:
        features: Features of a neighbor to carry along.
        names: How many neighbors, and how their features are named.

    Raises:
        ValueError: Two examples have one id, or an example already has a feature of a new name.
    """

    def __init__(self, features: Sequence[str], names: GraphNeighborConfig):
        super().__init__()
        self._features = tuple(features)
        self._names = names

    def expand(self, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
        """Applies the transform to (rows, edges); returns (rows, counts)."""
        rows, edges = inputs
        known_edges = (
            (
                edges | "ByTarget" >> beam.Map(_edge_by_target),
                rows | "Ids" >> beam.Map(_node_by_id),
            )
            | "EdgesAndIds" >> beam.Flatten()
            | "GroupEdges" >> beam.GroupByKey()
            | "KeepKnown" >> beam.FlatMap(_keep_known).with_outputs(_COUNTS, main=_MAIN)
        )
        requests = (
            known_edges[_MAIN]
            | "Best" >> beam.combiners.Top.SmallestPerKey(self._names.max_neighbors)
            | "Requests" >> beam.FlatMap(_requests)
        )
        answers = (
            (requests, rows | "Features" >> beam.Map(_features_by_id, self._features))
            | "RequestsAndFeatures" >> beam.Flatten()
            | "GroupRequests" >> beam.GroupByKey()
            | "Answer" >> beam.FlatMap(_answer)
        )
        packed = (
            (answers, rows | "Seeds" >> beam.Map(_seed_by_id))
            | "AnswersAndSeeds" >> beam.Flatten()
            | "GroupSeeds" >> beam.GroupByKey()
            | "Pack" >> beam.FlatMap(_pack, self._names).with_outputs(_COUNTS, main=_MAIN)
        )
        counts = (known_edges[_COUNTS], packed[_COUNTS]) | "Counts" >> beam.Flatten()
        return packed[_MAIN], counts


class ReadEdges(beam.PTransform):
    """Reads a graph's edges: (source, target, weight), in no order.

    Args:
        folder: The graph's.

    Raises:
        FileNotFoundError: The folder holds no graph, or only a part of one.
        ValueError: A file is damaged.
    """

    def __init__(self, folder: str):
        super().__init__()
        self._shards = [
            (storage.join(folder, shard["file"]), shard["edges"])
            for shard in read_graph_info(folder)["shards"]
        ]

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform."""
        return (
            pipeline
            | "Shards" >> beam.Create(self._shards)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read_edges)
        )


class PackNothing(beam.PTransform):
    """Says in each example that it has no neighbors: `Row` to `Row`."""

    def __init__(self, names: GraphNeighborConfig):
        super().__init__()
        self._names = names

    def expand(self, rows: Any) -> Any:
        """Applies the transform."""
        return rows | beam.Map(_pack_nothing, self._names)


class WriteShards(beam.PTransform):
    """Writes rows to `Split-<split>/data_tfrecord-SSSSS-of-NNNNN.gz`, the same bytes every time.

    Rows are ordered by a hash of their id, over all shards: shuffled as far as a learner can tell,
    yet the same order whatever the number of shards or workers. A shard holds about 128 MiB of
    serialized examples. Every split gets at least one file, if an empty one.

    Element types: `Row` to the paths written.

    Args:
        folder: Holds the splits' folders.
        splits: Names of all splits.
        bytes_in_shard: Serialized examples in one file.
    """

    def __init__(self, folder: str, splits: Sequence[str], bytes_in_shard: int = _BYTES_IN_SHARD):
        super().__init__()
        self._folder = folder
        self._splits = tuple(splits)
        self._bytes_in_shard = bytes_in_shard

    def expand(self, rows: Any) -> Any:
        """Applies the transform."""
        sizes = (
            rows
            | "Sizes" >> beam.Map(_row_size)
            | "SplitSizes" >> beam.CombinePerKey(sum)
            | "Shards" >> beam.Map(_num_shards, self._bytes_in_shard)
        )
        shards = AsDict(sizes)
        keyed_rows = rows | "Assign" >> beam.Map(_assign_shard, shards)
        every_shard = (
            rows.pipeline
            | "Splits" >> beam.Create(self._splits)
            | "EveryShard" >> beam.FlatMap(_all_shards, shards)
        )
        return (
            (keyed_rows, every_shard)
            | "RowsAndShards" >> beam.Flatten()
            | "GroupShards" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write_shard, self._folder)
        )


class WriteCounts(beam.PTransform):
    """Adds up (name, count) and writes the sums to a JSON file.

    Through a file rather than a Beam counter: a runner may repeat a bundle, after which its
    counters are too high, and some runners do not give them back.

    Args:
        path: The file.
    """

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def expand(self, counts: Any) -> Any:
        """Applies the transform."""
        return (
            counts
            | "Sum" >> beam.CombinePerKey(sum)
            | "OneDict" >> beam.combiners.ToDict()
            | "Write" >> beam.Map(_write_counts, self._path)
        )


# Every group below mixes two kinds of values, told apart by their first element.


def _edge_by_target(edge: tuple[bytes, bytes, float]) -> tuple[bytes, tuple[Any, ...]]:
    source, target, weight = edge
    return target, ("edge", source, weight)


def _node_by_id(row: Row) -> tuple[bytes, tuple[Any, ...]]:
    return row[1], ("node",)


def _keep_known(group: tuple[bytes, Iterable[tuple[Any, ...]]]) -> Iterator[Any]:
    """Yields (source, (-weight, target)) where an example has the target's id."""
    target, values = group
    waiting = []
    edges = nodes = 0
    for kind, *content in values:
        if kind == "node":
            nodes += 1
        else:
            edges += 1
            waiting.append(content)
    if nodes > 1:
        raise ValueError(
            f"Expected every id once in the splits that get neighbors. Received {nodes} examples "
            f"with the id {target!r}."
        )
    yield TaggedOutput(_COUNTS, ("graph_edges", edges))
    yield TaggedOutput(_COUNTS, ("edges_to_unknown", 0 if nodes else edges))
    if nodes:
        for source, weight in waiting:
            # Negated, so that the smallest are the best: highest weight, then lowest id.
            yield source, (-weight, target)


def _requests(
    best: tuple[bytes, Sequence[tuple[float, bytes]]],
) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    source, targets = best
    for rank, (negative_weight, target) in enumerate(targets):
        yield target, ("request", source, rank, -negative_weight)


def _features_by_id(row: Row, features: Sequence[str]) -> tuple[bytes, tuple[Any, ...]]:
    return row[1], ("features", project_example(row[2], features))


def _answer(
    group: tuple[bytes, Iterable[tuple[Any, ...]]],
) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    features: bytes | None = None
    waiting = []
    for kind, *content in group[1]:
        if kind == "features":
            features = content[0]
        elif features is None:
            waiting.append(content)
        else:
            source, rank, weight = content
            yield source, ("answer", rank, weight, features)
    for source, rank, weight in waiting:
        yield source, ("answer", rank, weight, features)


def _seed_by_id(row: Row) -> tuple[bytes, tuple[Any, ...]]:
    split, seed, record = row
    return seed, ("seed", split, record)


def _pack(
    group: tuple[bytes, Iterable[tuple[Any, ...]]], names: GraphNeighborConfig
) -> Iterator[Any]:
    seed: tuple[str, bytes] | None = None
    ranked = []
    for kind, *content in group[1]:
        if kind == "seed":
            seed = (content[0], content[1])
        else:
            ranked.append(tuple(content))
    if seed is None:
        yield TaggedOutput(_COUNTS, ("unknown_sources", 1))
        return
    neighbors = [(weight, features) for _, weight, features in sorted(ranked)]
    yield TaggedOutput(_COUNTS, ("unknown_sources", 0))
    yield TaggedOutput(_COUNTS, ("neighbors", len(neighbors)))
    yield TaggedOutput(_COUNTS, ("examples_with_neighbors", int(bool(neighbors))))
    split, record = seed
    yield split, group[0], pack_example(record, neighbors, names)


def _pack_nothing(row: Row, names: GraphNeighborConfig) -> Row:
    split, identity, record = row
    return split, identity, pack_example(record, [], names)


def _read_edges(shard: tuple[str, int]) -> Iterator[tuple[bytes, bytes, float]]:
    for batch in read_shard(*shard).to_batches(max_chunksize=1 << 16):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _row_size(row: Row) -> tuple[str, int]:
    return row[0], len(row[2])


def _num_shards(split_size: tuple[str, int], bytes_in_shard: int) -> tuple[str, int]:
    split, size = split_size
    return split, max(1, -(-size // bytes_in_shard))


def _assign_shard(
    row: Row, shards: Mapping[str, int]
) -> tuple[tuple[str, int, int], tuple[int, bytes, bytes] | None]:
    split, identity, record = row
    # Splits that take no part in the graph may lack ids.
    digest = hashlib.blake2b(identity or record, digest_size=_DIGEST_BYTES).digest()
    place = int.from_bytes(digest, "big")
    shard = place * shards[split] >> (8 * _DIGEST_BYTES)
    return (split, shard, shards[split]), (place, identity, record)


def _all_shards(
    split: str, shards: Mapping[str, int]
) -> Iterator[tuple[tuple[str, int, int], None]]:
    count = shards.get(split, 1)
    for shard in range(count):
        yield (split, shard, count), None


def _write_shard(
    group: tuple[tuple[str, int, int], Iterable[tuple[int, bytes, bytes] | None]], folder: str
) -> str:
    (split, shard, count), values = group
    rows = sorted(value for value in values if value is not None)
    path = f"{folder}/Split-{split}/data_tfrecord-{shard:05d}-of-{count:05d}.gz"
    storage.make_folder(f"{folder}/Split-{split}")
    write_records(path, (record for _, _, record in rows))
    return path


def _write_counts(counts: Mapping[str, int], path: str) -> str:
    storage.write_bytes(path, json.dumps(dict(counts), sort_keys=True).encode())
    return path
