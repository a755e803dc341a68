"""The Beam transform that builds a graph of examples' vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton, TaggedOutput

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building.blocks import read_blocks
from nsl_tfx.graph.building.bucketing import Plan, make_plan
from nsl_tfx.graph.building.dimensions import (
    Dimensions,
    choose_dimension,
    count_dimensions,
    dimensions_of,
)
from nsl_tfx.graph.building.finding import FindNeighbors
from nsl_tfx.graph.building.vector_batches import dimension_of, vector_batch
from nsl_tfx.graph.finishing.nodes import node_batch
from nsl_tfx.graph.finishing.transform import FinishGraph
from nsl_tfx.io import RecordBlock

# The records as they came, and a row of columns for each. A plain tuple, because Beam passes it
# between workers.
Batch = tuple[RecordBlock, pa.RecordBatch]

_MAIN = "main"
_NODES = "nodes"
_DROPS = "drops"
_EDGE_DROPS = ("below_threshold", "nodes_at_cap")


class BuildGraph(beam.PTransform):
    """Batches of examples of each split to a graph's files in a folder.

    Where all vectors fit one worker's budget, one worker searches them all. Else each of several
    rounds parts them into buckets of near nodes that fit, workers search the buckets, and each
    node's best neighbors of all rounds are merged. Without any node nothing is written.

    Element types: a dict of split to `Batch` to the folder's name, once.

    Args:
        config: Which features are read, and how the graph is made.
        folder: Where the graph is written to. A component gives a temporary one, which it publishes
            whole.

    Raises:
        ValueError: An example cannot be a node and is not to be dropped, the vectors are of several
            lengths, or two nodes have one id; raised while the pipeline runs.
    """

    def __init__(self, config: SimilarityGraphConfig, folder: str):
        super().__init__()
        self._config = config
        self._folder = folder

    def expand(self, splits: Mapping[str, Any]) -> Any:
        """Applies the transform."""
        config = self._config
        read = [
            batches
            | f"Vectors[{split}]"
            >> beam.FlatMap(_read, split, config).with_outputs(_DROPS, main=_MAIN)
            for split, batches in splits.items()
        ]
        pairs = [one[_MAIN] for one in read] | "AllVectors" >> beam.Flatten()
        plan = AsSingleton(
            pairs
            | "Dimensions" >> beam.Map(lambda pair: dimensions_of(pair[0]))
            | "AddDimensions" >> beam.CombineGlobally(count_dimensions)
            | "Plan" >> beam.Map(_plan, config)
        )
        usable = pairs | "OneDimension" >> beam.FlatMap(_of_dimension, plan).with_outputs(
            _NODES, _DROPS, main=_MAIN
        )
        found = usable[_MAIN] | "FindNeighbors" >> FindNeighbors(config, plan)
        kept = found["edges"] | "Threshold" >> beam.FlatMap(
            _keep_similar, plan, config
        ).with_outputs(_DROPS, main=_MAIN)
        drops = (
            [*(one[_DROPS] for one in read), usable[_DROPS], kept[_DROPS]]
            | "AllDrops" >> beam.Flatten()
            | "AddDrops" >> beam.CombinePerKey(sum)
        )
        info = found["search"] | "Describe" >> beam.Map(_describe, AsDict(drops), config)
        inputs = {"edges": kept[_MAIN], "nodes": usable[_NODES], "info": info}
        return inputs | "Finish" >> FinishGraph(
            self._folder,
            symmetrize=config.symmetrize,
            labeled=config.label_feature is not None,
            worker_memory_mb=config.worker_memory_mb,
        )


def _read(batch: Batch, split: str, config: SimilarityGraphConfig) -> Iterator[Any]:
    """Yields the vectors and the nodes of a batch, one pair a dimension."""
    records, columns = batch
    blocks, drops = read_blocks(columns, config, records)
    for ids, vectors, labels in blocks:
        yield vector_batch(ids, vectors), node_batch(ids, labels, split)
    for drop in drops.items():
        yield TaggedOutput(_DROPS, drop)


def _plan(dimensions: Dimensions, config: SimilarityGraphConfig) -> Plan:
    dimension, rows = choose_dimension(dimensions, config)
    return make_plan(rows, dimension, config)


def _of_dimension(pair: tuple[pa.RecordBatch, pa.RecordBatch], plan: Plan) -> Iterator[Any]:
    vectors, nodes = pair
    if dimension_of(vectors) != plan.dimension:
        yield TaggedOutput(_DROPS, ("other_dimension", vectors.num_rows))
        return
    yield vectors
    yield TaggedOutput(_NODES, nodes)


def _keep_similar(
    edges: pa.RecordBatch, plan: Plan, config: SimilarityGraphConfig
) -> Iterator[Any]:
    """Yields the edges that reach the threshold. All edges of a source come in one batch."""
    similar = edges
    if config.similarity_threshold is not None:
        # Weights are float32, which may lie below the float64 of the same number: compared with
        # that, an edge of weight 0.96 would be dropped at threshold 0.96.
        least = np.float32(config.similarity_threshold)
        similar = edges.filter(pa.array(edges.column(2).to_numpy() >= least))
    yield similar
    yield TaggedOutput(_DROPS, ("below_threshold", edges.num_rows - similar.num_rows))
    at_cap = 0
    if plan.rows > config.num_neighbors + 1 and similar.num_rows:
        counts = similar.column(0).value_counts().field("counts").to_numpy()
        at_cap = int((counts == config.num_neighbors).sum())
    yield TaggedOutput(_DROPS, ("nodes_at_cap", at_cap))


def _describe(
    search: Mapping[str, Any], drops: Mapping[str, int], config: SimilarityGraphConfig
) -> dict[str, Any]:
    return {
        "config": config.to_dict(),
        "config_hash": config.fingerprint(),
        # Nothing is dropped of a graph without edges, and is told of nonetheless.
        "drops": {**dict.fromkeys(_EDGE_DROPS, 0), **drops},
        **search,
    }
