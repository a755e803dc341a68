"""Examples and edges out of files, joined in memory."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nsl_tfx.configs import GraphNeighborConfig, TieOrder
from nsl_tfx.graph.examples.feature_names import absent_feature, feature_names
from nsl_tfx.graph.examples.rows import RowReader, Rows
from nsl_tfx.graph.joining.choosing import choose_neighbors, first_of_each
from nsl_tfx.graph.joining.matching import unmatched_graph
from nsl_tfx.graph.joining.packing import Packer, pack_rows
from nsl_tfx.graph.naming import name_id
from nsl_tfx.graph.numbering import number_ids
from nsl_tfx.io import RecordBlock, read_record_blocks
from nsl_tfx.tools.amounts import count_of, format_bytes
from nsl_tfx.tools.progress import Advance, progress
from nsl_tfx.tools.tsv_edges import read_tsv_edges

_ROWS_AT_ONCE = 1 << 10
_FILES_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class PackCounts:
    """What was packed.

    Attributes:
        examples: Examples that were written.
        neighbors: Neighbors in all of them.
        alone: Examples without a neighbor.
        dangling: Edges of which an end has no example.
        edges: Edges of the graph.
    """

    examples: int
    neighbors: int
    alone: int
    dangling: int
    edges: int

    def __str__(self) -> str:
        text = (
            f"{count_of(self.examples, 'example')} with {count_of(self.neighbors, 'neighbor')}, "
            f"{self.alone:,} of them without one"
        )
        if not self.edges:
            return f"{text}; the graph has no edges"
        if not self.dangling:
            return text
        return f"{text}; {count_of(self.dangling, 'edge')} left out for want of an example"


@dataclasses.dataclass(frozen=True, eq=False)
class JoinedFiles:
    """Examples in memory, and the edges between them.

    Attributes:
        records: The labeled examples in the order of the files, then the others; serialized.
        num_labeled: How many are labeled.
        node: The number of each one's id, in ascending order of ids, `[records]`.
        source: Row in `records` of each edge's start, `[edges]`.
        target: Of its end.
        weight: float64 `[edges]`.
        dangling: How many of the files' edges have an end without an example.
        num_edges: How many edges the files hold.
    """

    records: Sequence[bytes]
    num_labeled: int
    node: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]
    dangling: int
    num_edges: int

    @classmethod
    def read(
        cls,
        labeled: Sequence[str],
        unlabeled: Sequence[str],
        graph: Sequence[str],
        id_feature: str,
        add_undirected_edges: bool,
    ) -> JoinedFiles:
        """Reads files; an edge of which an end has no example, or no labeled one to start, goes.

        Args:
            labeled: TFRecord files of the examples that get neighbors.
            unlabeled: Of those that are neighbors alone.
            graph: TSV files.
            id_feature: The feature that holds each example's id.
            add_undirected_edges: Whether each edge counts in both directions.

        Raises:
            ValueError: No example is labeled, a file is damaged, a record or a line is wrong, or
                two examples of one kind have one id; or no example has an id of the graph's.
        """
        ids, records = _read_examples(labeled, id_feature)
        if not ids:
            listed = ", ".join(labeled[:_FILES_SHOWN])
            raise ValueError(
                f"Expected labeled examples in {listed}. Received none. Name files that hold some."
            )
        more_ids, more_records = _read_examples(unlabeled, id_feature)
        known = set(ids)
        for identity, record in zip(more_ids, more_records, strict=True):
            if identity not in known:
                ids.append(identity)
                records.append(record)
        num_labeled = len(known)
        edges = read_tsv_edges(graph)
        source_ids, target_ids, weight = edges
        if add_undirected_edges:
            source_ids, target_ids = (
                pa.chunked_array([*edges.source.chunks, *edges.target.chunks], pa.binary()),
                pa.chunked_array([*edges.target.chunks, *edges.source.chunks], pa.binary()),
            )
            weight = np.concatenate([weight, weight])
        found, (node, source, target) = number_ids(
            pa.array(ids, pa.binary()), source_ids, target_ids
        )
        row = np.full(len(found), -1, np.int64)
        row[node] = np.arange(len(node))
        source, target = row[source], row[target]
        if len(source) and len(ids) and max(source.max(), target.max()) < 0:
            raise unmatched_graph(source_ids.slice(0, 3).to_pylist(), ids[:3], id_feature)
        joined = (source >= 0) & (target >= 0)
        dangling = int((~joined[: len(edges.weight)]).sum())
        kept = joined & (source < num_labeled)
        return cls(
            records,
            num_labeled,
            node,
            source[kept],
            target[kept],
            weight[kept],
            dangling,
            len(edges.weight),
        )

    def choose(self, max_neighbors: int | None) -> NDArray[np.int64]:
        """Returns the edges to the neighbors that are packed, best first for each example.

        Args:
            max_neighbors: Neighbors of an example; all when None.
        """
        return choose_neighbors(
            self.source, self.node[self.target], self.weight, max_neighbors, TieOrder.HIGHEST_ID
        )

    def count(self, chosen: NDArray[np.int64]) -> PackCounts:
        """Returns what packing the chosen edges makes."""
        alone = self.num_labeled - len(np.unique(self.source[chosen]))
        return PackCounts(self.num_labeled, len(chosen), alone, self.dangling, self.num_edges)

    def pack(self, chosen: NDArray[np.int64], advance: Advance) -> Iterator[bytes]:
        """Yields the labeled examples with their neighbors.

        Args:
            chosen: The edges to their neighbors, as `choose` returns them.
            advance: Is told of so many more examples.

        Raises:
            ValueError: A new feature's name is taken.
        """
        rows = pack_rows(
            Packer(GraphNeighborConfig()),
            self.records,
            range(self.num_labeled),
            first_of_each(self.source[chosen], self.num_labeled),
            self.target[chosen],
            self.weight[chosen],
        )
        for count, packed in enumerate(rows, start=1):
            yield packed
            if not count % _ROWS_AT_ONCE:
                advance(_ROWS_AT_ONCE)
        advance(self.num_labeled % _ROWS_AT_ONCE)


def check_max_neighbors(number: int | None) -> None:
    """Raises ValueError where a number of neighbors is negative."""
    if number is not None and number < 0:
        raise ValueError(
            f"Expected max_nbrs >= 0 (neighbors), or None for all. Received: {number}."
        )


def describe_files(files: Sequence[str]) -> str:
    """Returns what memory the examples of files will take, as text."""
    local = [file for file in files if "://" not in file]
    size = format_bytes(sum(map(os.path.getsize, local)))
    packed = any(file.endswith(".gz") for file in files)
    more = "; several times that where files are gzipped" if packed else ""
    elsewhere = ", beside those that are not local" if len(local) < len(files) else ""
    return f"Examples of {len(files)} files take {size} of memory{more}{elsewhere}."


def _read_rows(reader: RowReader, block: RecordBlock, id_feature: str) -> Rows:
    try:
        return reader.read(block, "")
    except ValueError as error:
        raise _absent_id(block, id_feature) or error from None


def _absent_id(block: RecordBlock, id_feature: str) -> ValueError | None:
    """Returns an error where no example of a block has the id: then its name is wrong."""
    cure = "Name the feature that holds the id, or give the examples ids first."
    try:
        lacks = id_feature not in feature_names(block)
    except ValueError:  # a record that is no tf.Example, of which the reader tells the place
        return None
    return absent_feature(id_feature, block, cure) if lacks else None


def _read_examples(files: Sequence[str], id_feature: str) -> tuple[list[bytes], list[bytes]]:
    """Returns ids and records.

    Raises:
        ValueError: Two have one id.
    """
    reader = RowReader(id_feature)
    place: dict[bytes, tuple[str, int]] = {}
    records: list[bytes] = []
    with progress("Reading", None, "examples") as advance:
        for file in files:
            for block in read_record_blocks(file):
                rows = _read_rows(reader, block, id_feature)
                for number, identity in enumerate(rows.ids, start=block[1]):
                    there = place.setdefault(identity, (file, number))
                    if there != (file, number):
                        raise ValueError(
                            f"Expected every id once. Received {name_id(identity)} at {there[0]}, "
                            f"record {there[1]}, and at {file}, record {number} (from 0). Remove "
                            "one of them, or give them ids of their own."
                        )
                records += rows.records
                advance(len(rows.records))
    return list(place), records
