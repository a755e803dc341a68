"""Examples to examples with neighbors, files to files: what a single worker does."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import AugmentConfig
from nsl_tfx.graph.examples.rows import RowReader, Rows
from nsl_tfx.graph.examples.shards import (
    BYTES_IN_SHARD,
    cut_into_shards,
    places_of,
    ranges_within,
    sort_rows,
    split_shards,
    write_shard,
)
from nsl_tfx.graph.files import EDGE_SCHEMA, Shard, read_graph_info, read_shard
from nsl_tfx.graph.joining.choosing import check_weights, first_of_each
from nsl_tfx.graph.joining.matching import (
    LABEL_FEATURES,
    MATCHED_SCHEMA,
    choose_for_seeds,
    describe_rows,
    join_examples,
    match_targets,
    read_edge_batch,
    rows_of,
)
from nsl_tfx.graph.joining.packing import Packer, pack_rows
from nsl_tfx.io import storage
from nsl_tfx.io.tfrecords import RecordBlock, read_record_blocks

_EDGES_IN_BATCH = 1 << 18


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """What is joined, and where it goes.

    Attributes:
        files: TFRecord files of tf.Examples, by split.
        graph: Folder of the NeighborGraph.
        config: How neighbors are joined.
        features: The features of a neighbor that are carried along.
        folder: Where the splits' folders are written.
        bytes_in_shard: About how much one file holds before compression.
    """

    files: Mapping[str, Sequence[str]]
    graph: str
    config: AugmentConfig
    features: tuple[str, ...]
    folder: str
    bytes_in_shard: int = BYTES_IN_SHARD

    @property
    def splits(self) -> list[str]:
        """All splits."""
        return list(self.files)

    @property
    def paths(self) -> list[str]:
        """All files; the place of one is its number."""
        return [path for paths in self.files.values() for path in paths]

    def packer(self) -> Packer:
        """Returns what writes neighbors into examples."""
        return Packer(self.config.neighbors, self.features)

    def edge_shards(self) -> list[Shard]:
        """Returns what `graph.json` says of each of the graph's files.

        Raises:
            FileNotFoundError: The folder holds no graph, or only a part of one.
        """
        return list(read_graph_info(self.graph)["shards"])


class ExampleReader:
    """Reads the examples of a job's files.

    Args:
        job: Says which.
    """

    def __init__(self, job: Job):
        self._job = job
        self._reader = RowReader.of(job.config)
        self._project = job.packer().project
        self._numbers = {path: number for number, path in enumerate(job.paths)}

    @property
    def has_seen_label(self) -> bool:
        """Whether an example that was read has the feature of the label, with a value or not."""
        return self._reader.has_seen_label

    def read(self, block: RecordBlock, split: str) -> Rows:
        """Returns a block's rows; those of a split without part in the graph need no id.

        Raises:
            ValueError: As `RowReader.read`.
        """
        return self._reader.read(block, split, split in self._job.config.splits)

    def read_split(self, split: str) -> tuple[Rows, list[pa.RecordBatch]]:
        """Returns all rows of a split, and what `describe` tells of them."""
        whole = Rows(split, [], [], [])
        described = []
        for path in self._job.files[split]:
            for block in read_record_blocks(path):
                rows = self.read(block, split)
                described.append(self.describe(rows, block, self.project(rows)))
                whole.extend(rows.ids, rows.records, rows.labeled)
        return whole, described

    def project(self, rows: Rows) -> list[bytes]:
        """Returns what is carried along of each row; nothing where the split has no part."""
        if rows.split not in self._job.config.splits:
            return []
        return list(map(self._project, rows.records))

    def describe(self, rows: Rows, block: RecordBlock, carried: Sequence[bytes]) -> pa.RecordBatch:
        """Returns a table of `EXAMPLE_SCHEMA` of a block's rows, of which so much is carried."""
        place = (self._numbers[block[0]], block[1])
        return describe_rows(rows, self._job.config, carried, place)


def written_rows(rows: Rows, config: AugmentConfig) -> Rows:
    """Returns the rows that remain: those with a label, in a split that gets neighbors."""
    if rows.split not in config.neighbors_from or all(rows.labeled):
        return rows
    return Rows(
        rows.split,
        list(itertools.compress(rows.ids, rows.labeled)),
        list(itertools.compress(rows.records, rows.labeled)),
        [True] * sum(rows.labeled),
    )


def count_rows(rows: Rows, config: AugmentConfig) -> dict[str, int]:
    """Returns the counts that a split's rows add to."""
    if rows.split not in config.neighbors_from:
        return {}
    labeled = sum(rows.labeled)
    return {"examples": labeled, "unlabeled_examples": len(rows.labeled) - labeled}


def count_edges(edges: int, rows: int, config: AugmentConfig) -> dict[str, int]:
    """Returns the counts that one of a graph's files adds to.

    Args:
        edges: Edges in the file.
        rows: Edges that `read_edge_batches` gave of it.
        config: Says whether these are there both ways.
    """
    ways = 2 if config.add_undirected_edges else 1
    return {"graph_edges": edges, "self_loops_dropped": edges - rows // ways}


def read_edge_batches(job: Job, shard: Shard) -> Iterator[pa.RecordBatch]:
    """Yields the edges of one of a job's graph's files as they count.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged or another run's, or holds something else, or a weight that
            is not a number.
    """
    edges = read_shard(job.graph, shard)
    check_weights(edges, storage.join(job.graph, shard["file"]))
    for batch in edges.to_batches(max_chunksize=_EDGES_IN_BATCH):
        yield from read_edge_batch(batch, job.config)


def augment_whole(job: Job) -> dict[str, int]:
    """Joins and writes all examples; holds them in memory.

    Returns:
        The counts of `matching.COUNTS`, and `LABEL_FEATURES`.

    Raises:
        FileNotFoundError: The graph is missing or not whole.
        ValueError: A file is damaged, an example has no id or one that another has, or a new
            feature's name is taken.
    """
    config = job.config
    reader = ExampleReader(job)
    counts: collections.Counter[str] = collections.Counter()
    sizes: collections.Counter[str] = collections.Counter()
    rows_by_split: dict[str, Rows] = {}
    described = []
    for split in job.splits:
        rows_by_split[split], batches = reader.read_split(split)
        described += batches
    examples = join_examples(described, job.paths)
    matched = []
    for shard in job.edge_shards():
        batches = list(read_edge_batches(job, shard))
        counts.update(count_edges(shard["edges"], sum(batch.num_rows for batch in batches), config))
        kept, found = match_targets(examples, pa.Table.from_batches(batches, EDGE_SCHEMA))
        matched.append(kept)
        counts.update(found)
    chosen = choose_for_seeds(
        examples, pa.concat_tables([MATCHED_SCHEMA.empty_table(), *matched]), config
    )
    counts.update(chosen.counts)
    sizes.update(chosen.sizes)
    supplying = [rows for split, rows in rows_by_split.items() if split in config.splits]
    supply = [record for rows in supplying for record in rows.records]
    counts[LABEL_FEATURES] += reader.has_seen_label
    for split, rows in rows_by_split.items():
        counts.update(count_rows(rows, config))
        rows = written_rows(rows, config)
        sizes[split] += sum(map(len, rows.records))
        shards = split_shards([split], sizes, job.bytes_in_shard)
        for _ in write_rows(job, rows, chosen.edges, examples["id"], supply, shards[split], 0, 1):
            raise AssertionError("the only part holds all shards whole")
    return dict(counts)


def write_rows(
    job: Job,
    rows: Rows,
    edges: pa.Table,
    supply_ids: pa.Array | pa.ChunkedArray,
    supply: Sequence[bytes],
    shards: int,
    part: int,
    parts: int,
) -> Iterator[tuple[int, NDArray[np.uint64], list[bytes]]]:
    """Writes a part's rows of one split with their neighbors, in the files that lie in the part.

    Args:
        job: Says where to.
        rows: Those of the part that are written.
        edges: To their neighbors, of `EDGE_SCHEMA`: all of a source together, best first. Those of
            other sources do not matter.
        supply_ids: Ids of the neighbors.
        supply: The neighbors, in the same order.
        shards: Files of the split.
        part: The part's number.
        parts: Number of parts.

    Yields:
        Number of a file that other parts share, and the places and packed examples that this part
        gives to it, in order.

    Raises:
        ValueError: A new feature's name is taken.
    """
    places = places_of(rows.ids, rows.records)
    order = sort_rows(places, rows.ids, rows.records)
    source = rows_of(edges["source"], pa.array(rows.ids, pa.binary()))
    kept = np.flatnonzero(source >= 0)
    kept = kept[np.argsort(source[kept], kind="stable")]
    taken = edges.take(pa.array(kept))
    packed = pack_rows(
        job.packer(),
        [*rows.records, *supply],
        order.tolist(),
        first_of_each(source[kept], len(rows.ids)),
        rows_of(taken["target"], supply_ids) + len(rows.records),
        taken["weight"].to_numpy(),
    )
    places = places[order]
    for shard, begin, end in cut_into_shards(places, *ranges_within(part, parts, shards), shards):
        records = itertools.islice(packed, end - begin)
        if ranges_within(shard, shards, parts) == (part, part):
            write_shard(job.folder, rows.split, shard, shards, records)
        else:
            yield shard, places[begin:end], list(records)
