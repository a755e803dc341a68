"""Pipelines to compile; TFX is imported only by what makes one."""

from __future__ import annotations

from typing import Any

from nsl_tfx.configs import (
    AugmentConfig,
    EmbeddingModelConfig,
    GraphImportConfig,
    IdentifyConfig,
    RobustnessConfig,
    SimilarityGraphConfig,
)

ROBUSTNESS = RobustnessConfig(
    features=("x",), label_feature="y", epsilon=0.1, min_robust_accuracy=0.5
)


def importer(kind: type, name: str, uri: str = "gs://bucket/file", **custom: Any) -> Any:
    from tfx.dsl.components.common.importer import Importer

    return Importer(uri, kind, reimport=True, custom_properties=custom or None).with_id(name)


def any_node() -> Any:
    from tfx import v1 as tfx

    return importer(tfx.types.standard_artifacts.Model, "model")


def make_pipeline(*nodes: Any, name: str = "small", root: str = "gs://bucket/root") -> Any:
    from tfx import v1 as tfx

    return tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=root,
        components=list(nodes),
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local"],
    )


def all_components() -> Any:
    """Returns a pipeline with every component of ours, a runtime parameter and a condition."""
    from tfx import v1 as tfx

    from nsl_tfx import components

    types = tfx.types.standard_artifacts
    examples, schema, model, baseline, blessing = (
        importer(kind, name)
        for kind, name in [
            (types.Examples, "examples"),
            (types.Schema, "schema"),
            (types.Model, "model"),
            (types.Model, "baseline"),
            (types.ModelBlessing, "blessing"),
        ]
    )
    identifier = components.ExampleIdentifier(
        examples=examples.outputs["result"],
        schema=schema.outputs["result"],
        config=IdentifyConfig(),
    )
    identified = identifier.outputs["examples"]
    builder = components.GraphBuilder(
        examples=identified,
        model=model.outputs["result"],
        config=SimilarityGraphConfig(embedding_model=EmbeddingModelConfig()),
    )
    graph_importer = components.GraphImporter(
        examples=identified, config=GraphImportConfig(paths=("edges.tsv",))
    )
    augmenter = components.NeighborAugmenter(
        examples=identified,
        graph=builder.outputs["graph"],
        schema=identifier.outputs["schema"],
        config=AugmentConfig(features=("x",)),
    )
    robustness = components.RobustnessEvaluator(
        examples=augmenter.outputs["examples"],
        schema=augmenter.outputs["schema"],
        model=model.outputs["result"],
        baseline_model=baseline.outputs["result"],
        model_blessing=blessing.outputs["result"],
        config=tfx.dsl.experimental.RuntimeParameter(
            name="robustness", ptype=str, default=ROBUSTNESS.to_json()
        ),
    )
    blessed = robustness.outputs["blessing"].future()[0].custom_property("blessed") == 1
    with tfx.dsl.Cond(blessed):
        pusher = tfx.components.Pusher(
            model=model.outputs["result"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(base_directory="gs://bucket/served")
            ),
        )
    return make_pipeline(
        *(examples, schema, model, baseline, blessing, identifier, builder, graph_importer),
        *(augmenter, robustness, pusher),
    )
