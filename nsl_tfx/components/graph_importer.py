"""GraphImporter: an explicit graph from files that hold its edges."""

from __future__ import annotations

from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from nsl_tfx.components import reading
from nsl_tfx.components.artifacts import NeighborGraph
from nsl_tfx.components.file_drivers import FILES, FILES_PARAMETER, FilesDriver
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import GraphImportConfig
from nsl_tfx.graph.examples.columns import read_ids, read_single_values
from nsl_tfx.graph.files import INFO_FILE, read_graph_info
from nsl_tfx.graph.finishing.nodes import node_batch
from nsl_tfx.graph.finishing.transform import FinishGraph
from nsl_tfx.graph.importing.transform import ReadEdgeFiles
from nsl_tfx.graph.importing.whole import check_any, symmetrize_of
from nsl_tfx.graph.reporting.headlines import headline_numbers
from nsl_tfx.io import staged
from nsl_tfx.io.beam_records import DecodeFeatures
from nsl_tfx.io.file_changes import fingerprint_files
from nsl_tfx.io.storage import exists, join
from nsl_tfx.io.tfrecords import RecordBlock


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the edges with Beam."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the files and writes a NeighborGraph.

        Args:
            input_dict: `examples` where given: one artifact.
            output_dict: `graph`.
            exec_properties: `config`, a GraphImportConfig as JSON.

        Raises:
            FileNotFoundError: No file matches.
            ValueError: A file, an edge or an example cannot make a graph; the message says what was
                expected. Nothing is published then.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = GraphImportConfig.from_json(exec_properties["config"])
        graph = artifact_utils.get_single_instance(output_dict["graph"])
        found = input_dict.get("examples")
        examples = artifact_utils.get_single_instance(found) if found else None
        files = fingerprint_files(config.paths)

        with staged(graph.uri, last=[INFO_FILE]) as folder:
            with self._make_beam_pipeline() as pipeline:
                inputs = pipeline | "ReadEdges" >> ReadEdgeFiles(config)
                if examples is not None:
                    inputs["nodes"] = pipeline | "ReadNodes" >> _ReadNodes(examples, config)
                _ = inputs | "FinishGraph" >> FinishGraph(
                    folder,
                    symmetrize=symmetrize_of(config),
                    dangling=config.dangling,
                    labeled=config.label_feature is not None and examples is not None,
                    worker_memory_mb=config.worker_memory_mb,
                )
            check_any(int(exists(join(folder, INFO_FILE))))
            info = read_graph_info(folder)
            if examples is not None:
                reading.check_labels(examples, config.label_feature, info)
        set_custom_properties(graph, headline_numbers(info) | {FILES: files})


class _ReadNodes(beam.PTransform):
    """Reads the ids, labels and splits of examples: batches of `NODE_SCHEMA`."""

    def __init__(self, examples: Any, config: GraphImportConfig):
        super().__init__()
        splits = reading.split_names(examples)
        self._splits = splits if config.splits is None else list(config.splits)
        reading.check_splits(self._splits, splits, "GraphImportConfig.splits")
        self._examples = examples
        self._config = config

    def expand(self, pipeline: Any) -> Any:
        features = [self._config.id_feature]
        if self._config.label_feature is not None:
            features.append(self._config.label_feature)
        return [
            pipeline
            | f"Read[{split}]" >> reading.ReadSplit(self._examples, split)
            | f"Decode[{split}]" >> DecodeFeatures(features)
            | f"Nodes[{split}]" >> beam.Map(_nodes, split, *features)
            for split in self._splits
        ] | "AllSplits" >> beam.Flatten()


class EdgeFilesDriver(FilesDriver):
    """Looks at the files of edges."""

    @staticmethod
    def fingerprint(config: str) -> str:
        """Returns a hash of the files of edges as they are now."""
        return fingerprint_files(GraphImportConfig.from_json(config).paths)


class GraphImporterSpec(component_spec.ComponentSpec):
    """What GraphImporter takes and gives."""

    PARAMETERS: ClassVar[dict[str, Any]] = {**PARAMETERS, **FILES_PARAMETER}
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True)
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "graph": component_spec.ChannelParameter(type=NeighborGraph)
    }


class GraphImporter(base_beam_component.BaseBeamComponent):
    """Reads a graph from files of edges: TSV, CSV, Parquet or tf.Examples.

    Output `graph`: a NeighborGraph with its quality metrics; see `nsl_tfx.graph.measuring.metrics`.

    A cached result is used while the files' names, sizes and times of change stay what they were.
    They are looked at when the pipeline is made and, by orchestrators that run drivers as
    LocalDagRunner does, again before each run. Kubeflow Pipelines v2 runs none: a pipeline that was
    compiled there before its files changed has to be compiled anew, or run without caching.

    Example:
        graph_importer = GraphImporter(
            examples=example_gen.outputs["examples"],
            config=GraphImportConfig(paths=("citations/*.tsv.gz",), label_feature="label"),
        )
    """

    SPEC_CLASS = GraphImporterSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = EdgeFilesDriver

    def __init__(self, config: GraphImportConfig, examples: Any = None):
        """Makes the pipeline's node.

        Args:
            config: Which files, and what graph is made of them.
            examples: Channel of Examples: gzipped TFRecords of tf.Examples. With it, ids that no
                example has are reported, and labels and splits enter the metrics.

        Raises:
            TypeError: `config` is no GraphImportConfig.
        """
        check_config(config, GraphImportConfig)
        super().__init__(
            GraphImporterSpec(
                examples=examples,
                **settings_of(config),
                files=fingerprint_files(config.paths),
                graph=channel.Channel(type=NeighborGraph),
            )
        )


def _nodes(
    decoded: tuple[RecordBlock, pa.RecordBatch],
    split: str,
    id_feature: str,
    label_feature: str | None = None,
) -> pa.RecordBatch:
    block, batch = decoded
    ids = read_ids(batch, id_feature, block)
    labels = None if label_feature is None else read_single_values(batch, label_feature, block)
    return node_batch(ids, labels, split)
