"""Beam transforms that build a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pyarrow as pa

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.blocks import Block, join_blocks, read_block
from nsl_tfx.graph.description import describe_graph
from nsl_tfx.graph.files import write_graph
from nsl_tfx.graph.similarity import build_similarity_graph


class BuildGraph(beam.PTransform):
    """Record batches of examples to a graph's files in a folder.

    All blocks meet on one worker, which calls the exact kernel once: what it holds is the whole
    embedding matrix. Without any example nothing is written.

    Element types: `pyarrow.RecordBatch` to the folder's name, once.

    Args:
        config: Which features are read, and how the graph is made.
        folder: Where the graph is written to.
    """

    def __init__(self, config: SimilarityGraphConfig, folder: str):
        super().__init__()
        self._config = config
        self._folder = folder

    def expand(self, batches: Any) -> Any:
        """Applies the transform."""
        return (
            batches
            | "Blocks" >> beam.Map(_keyed_block, self._config)
            | "OneWorker" >> beam.GroupByKey()
            | "Build" >> beam.Map(_build, self._config, self._folder)
        )


def _keyed_block(batch: pa.RecordBatch, config: SimilarityGraphConfig) -> tuple[int, Block]:
    return 0, read_block(batch, config)


def _build(
    keyed_blocks: tuple[int, Iterable[Block]], config: SimilarityGraphConfig, folder: str
) -> str:
    ids, vectors, labels = join_blocks(keyed_blocks[1], config.embedding_feature or "")
    graph = build_similarity_graph(ids, vectors, config)
    known_labels = None if config.label_feature is None else labels
    write_graph(folder, graph.ids, graph.edges, describe_graph(graph, known_labels, config))
    return folder
