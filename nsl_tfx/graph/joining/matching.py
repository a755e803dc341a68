"""Which examples become whose neighbors: edges matched with examples by their ids.

The steps below serve all examples at once as well as a part of them. First an edge meets its
target, then what is left of it meets its source, so that each step needs the ids of a part alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nsl_tfx.configs import AugmentConfig
from nsl_tfx.graph.examples.rows import Rows
from nsl_tfx.graph.files import EDGE_SCHEMA
from nsl_tfx.graph.joining.choosing import choose_neighbors
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.numbering import number_ids

EXAMPLE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(), nullable=False),
        pa.field("split", pa.int16(), nullable=False),
        pa.field("seed", pa.bool_(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("file", pa.int32(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
    ]
)
"""An example: its split's place in `AugmentConfig.splits`, -1 for a split that neither gets nor
supplies neighbors; whether it gets neighbors; the bytes that it adds to whoever's neighbor it
becomes; and where it stands: the number of its file, and of the record within."""

# A split that neither gets nor supplies neighbors.
_NO_PART = -1

MATCHED_SCHEMA = pa.schema(
    [
        *EDGE_SCHEMA,
        pa.field("split", pa.int16(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)
"""An edge, and its target's split and size."""

COUNTS = (
    "examples",
    "examples_with_neighbors",
    "neighbors",
    "unlabeled_examples",
    "graph_edges",
    "self_loops_dropped",
    "edges_to_unknown",
    "edges_across_splits",
    "unknown_sources",
)
"""What is counted of a join:

    examples: Examples written, in the splits that get neighbors.
    examples_with_neighbors: Those that got at least one.
    neighbors: Neighbors written.
    unlabeled_examples: Examples that were left out of these splits for want of a label.
    graph_edges: Edges of the graph.
    self_loops_dropped: Edges dropped because they join an example to itself, where that is asked.
    edges_to_unknown: Edges dropped because no example of any split has the target's id.
    edges_across_splits: Edges dropped because the target's split supplies none to the source's, of
        those that start at an example that gets neighbors.
    unknown_sources: Ids that edges to examples start at, and no example of any split has.
"""


LABEL_FEATURES = "label_features"
"""Counted beside `COUNTS`: the workers that saw an example with the feature of the label."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """The edges to the neighbors that are written.

    Attributes:
        edges: Of `EDGE_SCHEMA`: all of a source together, best first.
        sizes: Bytes that they add to each split.
        counts: A part of `COUNTS`.
    """

    edges: pa.Table
    sizes: Mapping[str, int]
    counts: Mapping[str, int]


def describe_rows(
    rows: Rows, config: AugmentConfig, carried: Sequence[bytes], place: tuple[int, int]
) -> pa.RecordBatch:
    """Returns a table of `EXAMPLE_SCHEMA`: of a split without part in the graph, those with an id.

    Args:
        rows: Examples that follow each other in a file.
        config: Says which splits get or supply neighbors.
        carried: What of each is carried along; nothing in a split without part in the graph.
        place: Number of the file, and of the first record.
    """
    count = len(rows.ids)
    takes_part = rows.split in config.splits
    split = config.splits.index(rows.split) if takes_part else _NO_PART
    columns = [
        pa.array(rows.ids, pa.binary()),
        pa.array(np.full(count, split, np.int16)),
        pa.array(np.array(rows.labeled, bool) & (rows.split in config.neighbors_from)),
        pa.array(list(map(len, carried)) if takes_part else np.zeros(count, np.int64), pa.int64()),
        pa.array(np.full(count, place[0], np.int32)),
        pa.array(np.arange(place[1], place[1] + count)),
    ]
    described = pa.RecordBatch.from_arrays(columns, schema=EXAMPLE_SCHEMA)
    return described if takes_part else described.filter(pa.array(list(map(bool, rows.ids))))


def join_examples(batches: Iterable[pa.RecordBatch], files: Sequence[str]) -> pa.Table:
    """Returns one table of `EXAMPLE_SCHEMA`, every id once.

    First come the examples of splits that get or supply neighbors, in their order. Of others with
    one id, or with an id that one of these has, one counts: of them it matters only that they are
    there.

    Args:
        batches: Of the same schema.
        files: The files by number.

    Raises:
        ValueError: Two examples of splits that get or supply neighbors have one id.
    """
    examples = pa.Table.from_batches(list(batches), EXAMPLE_SCHEMA)
    takes_part = pc.not_equal(examples["split"], _NO_PART)
    others = examples.filter(pc.invert(takes_part))
    examples = examples.filter(takes_part).combine_chunks()
    counts = pc.value_counts(examples["id"].combine_chunks())
    several = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(several):
        raise _same_id(examples, several, files)
    if not len(others):
        return examples
    others = others.filter(pa.array(rows_of(others["id"], examples["id"]) < 0))
    _, (number,) = number_ids(others["id"])
    others = others.take(pa.array(np.unique(number, return_index=True)[1]))
    return pa.concat_tables([examples, others]).combine_chunks()


def _same_id(examples: pa.Table, several: pa.StructArray, files: Sequence[str]) -> ValueError:
    first = several.take(pc.sort_indices(several.field("values")))[0].as_py()
    same = examples.filter(pc.equal(examples["id"], pa.scalar(first["values"], pa.binary())))
    same = same.sort_by([("file", "ascending"), ("record", "ascending")])
    places = zip(same["file"].to_pylist()[:2], same["record"].to_pylist()[:2], strict=True)
    shown = " and ".join(f"{files[file]}, record {record}" for file, record in places)
    others = f"; and {len(several) - 1} other ids several times" if len(several) > 1 else ""
    return ValueError(
        "Expected every id once in the splits that get or supply neighbors. Received "
        f"{first['counts']} examples with the id {name_some([first['values']])}: {shown} (from 0)"
        f"{others}. Give the examples ids of their own; ExampleIdentifier makes such."
    )


def unmatched_graph(
    graph_ids: Sequence[bytes], example_ids: Sequence[bytes], feature: str
) -> ValueError:
    """Returns the error that a graph's ids are none of the examples'.

    Args:
        graph_ids: Some of the graph's.
        example_ids: Some of the examples'.
        feature: The feature that holds the latter.
    """
    return ValueError(
        "Expected a graph between examples. Received one none of whose ids an example has: it "
        f"joins such as {name_some(graph_ids)}; the examples have, in the feature {feature!r}, "
        f"such as {name_some(example_ids)}. Name the feature that holds the id, if it is another "
        "one, or build the graph of examples that have the same ids; ExampleIdentifier makes such."
    )


def read_edge_batch(batch: pa.RecordBatch, config: AugmentConfig) -> list[pa.RecordBatch]:
    """Returns a graph's edges as they count: both ways where the config says so, loops or not."""
    source, target, weight = batch.columns
    batches = [batch]
    if config.add_undirected_edges:
        batches.append(pa.RecordBatch.from_arrays([target, source, weight], schema=EDGE_SCHEMA))
    if config.drop_self_loops:
        is_loop = pc.equal(source, target)
        batches = [one.filter(pc.invert(is_loop)) for one in batches]
    return batches


def match_targets(examples: pa.Table, edges: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Keeps the edges to examples.

    Args:
        examples: All that have the targets' ids, of `EXAMPLE_SCHEMA`.
        edges: Of `EDGE_SCHEMA`.

    Returns:
        The edges, of `MATCHED_SCHEMA`, and a part of `COUNTS`.
    """
    row = rows_of(edges["target"], examples["id"])
    known = np.flatnonzero(row >= 0)
    kept = edges.take(pa.array(known))
    of_target = examples.take(pa.array(row[known]))
    columns = [*kept.columns, of_target["split"], of_target["size"]]
    matched = pa.Table.from_arrays(columns, schema=MATCHED_SCHEMA)
    return matched, {"edges_to_unknown": len(row) - len(known)}


def choose_for_seeds(examples: pa.Table, matched: pa.Table, config: AugmentConfig) -> Chosen:
    """Chooses the neighbors of each example that gets any.

    Args:
        examples: All that have the sources' ids, of `EXAMPLE_SCHEMA`.
        matched: All edges that start at these ids, of `MATCHED_SCHEMA`.
        config: How many neighbors, out of which splits, and in which order.

    Raises:
        ValueError: An edge's weight is not a number.
    """
    row = rows_of(matched["source"], examples["id"])
    unknown = pc.count_distinct(matched["source"].filter(pa.array(row < 0))).as_py()
    of_seed = np.append(examples["seed"].to_numpy(), False)[row]  # -1 is the last
    split = np.append(examples["split"].to_numpy(), 0)[row]
    supplied = _supply(config)[split, matched["split"].to_numpy()]
    usable = np.flatnonzero(of_seed & supplied)
    source = row[usable]
    _, (target,) = number_ids(matched["target"].take(pa.array(usable)))
    chosen = usable[
        choose_neighbors(
            source,
            target,
            matched["weight"].to_numpy()[usable],
            config.neighbors.max_neighbors,
            config.tie_order,
        )
    ]
    added = np.bincount(
        split[chosen], matched["size"].to_numpy()[chosen], minlength=len(config.splits)
    )
    return Chosen(
        edges=matched.select(EDGE_SCHEMA.names).take(pa.array(chosen)),
        sizes={name: int(size) for name, size in zip(config.splits, added, strict=True) if size},
        counts={
            "examples_with_neighbors": len(np.unique(row[chosen])),
            "neighbors": len(chosen),
            "edges_across_splits": int(np.sum(of_seed & ~supplied)),
            "unknown_sources": unknown,
        },
    )


def rows_of(ids: pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Returns the row of each id in `known`, -1 where it is not there."""
    if isinstance(known, pa.ChunkedArray):
        known = known.combine_chunks()
    found = pc.fill_null(pc.index_in(ids, value_set=known), -1)
    return found.to_numpy().astype(np.int64)


def _supply(config: AugmentConfig) -> NDArray[np.bool_]:
    """Returns whether examples of a split may get neighbors out of another, `[split, other]`.

    The last row and column, at -1, are of splits that neither get nor supply neighbors.
    """
    result = np.zeros((len(config.splits) + 1, len(config.splits) + 1), bool)
    for split, supplying in config.neighbors_from.items():
        for other in supplying:
            result[config.splits.index(split), config.splits.index(other)] = True
    return result
