"""The config's way through TFX: into `custom_config`, and back inside a Trainer or Tuner."""

from __future__ import annotations

from typing import Any

from nsl_tfx.configs import TrainerConfig, TunerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.configs.tuning import with_values
from nsl_tfx.trainer.model_fn import with_absolute_file
from nsl_tfx.trainer.model_source import training_code

CONFIG_KEY = "nsl_tfx"
# Which TFX alone looks at, to tell whether to train anew.
_CODE_KEY = "nsl_tfx_code"
TUNING_KEY = "nsl_tfx_tuning"


def custom_config(config: TrainerConfig, tuning: TunerConfig | None = None) -> dict[str, Any]:
    """Returns what TFX's `Trainer(custom_config=...)` takes for `run_fn` to read.

    Beside the config it holds a hash of the code, that of `model_fn`, of your losses and the like,
    and of the modules that they import included, so that TFX trains anew where the model has
    changed and its name has not.

    Args:
        config: How to train.
        tuning: What to search, for `Tuner(tuner_fn="nsl_tfx.trainer.tuner_fn")`.

    Raises:
        TypeError: An argument is no such config.
        ValueError: `config.model_fn`, or what else it names by a path, cannot be found.

    Example:
        >>> config = TrainerConfig(
        ...     model_fn="nsl_tfx.pipelines.digits.model.make_model", features=("image",)
        ... )
        >>> custom_config(config)["nsl_tfx"]["features"]
        ['image']
    """
    config = with_absolute_file(require_config("config", config, TrainerConfig))
    found = {CONFIG_KEY: config.to_dict(), _CODE_KEY: training_code(config)}
    if tuning is not None:
        found[TUNING_KEY] = require_config("tuning", tuning, TunerConfig).to_dict()
    return found


def read_config(fn_args: Any) -> TrainerConfig:
    """Returns the config that TFX hands to a `run_fn` or `tuner_fn`.

    Where a Tuner ran before, what it found best is in it.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        TypeError: A field of it is unknown or of another type.
        ValueError: There is none.
    """
    config = TrainerConfig.from_dict(_read(fn_args, CONFIG_KEY, "TrainerConfig(...)"))
    found = fn_args.hyperparameters
    if not found:
        return config
    if not isinstance(found.get("values"), dict):
        raise ValueError(
            "Expected Trainer(hyperparameters=...) as a Tuner puts them out, with 'values'. "
            f"Received: {found!r}."
        )
    return with_values(config, found["values"])


def read_tuner_config(fn_args: Any) -> TunerConfig:
    """Returns the config of the search that TFX hands to a `tuner_fn`.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        TypeError: A field of it is unknown or of another type.
        ValueError: There is none.
    """
    return TunerConfig.from_dict(
        _read(fn_args, TUNING_KEY, "TrainerConfig(...), TunerConfig(search=...)")
    )


def _read(fn_args: Any, key: str, wanted: str) -> dict[str, Any]:
    whole = fn_args.custom_config
    settings = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(settings, dict):
        raise ValueError(
            f"Expected custom_config=nsl_tfx.trainer.custom_config({wanted}). "
            f"Received: custom_config={fn_args.custom_config!r}."
        )
    return dict(settings)
