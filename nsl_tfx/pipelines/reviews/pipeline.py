"""The whole DAG, from sentences to a pushed model that takes sentences."""

from __future__ import annotations

from tfx import v1 as tfx

from nsl_tfx.components import (
    ExampleIdentifier,
    GraphBuilder,
    NeighborAugmenter,
    RobustnessEvaluator,
)
from nsl_tfx.pipelines.parts import (
    make_evaluator,
    make_pipeline,
    make_pusher,
    make_trainer,
    split_folders,
)
from nsl_tfx.pipelines.reviews import config


def create_pipeline(
    root: str, data_root: str, seed: int = 0, train_steps: int = config.TRAIN_STEPS
) -> tfx.dsl.Pipeline:
    """Builds the reviews pipeline.

    Args:
        root: Folder for artifacts, metadata (`metadata.sqlite`) and pushed models (`serving/`).
        data_root: The folder that `write_reviews` filled.
        seed: Seed of training and attacks.
        train_steps: Gradient steps of each training.
    """
    example_gen = tfx.components.ImportExampleGen(
        input_base=data_root, input_config=split_folders()
    )
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    identifier = ExampleIdentifier(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        config=config.IDENTIFICATION,
    )
    transform = tfx.components.Transform(
        **identifier.outputs,
        preprocessing_fn="nsl_tfx.pipelines.reviews.transforming.preprocessing_fn",
    )
    words = {
        "examples": transform.outputs["transformed_examples"],
        "schema": transform.outputs["post_transform_schema"],
    }

    graph_builder = GraphBuilder(**words, config=config.GRAPH)
    augmenter = NeighborAugmenter(
        **words, graph=graph_builder.outputs["graph"], config=config.AUGMENTATION
    )

    baseline_trainer, trainer = (
        make_trainer(
            name,
            training.replace(seed=seed),
            train_steps,
            **augmenter.outputs,
            transform_graph=transform.outputs["transform_graph"],
        )
        for name, training in (("baseline", config.BASELINE), ("regularized", config.REGULARIZED))
    )
    model = trainer.outputs["model"]
    baseline = baseline_trainer.outputs["model"]

    # Sentences as they come, for what is served; their words, for what an attacker moves.
    evaluator = make_evaluator(identifier.outputs["examples"], model, baseline)
    robustness_evaluator = RobustnessEvaluator(
        **words,
        model=model,
        baseline_model=baseline,
        model_blessing=evaluator.outputs["blessing"],
        config=config.GATE.replace(seed=seed),
    )
    pusher = make_pusher(root, model, robustness_evaluator.outputs["blessing"])
    return make_pipeline(
        config.PIPELINE_NAME,
        root,
        [
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            identifier,
            transform,
            graph_builder,
            augmenter,
            baseline_trainer,
            trainer,
            evaluator,
            robustness_evaluator,
            pusher,
        ],
    )
