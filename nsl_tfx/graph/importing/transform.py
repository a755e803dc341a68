"""The Beam transform that reads files of edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.graph.importing.edge_files import EdgeFile, find_edge_files, read_edge_file
from nsl_tfx.graph.importing.whole import describe_import

_DROPS = "drops"
_MAIN = "main"


class ReadEdgeFiles(beam.PTransform):
    """Reads the files that a config names, each on one worker, in blocks.

    Element types: from a pipeline to a dict of `edges`, `pyarrow.RecordBatch` of `EDGE_SCHEMA`, and
    `info`, once: what `FinishGraph` takes.

    Args:
        config: Which files, and how they are read.

    Raises:
        FileNotFoundError: No file matches; raised before the pipeline runs.
        ValueError: A file's format is not known; raised before the pipeline runs. A file is
            damaged or a row is no edge; raised while it runs.
    """

    def __init__(self, config: GraphImportConfig):
        super().__init__()
        self._config = config
        self._files = find_edge_files(config.paths, config.format)

    def expand(self, pipeline: Any) -> dict[str, Any]:
        """Applies the transform."""
        read = (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read, self._config).with_outputs(_DROPS, main=_MAIN)
        )
        info = (
            read[_DROPS]
            | "AddDrops" >> beam.CombineGlobally(_add_drops)
            | "Describe" >> beam.Map(_describe, self._config)
        )
        return {"edges": read[_MAIN], "info": info}


def _read(file: tuple[Any, ...], config: GraphImportConfig) -> Iterator[Any]:
    for block in read_edge_file(EdgeFile(*file), config):
        if block.edges.num_rows:
            yield block.edges
        yield TaggedOutput(_DROPS, dict(block.drops))


def _add_drops(drops: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in drops:
        total.update(one)
    return dict(total)


def _describe(drops: dict[str, int], config: GraphImportConfig) -> dict[str, Any]:
    return describe_import(config, drops)
