"""Beam transforms that part vectors into buckets of near nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.bucketing import (
    ROWS_IN_BLOCK,
    Buckets,
    Drawn,
    Plan,
    cells_of,
    draw,
    join_drawn,
    leader_luck,
    pack_cells,
    part_luck,
)
from nsl_tfx.graph.building.vector_batches import join_vectors, take_vectors, vector_batch
from nsl_tfx.graph.hashing import hash_ids

# The rows of a block, and the cell of each row in each round, int64 [rounds, rows].
Celled = tuple[pa.RecordBatch, "NDArray[np.int64]"]


class CutIntoBuckets(beam.PTransform):
    """Vectors that do not fit one worker to buckets of near ones, anew in each round.

    Element types: batches of `vector_batch` to a dict of
        vectors: ((round, bucket), batch); none where one worker holds all.
        buckets: One list of each round's `Buckets`.

    Args:
        config: How neighbors are found.
        plan: Side input of the `Plan`.
    """

    def __init__(self, config: SimilarityGraphConfig, plan: AsSingleton):
        super().__init__()
        self._config = config
        self._plan = plan

    def expand(self, vectors: Any) -> dict[str, Any]:
        """Applies the transform."""
        config, plan = self._config, self._plan
        leaders = AsDict(
            vectors
            | "DrawLeaders" >> beam.FlatMap(_draw_leaders, plan, config)
            | "Leaders" >> beam.CombinePerKey(JoinDrawn())
            | "LeadersAlone" >> beam.MapTuple(_without_hashes)
        )
        celled = (
            vectors
            | "Blocks" >> beam.ParDo(LargerBlocks(), plan)
            | "Cells" >> beam.Map(_with_cells, leaders, config)
        )
        buckets = (
            celled
            | "CellSizes" >> beam.FlatMap(_cell_sizes)
            | "AddCellSizes" >> beam.CombinePerKey(sum)
            | "AllCells" >> beam.combiners.ToDict()
            | "Pack" >> beam.Map(_pack, leaders, plan, config)
        )
        parted = celled | "Part" >> beam.FlatMap(_part, AsSingleton(buckets), config)
        return {"vectors": parted, "buckets": buckets}


class JoinDrawn(beam.CombineFn):
    """Keeps the nodes with the smallest hashes; as many as each part brought at most."""

    def create_accumulator(self) -> tuple[int, list[Drawn]]:
        """Returns what no part was added to."""
        return 0, []

    def add_input(
        self, accumulator: tuple[int, list[Drawn]], element: tuple[int, Drawn]
    ) -> tuple[int, list[Drawn]]:
        """Returns the accumulator with a part's nodes."""
        count, drawn = element
        parts = [*accumulator[1], drawn]
        if sum(len(part.hashes) for part in parts) > 2 * count + ROWS_IN_BLOCK:
            parts = [join_drawn(parts, count)]
        return count, parts

    def merge_accumulators(
        self, accumulators: Iterable[tuple[int, list[Drawn]]]
    ) -> tuple[int, list[Drawn]]:
        """Returns the nodes of all of them."""
        merged = self.create_accumulator()
        for count, parts in accumulators:
            for part in parts:
                merged = self.add_input(merged, (count, part))
        return merged

    def extract_output(self, accumulator: tuple[int, list[Drawn]]) -> Drawn:
        """Returns the nodes that remain."""
        return join_drawn(accumulator[1], accumulator[0])


class LargerBlocks(beam.DoFn):
    """Joins a bundle's batches to larger ones; lets nothing through where one worker holds all."""

    def start_bundle(self) -> None:
        """Begins without rows: a bundle that failed may leave some behind."""
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def process(self, batch: pa.RecordBatch, plan: Plan) -> Iterator[pa.RecordBatch]:
        """Yields a block, once enough rows have come."""
        if not plan.is_cut:
            return
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= min(ROWS_IN_BLOCK, plan.rows_in_bucket):
            yield self._joined()

    def finish_bundle(self) -> Iterator[Any]:
        """Yields the rows that are left."""
        if self._waiting:
            window = GlobalWindow()
            yield WindowedValue(self._joined(), window.max_timestamp(), [window])

    def _joined(self) -> pa.RecordBatch:
        block = vector_batch(*join_vectors(self._waiting))
        self._waiting, self._rows = [], 0
        return block


def _draw_leaders(
    batch: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[tuple[int, tuple[int, Drawn]]]:
    if plan.is_cut:
        hashes = hash_ids(batch.column(0).to_pylist())
        for number in range(plan.rounds):
            luck = leader_luck(hashes, config.random_seed, number)
            yield number, (plan.leaders, draw(batch, luck, plan.leaders))


def _without_hashes(number: int, drawn: Drawn) -> tuple[int, pa.RecordBatch]:
    return number, drawn.batch


def _with_cells(
    batch: pa.RecordBatch, leaders: Mapping[int, pa.RecordBatch], config: SimilarityGraphConfig
) -> Celled:
    return batch, cells_of(batch, [leaders[number] for number in sorted(leaders)], config)


def _cell_sizes(celled: Celled) -> Iterator[tuple[tuple[int, int], int]]:
    for number, cells in enumerate(celled[1]):
        for cell, rows in enumerate(np.bincount(cells)):
            if rows:
                yield (number, cell), int(rows)


def _pack(
    sizes: Mapping[tuple[int, int], int],
    leaders: Mapping[int, pa.RecordBatch],
    plan: Plan,
    config: SimilarityGraphConfig,
) -> list[Buckets]:
    return [
        pack_cells(
            {cell: rows for (of_round, cell), rows in sizes.items() if of_round == number},
            leaders[number],
            config,
            plan.rows_in_bucket,
        )
        for number in sorted(leaders)
    ]


def _part(
    celled: Celled, buckets: Sequence[Buckets], config: SimilarityGraphConfig
) -> Iterator[tuple[tuple[int, int], pa.RecordBatch]]:
    batch, cells = celled
    hashes = hash_ids(batch.column(0).to_pylist())
    for number, packed in enumerate(buckets):
        bucket = packed.of(cells[number], part_luck(hashes, config.random_seed, number))
        for one in np.unique(bucket):
            yield (number, int(one)), take_vectors(batch, np.flatnonzero(bucket == one))
