"""The `run_fn` of TFX's Trainer."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import keras
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.io import read_schema
from nsl_tfx.keras import RegularizedModel
from nsl_tfx.trainer.export import export_model
from nsl_tfx.trainer.input import training_dataset

_CONFIG_KEY = "nsl_tfx"
_CODE_KEY = "nsl_tfx_code"
# How often TensorBoard gets a point; each costs a synchronisation.
_LOG_EVERY_STEPS = 50


def custom_config(config: TrainerConfig) -> dict[str, Any]:
    """Returns what TFX's `Trainer(custom_config=...)` takes for `run_fn` to read.

    Beside the config it holds a hash of the code, the module of `model_fn` included, so that TFX
    trains anew where the model has changed and its name has not.

    Raises:
        TypeError: `config` is no TrainerConfig.
        ValueError: `config.model_fn` cannot be imported.

    Example:
        >>> config = TrainerConfig(
        ...     model_fn="nsl_tfx.pipelines.digits.model.make_model", features=("image",)
        ... )
        >>> custom_config(config)["nsl_tfx"]["features"]
        ['image']
    """
    if not isinstance(config, TrainerConfig):
        raise TypeError(f"Expected config to be a TrainerConfig. Received: {config!r}.")
    model_fn = load_model_fn(config.model_fn)
    # The module that the path names, and the one that defines the function: a partial, say, is
    # "defined" in functools, and a package may only pass on what one of its modules defines.
    names = {config.model_fn.rpartition(".")[0], getattr(model_fn, "__module__", None)}
    found = (getattr(sys.modules.get(name or ""), "__file__", None) for name in names)
    code = code_fingerprint(*sorted(file for file in found if file))
    return {_CONFIG_KEY: config.to_dict(), _CODE_KEY: code}


def run_fn(fn_args: Any) -> None:
    """Trains and exports a model as `TrainerConfig` says.

    Name it to TFX as `Trainer(run_fn="nsl_tfx.trainer.run_fn", custom_config=
    nsl_tfx.trainer.custom_config(config), ...)`, with the `examples` and `schema` of
    NeighborAugmenter where there is a graph term.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        ValueError: There is no config, or no number of steps, or the schema does not fit.
    """
    settings = (fn_args.custom_config or {}).get(_CONFIG_KEY)
    if settings is None:
        raise ValueError(
            "Expected Trainer(custom_config=nsl_tfx.trainer.custom_config(TrainerConfig(...))). "
            f"Received: custom_config={fn_args.custom_config!r}."
        )
    if not fn_args.train_steps:
        raise ValueError(
            "Expected Trainer(train_args=TrainArgs(num_steps=...)), a positive number of steps. "
            f"Received: num_steps={fn_args.train_steps!r}."
        )
    config = TrainerConfig.from_dict(settings)
    schema = read_schema(fn_args.schema_path)
    base_model = train(
        config,
        schema,
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        steps=fn_args.train_steps,
        eval_steps=fn_args.eval_steps,
        log_dir=fn_args.model_run_dir,
    )
    export_model(base_model, fn_args.serving_model_dir, schema, config.features)


def train(
    config: TrainerConfig,
    schema: schema_pb2.Schema,
    train_files: list[str],
    eval_files: list[str],
    steps: int,
    log_dir: str,
    eval_steps: int | None = None,
) -> keras.Model:
    """Trains the config's model with the config's regularizers.

    Args:
        config: What to train, and how.
        schema: Describes both files' examples.
        train_files: Globs of the examples to train on.
        eval_files: Globs of the examples to validate on after training.
        steps: Number of gradient steps.
        log_dir: Folder for TensorBoard's logs.
        eval_steps: Number of batches to validate on; all of them when None.

    Returns:
        The trained model, without its regularizers.
    """
    keras.utils.set_random_seed(config.seed)
    base_model = load_model_fn(config.model_fn)(config)
    model = RegularizedModel(base_model, graph=config.graph, adversarial=config.adversarial)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        # The mean over the labelled rows: unlabelled ones have weight 0 and must not dilute it.
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    model.fit(
        training_dataset(train_files, schema, config),
        steps_per_epoch=steps,
        validation_data=training_dataset(eval_files, schema, config, training=False),
        validation_steps=eval_steps or None,
        callbacks=[
            keras.callbacks.TensorBoard(os.path.join(log_dir, "logs"), update_freq=_LOG_EVERY_STEPS)
        ],
        verbose=2,
    )
    return base_model


def load_model_fn(path: str) -> Any:
    """Imports the function that a dotted path names.

    Raises:
        ValueError: There is no such module, or no such function in it.
    """
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
        if not callable(found):
            raise ValueError(f"it is a {type(found).__name__}")
        return found
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            "Expected TrainerConfig.model_fn to be the dotted path of an importable function, "
            f"such as 'my_package.models.make_model'. Received: {path!r} ({error})."
        ) from error
