"""GraphBuilder: a similarity graph from examples' embeddings."""

from __future__ import annotations

from typing import Any, ClassVar

import apache_beam as beam
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import path_utils

from nsl_tfx.components import reading
from nsl_tfx.components.artifacts import NeighborGraph
from nsl_tfx.components.file_drivers import FILES, FILES_PARAMETER, FilesDriver
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import EmbeddingModelConfig, SimilarityGraphConfig
from nsl_tfx.graph.building.model_files import fingerprint_model
from nsl_tfx.graph.building.transform import BuildGraph
from nsl_tfx.graph.files import INFO_FILE, read_graph_info
from nsl_tfx.graph.reporting.headlines import headline_numbers
from nsl_tfx.graph.search.recall import warn_of_missed_recall
from nsl_tfx.io import read_schema, staged
from nsl_tfx.io.beam_records import DecodeFeatures
from nsl_tfx.io.storage import exists, join


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
            input_dict: `examples`, and where given `schema` and `model`: one artifact each.
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

        with staged(graph.uri, last=[INFO_FILE]) as folder:
            with self._make_beam_pipeline() as pipeline:
                batches = {
                    split: pipeline
                    | f"Read[{split}]" >> reading.ReadSplit(examples, split)
                    | f"Decode[{split}]" >> DecodeFeatures(_features(config), schema)
                    for split in config.splits
                }
                if config.embedding_model is not None:
                    batches = _embed(batches, config.embedding_model, input_dict.get("model"))
                _ = batches | "BuildGraph" >> BuildGraph(config, folder)
            if not exists(join(folder, INFO_FILE)):
                raise ValueError(
                    "Expected at least one example to make a graph of. Received none in the "
                    f"splits: {', '.join(config.splits)}."
                )
            info = read_graph_info(folder)
            reading.check_labels(examples, config.label_feature, info)
        warn_of_missed_recall(info, config.target_recall)
        set_custom_properties(graph, headline_numbers(info))


def _features(config: SimilarityGraphConfig) -> list[str]:
    """Returns the features that are decoded."""
    features = [config.id_feature]
    if config.label_feature is not None:
        features.append(config.label_feature)
    if config.embedding_feature is not None:
        features.append(config.embedding_feature)
    elif config.embedding_model is not None:
        features.extend(config.embedding_model.features or ())
    return features


def _embed(
    batches: dict[str, Any], config: EmbeddingModelConfig, models: list[Any] | None
) -> dict[str, Any]:
    """Returns the batches with the column of embeddings."""
    # TensorFlow's SavedModels are loaded only where one is called.
    from nsl_tfx.graph.building.embedding import EmbedExamples

    path = config.path
    if path is None:
        path = path_utils.serving_model_path(artifact_utils.get_single_uri(models or []))
    return {
        split: part | f"Embed[{split}]" >> beam.ParDo(EmbedExamples(path, config))
        for split, part in batches.items()
    }


class ModelFilesDriver(FilesDriver):
    """Looks at the embedding model's files, where it lies at a path."""

    @staticmethod
    def fingerprint(config: str) -> str | None:
        """Returns a hash of the model's files as they are now; None where no path is named."""
        model = SimilarityGraphConfig.from_json(config).embedding_model
        return None if model is None or model.path is None else fingerprint_model(model.path)


class GraphBuilderSpec(component_spec.ComponentSpec):
    """What GraphBuilder takes and gives."""

    PARAMETERS: ClassVar[dict[str, Any]] = {**PARAMETERS, **FILES_PARAMETER}
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema, optional=True),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "graph": component_spec.ChannelParameter(type=NeighborGraph)
    }


class GraphBuilder(base_beam_component.BaseBeamComponent):
    """Joins each example to its nearest neighbors by the similarity of their embeddings.

    An embedding is a feature, or made by a model on the way: a Model artifact, or a SavedModel at a
    path. Output `graph`: a NeighborGraph with its quality metrics, the recall of its search
    included; see `nsl_tfx.graph.measuring.metrics`.

    With a SavedModel at a path, a cached result is used while the names, sizes and times of change
    of the model's files stay what they were. They are looked at when the pipeline is made and, by
    orchestrators that run drivers as LocalDagRunner does, again before each run. Kubeflow Pipelines
    v2 runs none: a pipeline that was compiled there before the model changed has to be compiled
    anew, or run without caching; or give the model as a Model artifact.

    Example:
        graph_builder = GraphBuilder(
            examples=example_gen.outputs["examples"],
            config=SimilarityGraphConfig(embedding_feature="image", similarity_threshold=0.8),
        )
    """

    SPEC_CLASS = GraphBuilderSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = ModelFilesDriver

    def __init__(
        self,
        examples: Any,
        config: SimilarityGraphConfig,
        schema: Any = None,
        model: Any = None,
    ):
        """Makes the pipeline's node.

        Args:
            examples: Channel of Examples: gzipped TFRecords of tf.Examples.
            config: Which features and splits are read, and how the graph is made.
            schema: Channel of their Schema; with it, a feature of another type than it declares is
                an error.
            model: Channel of the Model that makes the embeddings, where
                `config.embedding_model` has no path.

        Raises:
            TypeError: `config` is no SimilarityGraphConfig.
            ValueError: It does not say, or says twice, where the embeddings come from.
        """
        check_config(config, SimilarityGraphConfig)
        needs_model = config.embedding_model is not None and config.embedding_model.path is None
        if needs_model != (model is not None):
            raise ValueError(
                "Expected a model where, and only where, config.embedding_model has no path of its "
                f"own. Received: model={'none' if model is None else 'a channel'} and "
                f"embedding_model={config.embedding_model!r}."
            )
        settings = settings_of(config)
        files = ModelFilesDriver.fingerprint(settings["config"])
        super().__init__(
            GraphBuilderSpec(
                examples=examples,
                schema=schema,
                model=model,
                **settings,
                **({} if files is None else {FILES: files}),
                graph=channel.Channel(type=NeighborGraph),
            )
        )
