"""Nodes that pipelines of every kind make alike, from Trainer to Pusher, and what holds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

# Newer TFMA has these messages here alone.
from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx

import nsl_tfx as nsl
from nsl_tfx.io.folders import check_named, is_remote

# Beam's in-process runner. The default runner looks for a binary on the network first; and without
# a container flag TFX builds a source distribution of itself for every component.
LOCAL_BEAM_ARGS = ("--runner=FnApiRunner", "--sdk_container_image=local")

SPLITS = ("train", "eval", "test")
"""To train on, to watch training by, and to judge the model on."""


def split_folders() -> tfx.proto.Input:
    """Tells an ExampleGen that each split has a folder of its name."""
    return tfx.proto.Input(
        splits=[tfx.proto.Input.Split(name=name, pattern=f"{name}/*") for name in SPLITS]
    )


def make_trainer(
    name: str,
    config: nsl.configs.TrainerConfig,
    num_steps: int,
    examples: Any,
    schema: Any,
    transform_graph: Any = None,
) -> tfx.components.Trainer:
    """Makes the node `Trainer.<name>`, which trains as the config says.

    Args:
        name: Tells it from the pipeline's other Trainer.
        config: How to train.
        num_steps: Gradient steps.
        examples: Channel of Examples, augmented where the config has a graph.
        schema: Channel of their Schema.
        transform_graph: Channel of what Transform learned, where it made the examples.
    """
    return tfx.components.Trainer(
        run_fn="nsl_tfx.trainer.run_fn",
        examples=examples,
        schema=schema,
        transform_graph=transform_graph,
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=num_steps),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=nsl.trainer.custom_config(config),
    ).with_id(f"Trainer.{name}")


def make_evaluator(
    examples: Any,
    model: Any,
    baseline_model: Any,
    slices: Sequence[str] = (),
    max_accuracy_drop: float = 0.02,
) -> tfx.components.Evaluator:
    """Makes the node that blesses a model unless it is clearly worse than the baseline.

    Args:
        examples: Channel of Examples as they come to the pipeline, with a `label`.
        model: Channel of the Model to judge.
        baseline_model: Channel of the Model that it is compared with.
        slices: Features by whose values the accuracy is told, too.
        max_accuracy_drop: How much less accurate the model may be, as a share of the examples.
    """
    # Overall alone: a slice of fifty examples moves by four points for two of them.
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()],
        threshold=config_pb2.MetricThreshold(
            change_threshold=config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
                absolute={"value": -max_accuracy_drop},
            )
        ),
    )
    metrics = [
        config_pb2.MetricConfig(class_name="ExampleCount"),
        config_pb2.MetricConfig(
            class_name="SparseCategoricalAccuracy", per_slice_thresholds=[overall]
        ),
    ]
    return tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline_model,
        example_splits=["test"],
        eval_config=config_pb2.EvalConfig(
            model_specs=[
                config_pb2.ModelSpec(
                    name=name,
                    signature_name="serving_default",
                    label_key="label",
                    is_baseline=name == "baseline",
                )
                for name in ("candidate", "baseline")
            ],
            slicing_specs=[
                config_pb2.SlicingSpec(),
                *(config_pb2.SlicingSpec(feature_keys=[name]) for name in slices),
            ],
            metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
        ),
    )


def make_pusher(root: str, model: Any, blessing: Any) -> tfx.components.Pusher:
    """Makes the node that copies a blessed model to `root/serving`, a folder a version.

    Args:
        root: The pipeline's folder.
        model: Channel of the Model.
        blessing: Channel of its ModelBlessing.
    """
    return tfx.components.Pusher(
        model=model,
        model_blessing=blessing,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=os.path.join(root, "serving")
            )
        ),
    )


def make_pipeline(name: str, root: str, nodes: Sequence[Any]) -> tfx.dsl.Pipeline:
    """Puts nodes together.

    Args:
        name: The pipeline's name.
        root: Folder for artifacts (`artifacts/`) and, where it is one of this machine, metadata
            (`metadata.sqlite`).
        nodes: In an order in which each comes after what it reads.

    Raises:
        ValueError: The root is empty, as a variable is that nobody has set.
    """
    check_named(root)
    return tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=os.path.join(root, "artifacts"),
        components=list(nodes),
        enable_cache=True,
        metadata_connection_config=_metadata_in(root),
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )


def _metadata_in(root: str) -> Any:
    """Returns how to reach `metadata.sqlite` in a folder; None for a remote one.

    A cluster has metadata of its own, and SQLite needs a file of this machine.
    """
    if is_remote(root):
        return None
    path = os.path.join(root, "metadata.sqlite")
    return tfx.orchestration.metadata.sqlite_metadata_connection_config(path)
