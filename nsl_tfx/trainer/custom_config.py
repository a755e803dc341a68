"""The config's way through TFX: into `custom_config`, and back inside a Trainer or Tuner."""

from __future__ import annotations

import hashlib
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.trainer.model_fn import load_model_fn, source_files, with_absolute_file

CONFIG_KEY = "nsl_tfx"
CODE_KEY = "nsl_tfx_code"


def custom_config(config: TrainerConfig) -> dict[str, Any]:
    """Returns what TFX's `Trainer(custom_config=...)` takes for `run_fn` to read.

    Beside the config it holds a hash of the code, that of `model_fn` included, so that TFX trains
    anew where the model has changed and its name has not.

    Raises:
        TypeError: `config` is no TrainerConfig.
        ValueError: `config.model_fn` cannot be found.

    Example:
        >>> config = TrainerConfig(
        ...     model_fn="nsl_tfx.pipelines.digits.model.make_model", features=("image",)
        ... )
        >>> custom_config(config)["nsl_tfx"]["features"]
        ['image']
    """
    config = with_absolute_file(require_config("config", config, TrainerConfig))
    load_model_fn(config.model_fn)
    files = source_files(config.model_fn)
    code = code_fingerprint(*(file for file in files if "://" not in file))
    for file in files:
        if "://" in file:
            with tf.io.gfile.GFile(file, "rb") as opened:
                code = hashlib.sha256(code.encode() + opened.read()).hexdigest()[:16]
    return {CONFIG_KEY: config.to_dict(), CODE_KEY: code}


def read_config(fn_args: Any) -> TrainerConfig:
    """Returns the config that TFX hands to a `run_fn` or `tuner_fn`.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        TypeError: A field of it is unknown or of another type.
        ValueError: There is none.
    """
    settings = (fn_args.custom_config or {}).get(CONFIG_KEY)
    if settings is None:
        raise ValueError(
            "Expected custom_config=nsl_tfx.trainer.custom_config(TrainerConfig(...)). "
            f"Received: custom_config={fn_args.custom_config!r}."
        )
    return TrainerConfig.from_dict(settings)
