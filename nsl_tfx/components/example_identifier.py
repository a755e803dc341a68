"""ExampleIdentifier: examples that each have an id of their own."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from nsl_tfx.components import reading, writing
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import IdentifyConfig
from nsl_tfx.graph.examples.writing import WriteCounts, WriteShards
from nsl_tfx.graph.identifying.identity import identify_schema
from nsl_tfx.graph.identifying.transform import COUNTS, IdentifyExamples, check_one_type
from nsl_tfx.io import read_schema, staged, storage


class Executor(base_beam_executor.BaseBeamExecutor):
    """Gives ids with Beam."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples with their ids, and their Schema where one is given.

        Args:
            input_dict: `input_examples`, and `input_schema` where given: one artifact each.
            output_dict: `examples`, and `schema` where `input_schema` is given.
            exec_properties: `config`, an IdentifyConfig as JSON.

        Raises:
            ValueError: An example's id is no id or another's too, ids would be of two types, or the
                Schema says that the feature holds none; the message says where. Nothing is
                published then.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = IdentifyConfig.from_json(exec_properties["config"])
        examples = artifact_utils.get_single_instance(input_dict["input_examples"])
        identified = artifact_utils.get_single_instance(output_dict["examples"])
        splits = reading.split_names(examples)
        files = {split: reading.split_files(examples, split) for split in splits}
        schemas = input_dict.get("input_schema")
        schema = read_schema(artifact_utils.get_single_uri(schemas)) if schemas else None
        identified_schema = None if schema is None else identify_schema(schema, config)

        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(staged(identified.uri))
            with self._make_beam_pipeline() as pipeline:
                rows, counts = pipeline | "Identify" >> IdentifyExamples(files, config)
                _ = rows | "WriteExamples" >> WriteShards(folder, splits)
                _ = counts | "WriteCounts" >> WriteCounts(storage.join(folder, writing.COUNTS_FILE))
            counted = writing.take_counts(folder, COUNTS)
            check_one_type(counted, identified_schema, config)
            if identified_schema is not None:
                uri = artifact_utils.get_single_uri(output_dict["schema"])
                writing.write_schema(stack.enter_context(staged(uri)), identified_schema)

        writing.describe_alike(identified, examples)
        set_custom_properties(identified, {name: counted[name] for name in COUNTS})


class ExampleIdentifierSpec(component_spec.ComponentSpec):
    """What ExampleIdentifier takes and gives; its inputs are named as NeighborAugmenter's are."""

    PARAMETERS: ClassVar[dict[str, Any]] = PARAMETERS
    INPUTS: ClassVar[dict[str, Any]] = {
        "input_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "input_schema": component_spec.ChannelParameter(
            type=standard_artifacts.Schema, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema, optional=True),
    }


class ExampleIdentifier(base_beam_component.BaseBeamComponent):
    """Gives each example an id of its own, the same in every run: a digest of what it holds.

    Examples of equal content get different ids, of which all but the first end in a number; which
    of them that is cannot be told, since nothing else tells them apart. It does not depend on the
    order of rows, on files, or on workers. Ids are unique over all splits; the first of equal
    examples is one of the split that the artifact names first.

    Output `examples`: the input's splits and features, and the id. Output `schema`, where a schema
    is given: with the id's feature described as one value that is always there.

    Example:
        identifier = ExampleIdentifier(
            examples=example_gen.outputs["examples"], config=IdentifyConfig(id_feature="id")
        )
    """

    SPEC_CLASS = ExampleIdentifierSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, examples: Any, config: IdentifyConfig, schema: Any = None):
        """Makes the pipeline's node.

        Args:
            examples: Channel of Examples: gzipped TFRecords of tf.Examples.
            config: The id's feature, and what becomes of ids that are there already.
            schema: Channel of their Schema; with it there is an output `schema`.

        Raises:
            TypeError: `config` is no IdentifyConfig.
        """
        check_config(config, IdentifyConfig)
        spec = ExampleIdentifierSpec(
            input_examples=examples,
            input_schema=schema,
            **settings_of(config),
            examples=channel.Channel(type=standard_artifacts.Examples),
            schema=None if schema is None else channel.Channel(type=standard_artifacts.Schema),
        )
        super().__init__(spec)
