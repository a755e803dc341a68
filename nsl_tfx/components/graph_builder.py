"""GraphBuilder: a similarity graph from examples' embeddings."""

from __future__ import annotations

from typing import Any, ClassVar

import apache_beam as beam
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from nsl_tfx.components import reading
from nsl_tfx.components.artifacts import NeighborGraph
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph.building import BuildGraph
from nsl_tfx.graph.description import headline_numbers
from nsl_tfx.graph.files import INFO_FILE, read_graph_info
from nsl_tfx.graph.storage import exists, join
from nsl_tfx.io import read_schema, staged


class Executor(base_beam_executor.BaseBeamExecutor):
    """Builds the graph with Beam."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the configured splits and writes a NeighborGraph.

        Args:
            input_dict: `examples`, and `schema` where given: one artifact each.
            output_dict: `graph`.
            exec_properties: `config`, a SimilarityGraphConfig as JSON.

        Raises:
            ValueError: The config, an example or the whole of them cannot make a graph; the
                message says what was expected. Nothing is published then.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = SimilarityGraphConfig.from_json(exec_properties["config"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        graph = artifact_utils.get_single_instance(output_dict["graph"])
        reading.check_splits(
            config.splits, reading.split_names(examples), "SimilarityGraphConfig.splits"
        )
        schemas = input_dict.get("schema")
        schema = read_schema(artifact_utils.get_single_uri(schemas)) if schemas else None
        features = [config.id_feature, config.embedding_feature or ""]
        if config.label_feature is not None:
            features.append(config.label_feature)

        with staged(graph.uri, last=[INFO_FILE]) as folder:
            with self._make_beam_pipeline() as pipeline:
                batches = [
                    pipeline
                    | f"Read[{split}]"
                    >> reading.split_tfxio(
                        examples, split, "GraphBuilder", schema, dict.fromkeys(features)
                    ).BeamSource()
                    for split in config.splits
                ]
                _ = batches | beam.Flatten() | "BuildGraph" >> BuildGraph(config, folder)
            if not exists(join(folder, INFO_FILE)):
                raise ValueError(
                    "Expected at least one example to make a graph of. Received none in the "
                    f"splits: {', '.join(config.splits)}."
                )
            info = read_graph_info(folder)
        set_custom_properties(graph, headline_numbers(info))


class GraphBuilderSpec(component_spec.ComponentSpec):
    """What GraphBuilder takes and gives."""

    PARAMETERS: ClassVar[dict[str, Any]] = PARAMETERS
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "graph": component_spec.ChannelParameter(type=NeighborGraph)
    }


class GraphBuilder(base_beam_component.BaseBeamComponent):
    """Joins each example to its nearest neighbors by cosine similarity of an embedding feature.

    Output `graph`: a NeighborGraph with its quality metrics; see `nsl_tfx.graph.metrics`.

    Example:
        graph_builder = GraphBuilder(
            examples=example_gen.outputs["examples"],
            config=SimilarityGraphConfig(embedding_feature="image", similarity_threshold=0.8),
        )
    """

    SPEC_CLASS = GraphBuilderSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: Any,
        config: SimilarityGraphConfig,
        schema: Any = None,
    ):
        """Makes the pipeline's node.

        Args:
            examples: Channel of Examples: gzipped TFRecords of tf.Examples.
            config: Which features and splits are read, and how the graph is made.
            schema: Channel of their Schema; with it, only the features that are needed are decoded.

        Raises:
            TypeError: `config` is no SimilarityGraphConfig.
        """
        check_config(config, SimilarityGraphConfig)
        super().__init__(
            GraphBuilderSpec(
                examples=examples,
                schema=schema,
                **settings_of(config),
                graph=channel.Channel(type=NeighborGraph),
            )
        )
