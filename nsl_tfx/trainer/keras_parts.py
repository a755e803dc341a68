"""Parts of Keras from what JSON can hold: names, dotted paths, and dicts of both."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from nsl_tfx.configs import TrainerConfig


class _Kind(NamedTuple):
    """One kind of part: Keras's module and base class, and what an error shows as an example."""

    module: Any
    base: Any
    example: str


_KINDS = {
    "optimizer": _Kind(
        keras.optimizers,
        keras.optimizers.Optimizer,
        "'adamw' or {'class_name': 'AdamW', 'config': {'weight_decay': 0.01}}",
    ),
    "schedule": _Kind(
        keras.optimizers.schedules,
        keras.optimizers.schedules.LearningRateSchedule,
        "{'class_name': 'CosineDecay', 'config': {'initial_learning_rate': 0.001, "
        "'decay_steps': 1000}}",
    ),
    "loss": _Kind(keras.losses, keras.losses.Loss, "'huber' or 'my_package.losses.Focal'"),
    "metric": _Kind(keras.metrics, keras.metrics.Metric, "'auc' or 'my_package.metrics.Lift'"),
    "callback": _Kind(
        keras.callbacks,
        keras.callbacks.Callback,
        "{'class_name': 'ReduceLROnPlateau', 'config': {'patience': 2}}",
    ),
}

# Keras's own, of losses and metrics.
_ABBREVIATIONS = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
}


def keras_part(
    kind: str, field: str, spec: Any, defaults: Mapping[str, Any] | None = None, **fixed: Any
) -> Any:
    """Makes a part of Keras.

    Args:
        kind: "optimizer", "schedule", "loss", "metric" or "callback".
        field: The field of TrainerConfig that holds it, for the error's text.
        spec: Keras's own name, in any case ("adamw"); the dotted path of a class
            ("my_package.Lion") or, of a loss or metric, of a function `(label, prediction) ->
            [batch]`; or `{"class_name": name or path, "config": {argument: value}}`.
        defaults: Arguments for those classes that take them, unless `spec` gives others.
        fixed: Arguments that `spec` may not give, since other fields do.

    Raises:
        ValueError: There is no such thing, it is of another kind, or does not take the arguments.

    Example:
        >>> keras_part("metric", "metrics", {"class_name": "AUC", "config": {"curve": "PR"}}).name
        'auc'
    """
    name, config = _name_and_config(kind, field, spec)
    repeated = sorted(config.keys() & fixed.keys())
    if repeated:
        raise ValueError(
            f"Expected TrainerConfig.{field} without {', '.join(repeated)}, which TrainerConfig "
            f"has a field for. Received: {spec!r}."
        )
    found = _find(kind, field, name)
    try:
        taken = inspect.signature(found).parameters
        arguments = {k: v for k, v in (defaults or {}).items() if k in taken}
        if kind == "metric" and "name" in taken and taken["name"].default is None:
            # Keras would number the second one of a process, and the logs' names would differ.
            arguments["name"] = _snake(found.__name__)
        part = found(**{**arguments, **config, **fixed})
    except (TypeError, ValueError) as error:
        raise _wrong(kind, field, spec, error) from error
    if not isinstance(part, _KINDS[kind].base):
        raise _wrong(kind, field, spec, f"it makes a {type(part).__name__}")
    return part


def own_parts(config: TrainerConfig) -> dict[str, Any]:
    """Returns the classes and functions that a config's parts of Keras name by a dotted path.

    Raises:
        ValueError: There is no such thing.

    Example:
        >>> config = TrainerConfig(model_fn="a.b", features=("x",), loss="keras.losses.Huber")
        >>> own_parts(config)["keras.losses.Huber"].__name__
        'Huber'
    """
    schedule = [config.learning_rate] if isinstance(config.learning_rate, Mapping) else []
    specs: dict[tuple[str, str], Sequence[Any]] = {
        ("optimizer", "optimizer"): [config.optimizer],
        ("schedule", "learning_rate"): schedule,
        ("loss", "loss"): [] if config.loss is None else [config.loss],
        ("metric", "metrics"): config.metrics or (),
        ("callback", "callbacks"): config.callbacks,
    }
    found = {}
    for (kind, field), given in specs.items():
        for spec in given:
            name, _ = _name_and_config(kind, field, spec)
            if "." in name:
                found[name] = _import_part(kind, field, name)
    return found


def import_path(path: str) -> Any:
    """Imports what a dotted path names.

    Raises:
        ImportError: There is no such module, or it holds no such thing.

    Example:
        >>> import_path("os.path.join").__name__
        'join'
    """
    module, _, name = path.rpartition(".")
    if not module or not name:
        raise ImportError(f"{path!r} is no dotted path")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"module {module!r} has no {name!r}") from error


class _FunctionLoss(keras.losses.Loss):
    """A loss that a function gives for each example."""

    def __init__(self, function: Any) -> None:
        super().__init__(name=function.__name__)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


def _find(kind: str, field: str, name: str) -> Any:
    """Returns what makes the part, a class."""
    if "." in name:
        found = _import_part(kind, field, name)
        if isinstance(found, type) or not callable(found):
            return found
        return _from_function(kind, found)
    module, base, _ = _KINDS[kind]
    known = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    by_name = {_plain(key): value for key, value in known.items()}
    name = _ABBREVIATIONS.get(name.lower(), name)
    if _plain(name) not in by_name:
        raise _wrong(kind, field, name, f"Keras has {', '.join(sorted(known))}")
    return by_name[_plain(name)]


def _import_part(kind: str, field: str, path: str) -> Any:
    try:
        return import_path(path)
    except ImportError as error:
        raise _wrong(kind, field, path, error) from error


def _from_function(kind: str, function: Any) -> Any:
    """Returns what makes a part of a user's function: of a loss or metric, it is one itself."""
    if kind == "loss":
        return functools.partial(_FunctionLoss, function)
    if kind == "metric":
        return functools.partial(keras.metrics.MeanMetricWrapper, function, name=function.__name__)
    return function


def _name_and_config(kind: str, field: str, spec: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and spec.keys() <= {"class_name", "config"}:
        name, config = spec.get("class_name"), spec.get("config") or {}
        if isinstance(name, str) and isinstance(config, Mapping):
            return name, dict(config)
    raise _wrong(kind, field, spec, "neither a name nor {'class_name': ..., 'config': {...}}")


def _plain(name: str) -> str:
    """Returns a name without case and underscores: "cosine_decay" is CosineDecay."""
    return name.replace("_", "").lower()


def _snake(name: str) -> str:
    """Returns a class's name as Keras writes it in the logs: "F1Score" is "f1_score"."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _wrong(kind: str, field: str, spec: Any, reason: Any) -> ValueError:
    return ValueError(
        f"Expected TrainerConfig.{field} to hold a Keras {kind}, such as {_KINDS[kind].example}. "
        f"Received: {spec!r} ({reason})."
    )
