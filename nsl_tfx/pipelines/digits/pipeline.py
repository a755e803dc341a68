"""The whole DAG, from examples to a pushed model that withstood attacks."""

from __future__ import annotations

import os

# Newer TFMA has these messages here alone.
from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx

import nsl_tfx as nsl
from nsl_tfx.components import GraphBuilder, NeighborAugmenter, RobustnessEvaluator

PIPELINE_NAME = "digits"
NUM_NEIGHBORS = 5
EPSILON = 0.1
TRAIN_STEPS = 600

# Beam's in-process runner. The default runner looks for a binary on the network first; and without
# a container flag TFX builds a source distribution of itself for every component.
LOCAL_BEAM_ARGS = ("--runner=FnApiRunner", "--sdk_container_image=local")


def create_pipeline(root: str, data_root: str, seed: int = 0) -> tfx.dsl.Pipeline:
    """Builds the digits pipeline.

    Args:
        root: Folder for artifacts, metadata (`metadata.sqlite`) and pushed models (`serving/`).
        data_root: The folder that `write_digits` filled.
        seed: Seed of training and attacks.
    """
    splits = [
        tfx.proto.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "eval", "test")
    ]
    example_gen = tfx.components.ImportExampleGen(
        input_base=data_root, input_config=tfx.proto.Input(splits=splits)
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )

    graph_builder = GraphBuilder(
        examples=examples,
        schema=schema,
        config=nsl.configs.SimilarityGraphConfig(
            embedding_feature="image", label_feature="label", num_neighbors=NUM_NEIGHBORS
        ),
    )
    augmenter = NeighborAugmenter(
        examples=examples,
        graph=graph_builder.outputs["graph"],
        schema=schema,
        config=nsl.configs.AugmentConfig(
            features=("image",),
            neighbors=nsl.configs.GraphNeighborConfig(max_neighbors=NUM_NEIGHBORS),
        ),
    )

    plain = nsl.configs.TrainerConfig(
        model_fn="nsl_tfx.pipelines.digits.model.make_model", features=("image",), seed=seed
    )
    regularized = plain.replace(
        graph=nsl.configs.make_graph_reg_config(
            max_neighbors=NUM_NEIGHBORS, multiplier=1.0, sum_over_axis=-1
        ),
        adversarial=nsl.configs.make_adv_reg_config(
            multiplier=1.0,
            adv_step_size=EPSILON,
            adv_grad_norm="infinity",
            clip_value_min=0.0,
            clip_value_max=1.0,
        ),
    )
    baseline_trainer = _trainer(augmenter, plain).with_id("Trainer.baseline")
    trainer = _trainer(augmenter, regularized).with_id("Trainer.regularized")

    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        baseline_model=baseline_trainer.outputs["model"],
        example_splits=["test"],
        eval_config=_eval_config(),
    )
    robustness_evaluator = RobustnessEvaluator(
        examples=examples,
        schema=schema,
        model=trainer.outputs["model"],
        baseline_model=baseline_trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        config=nsl.configs.RobustnessConfig(
            features=("image",),
            label_feature="label",
            id_feature="id",
            splits=("test",),
            epsilon=EPSILON,
            curve=(0.025, 0.05, 0.15, 0.2, 0.3),
            attacks=nsl.configs.AttackPreset.STANDARD,
            corruptions=(
                nsl.configs.CorruptionName.GAUSSIAN_NOISE,
                nsl.configs.CorruptionName.OCCLUSION,
                nsl.configs.CorruptionName.SHIFT,
            ),
            slices=("label",),
            clip_value_min=0.0,
            clip_value_max=1.0,
            min_accuracy=0.85,
            max_accuracy_drop=0.02,
            min_robust_gain=0.0,
            seed=seed,
        ),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=robustness_evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=os.path.join(root, "serving")
            )
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=os.path.join(root, "artifacts"),
        components=[
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
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(root, "metadata.sqlite")
        ),
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )


def _trainer(
    augmenter: NeighborAugmenter, config: nsl.configs.TrainerConfig
) -> tfx.components.Trainer:
    return tfx.components.Trainer(
        run_fn="nsl_tfx.trainer.run_fn",
        examples=augmenter.outputs["examples"],
        schema=augmenter.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=TRAIN_STEPS),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=nsl.trainer.custom_config(config),
    )


def _eval_config() -> config_pb2.EvalConfig:
    """Accuracy overall and by digit; blessed unless overall clearly worse than the baseline."""
    no_worse = config_pb2.MetricThreshold(
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -0.02}
        )
    )
    # Overall alone: of one digit there are some fifty images, and two of them are four points.
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=no_worse
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name="candidate", signature_name="serving_default", label_key="label"
            ),
            config_pb2.ModelSpec(
                name="baseline",
                signature_name="serving_default",
                label_key="label",
                is_baseline=True,
            ),
        ],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name="SparseCategoricalAccuracy",
                        per_slice_thresholds=[overall],
                    ),
                ]
            )
        ],
    )
