"""The whole DAG, from examples to a pushed model that withstood attacks."""

from __future__ import annotations

from tfx import v1 as tfx

from nsl_tfx.components import GraphBuilder, NeighborAugmenter, RobustnessEvaluator
from nsl_tfx.pipelines.digits import config
from nsl_tfx.pipelines.parts import (
    make_evaluator,
    make_pipeline,
    make_pusher,
    make_trainer,
    split_folders,
)


def create_pipeline(
    root: str, data_root: str, seed: int = 0, train_steps: int = config.TRAIN_STEPS
) -> tfx.dsl.Pipeline:
    """Builds the digits pipeline.

    Args:
        root: Folder for artifacts, metadata (`metadata.sqlite`) and pushed models (`serving/`).
        data_root: The folder that `write_digits` filled.
        seed: Seed of training and attacks.
        train_steps: Gradient steps of each training.
    """
    example_gen = tfx.components.ImportExampleGen(
        input_base=data_root, input_config=split_folders()
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )

    graph_builder = GraphBuilder(examples=examples, schema=schema, config=config.GRAPH)
    augmenter = NeighborAugmenter(
        examples=examples,
        graph=graph_builder.outputs["graph"],
        schema=schema,
        config=config.AUGMENTATION,
    )

    baseline_trainer, trainer = (
        make_trainer(name, training.replace(seed=seed), train_steps, **augmenter.outputs)
        for name, training in (("baseline", config.BASELINE), ("regularized", config.REGULARIZED))
    )
    model = trainer.outputs["model"]
    baseline = baseline_trainer.outputs["model"]

    evaluator = make_evaluator(examples, model, baseline, slices=["label"])
    robustness_evaluator = RobustnessEvaluator(
        examples=examples,
        schema=schema,
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
            graph_builder,
            augmenter,
            baseline_trainer,
            trainer,
            evaluator,
            robustness_evaluator,
            pusher,
        ],
    )
