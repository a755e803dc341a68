"""NeighborAugmenter: examples with their neighbors' features beside their own."""

from __future__ import annotations

from typing import Any, ClassVar

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from nsl_tfx.components import reading, writing
from nsl_tfx.components.artifacts import NeighborGraph
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import AugmentConfig
from nsl_tfx.graph.examples.writing import WriteCounts
from nsl_tfx.graph.joining.augmenting import Job
from nsl_tfx.graph.joining.matching import COUNTS
from nsl_tfx.graph.joining.schema import augment_schema, carried_features
from nsl_tfx.graph.joining.transform import JoinNeighbors
from nsl_tfx.io import read_schema, staged, storage


class Executor(base_beam_executor.BaseBeamExecutor):
    """Joins and packs with Beam."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples with their neighbors, and their Schema.

        Args:
            input_dict: `input_examples`, `graph` and `input_schema`: one artifact each.
            output_dict: `examples` and `schema`.
            exec_properties: `config`, an AugmentConfig as JSON.

        Raises:
            ValueError: The config does not fit the examples or their Schema, a file is damaged, an
                example has no id or one that another has, or an edge's weight is not a number; the
                message says what was expected. Nothing is published then.
            FileNotFoundError: The graph is missing or not whole.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = AugmentConfig.from_json(exec_properties["config"])
        examples = artifact_utils.get_single_instance(input_dict["input_examples"])
        graph_uri = artifact_utils.get_single_uri(input_dict["graph"])
        schema = read_schema(artifact_utils.get_single_uri(input_dict["input_schema"]))
        augmented = artifact_utils.get_single_instance(output_dict["examples"])
        schema_uri = artifact_utils.get_single_uri(output_dict["schema"])

        splits = reading.split_names(examples)
        reading.check_splits(config.splits, splits, "AugmentConfig.neighbors_from")
        _check_declared(schema, config)
        augmented_schema = augment_schema(schema, config)
        files = {split: tuple(reading.split_files(examples, split)) for split in splits}

        with staged(augmented.uri) as folder, staged(schema_uri) as schema_folder:
            job = Job(files, graph_uri, config, carried_features(schema, config), folder)
            with self._make_beam_pipeline() as pipeline:
                counts = pipeline | "Join" >> JoinNeighbors(job)
                _ = counts | "WriteCounts" >> WriteCounts(storage.join(folder, writing.COUNTS_FILE))
            counted = writing.take_counts(folder, COUNTS)
            writing.write_schema(schema_folder, augmented_schema)

        writing.describe_alike(augmented, examples)
        set_custom_properties(augmented, counted)


def _check_declared(schema: schema_pb2.Schema, config: AugmentConfig) -> None:
    """Raises ValueError where the schema lacks the feature of the id or of the label."""
    known = [feature.name for feature in schema.feature]
    for field, name in (("id_feature", config.id_feature), ("label_feature", config.label_feature)):
        if name is not None and name not in known:
            raise ValueError(
                f"Expected AugmentConfig.{field} to name a feature of the schema: "
                f"{', '.join(known)}. Received: {name}. Of transformed examples, the schema holds "
                "what preprocessing_fn returned: return the feature there."
            )


class NeighborAugmenterSpec(component_spec.ComponentSpec):
    """What NeighborAugmenter takes and gives.

    TFX wants different names on both sides, and users meet the outputs' (`outputs["examples"]`):
    so it is the inputs whose names are longer here. The constructor's arguments stay plain.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = PARAMETERS
    INPUTS: ClassVar[dict[str, Any]] = {
        "input_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "graph": component_spec.ChannelParameter(type=NeighborGraph),
        "input_schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }


class NeighborAugmenter(base_beam_component.BaseBeamComponent):
    """Writes the features of each example's best neighbors into the example.

    Output `examples`: the input's splits and features, and beside them `NL_num_nbrs`, and for the
    neighbor number `i`, from 0 in the order of descending weight, `NL_nbr_<i>_weight` and
    `NL_nbr_<i>_<feature>`. Output `schema`: describes them. What was counted
    (`nsl_tfx.graph.joining.matching.COUNTS`) becomes custom properties of the examples.

    Examples that Transform wrote do as well, if `preprocessing_fn` returns the id: take its
    `transformed_examples` and, as schema, `post_transform_schema`.

    Example:
        augmenter = NeighborAugmenter(
            examples=example_gen.outputs["examples"],
            graph=graph_builder.outputs["graph"],
            schema=schema_gen.outputs["schema"],
            config=AugmentConfig(features=("image",)),
        )
    """

    SPEC_CLASS = NeighborAugmenterSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, examples: Any, graph: Any, schema: Any, config: AugmentConfig):
        """Makes the pipeline's node.

        Args:
            examples: Channel of Examples: gzipped TFRecords of tf.Examples.
            graph: Channel of NeighborGraph over their ids.
            schema: Channel of their Schema.
            config: How many neighbors, which of their features, and for which splits.

        Raises:
            TypeError: `config` is no AugmentConfig.
        """
        check_config(config, AugmentConfig)
        super().__init__(
            NeighborAugmenterSpec(
                input_examples=examples,
                graph=graph,
                input_schema=schema,
                **settings_of(config),
                examples=channel.Channel(type=standard_artifacts.Examples),
                schema=channel.Channel(type=standard_artifacts.Schema),
            )
        )
