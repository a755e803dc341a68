"""The `run_fn` of TFX's Trainer."""

from __future__ import annotations

import tempfile
from typing import Any

import keras

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.io import read_schema
from nsl_tfx.trainer.custom_config import read_config
from nsl_tfx.trainer.distribution import is_chief, wait_for_all
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.export import export_model
from nsl_tfx.trainer.preparing import TrainingData
from nsl_tfx.trainer.training import check_writable, train
from nsl_tfx.trainer.transform_graph import TransformGraph


def run_fn(fn_args: Any) -> None:
    """Trains and exports a model as `TrainerConfig` says.

    Name it to TFX as `Trainer(run_fn="nsl_tfx.trainer.run_fn", custom_config=
    nsl_tfx.trainer.custom_config(config), ...)`, or import it in a module file. Trainer's other
    arguments: `examples`, and `schema` (with a graph term, both of NeighborAugmenter);
    `transform_graph` where Transform made the examples; `hyperparameters` of a Tuner with
    `nsl_tfx.trainer.tuner_fn`; `base_model`, a model of an earlier run whose weights to begin with.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        NonFiniteLossError: A term of the loss became infinite or no number.
        OSError: A folder cannot be written to.
        TypeError: `model_fn` returns no Keras 3 model.
        ValueError: There is no config, or it does not fit the examples, the schema or the model.
    """
    config = read_config(fn_args)
    check_writable(fn_args.serving_model_dir)
    data = training_data(fn_args)
    train(
        config,
        data,
        fn_args.model_run_dir,
        train_steps=fn_args.train_steps,
        eval_steps=fn_args.eval_steps,
        base_model=fn_args.base_model,
        finish=lambda model, spec: _export(
            model, fn_args.serving_model_dir, spec, config, data.transform_graph
        ),
    )


def training_data(fn_args: Any) -> TrainingData:
    """Returns the files that TFX names, and what describes them.

    Args:
        fn_args: TFX's `FnArgs`.
    """
    return TrainingData(
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        schema=read_schema(fn_args.schema_path) if fn_args.schema_path else None,
        transform_graph=(
            TransformGraph(fn_args.transform_graph_path) if fn_args.transform_graph_path else None
        ),
    )


def _export(
    model: keras.Model,
    path: str,
    spec: ExampleSpec,
    config: TrainerConfig,
    transform_graph: TransformGraph | None,
) -> None:
    """Exports the model once, though every worker takes part in reading its variables."""
    if is_chief():
        export_model(model, path, spec, config, transform_graph)
    else:
        with tempfile.TemporaryDirectory() as other:
            export_model(model, other, spec, config, transform_graph)
    wait_for_all(model.distribute_strategy)
