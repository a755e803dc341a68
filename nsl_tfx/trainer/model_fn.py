"""The user's function that makes the model: found, called, and what it returns looked at."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.trainer.keras_parts import import_path
from nsl_tfx.trainer.transform_graph import TransformGraph

_FILE_SUFFIX = ".py"
_Kind = inspect.Parameter


@dataclasses.dataclass(frozen=True)
class ModelContext:
    """What a `model_fn` may want to know of the data.

    Attributes:
        spec: Name to `tf.io.FixedLenFeature` of each of the model's features, by the Schema.
        transform_graph: What Transform learned of the data, such as vocabularies; None without
            Transform.
    """

    spec: dict[str, tf.io.FixedLenFeature]
    transform_graph: TransformGraph | None = None

    @functools.cached_property
    def inputs(self) -> dict[str, Any]:
        """The model's `keras.Input` by feature name, with the Schema's shapes and types.

        Example:
            >>> spec = {"image": tf.io.FixedLenFeature([28, 28], tf.float32)}
            >>> ModelContext(spec).inputs["image"].shape
            (None, 28, 28)
        """
        return {
            name: keras.Input(tuple(feature.shape), name=name, dtype=feature.dtype.name)
            for name, feature in self.spec.items()
        }


def load_model_fn(path: str) -> Callable[..., Any]:
    """Finds a function by its dotted path ("package.module.name") or file ("file.py:name").

    Raises:
        ValueError: There is no such module or file, or no such function in it.
    """
    file, name = split_file(path)
    try:
        if file is not None:
            found = getattr(_module_of(file), name)
        else:
            found = import_path(path)
        if not callable(found):
            raise ImportError(f"it is a {type(found).__name__}")
        return found
    except (ImportError, AttributeError, OSError, SyntaxError, tf.errors.OpError) as error:
        if isinstance(error, ModuleNotFoundError) and file is not None:
            raise  # The file is there; what it imports is not.
        raise ValueError(
            "Expected TrainerConfig.model_fn to be the dotted path of an importable function, "
            "such as 'my_package.models.make_model', or a file and a name, such as "
            f"'models.py:make_model'. Received: {path!r} ({error})."
        ) from error


def split_file(path: str) -> tuple[str | None, str]:
    """Returns the file and the name of "file.py:name"; None and all of it where it names no file.

    Example:
        >>> split_file("models/cnn.py:make_model")
        ('models/cnn.py', 'make_model')
    """
    file, _, name = path.rpartition(":")
    return (file, name) if file.endswith(_FILE_SUFFIX) else (None, path)


def with_absolute_file(config: TrainerConfig) -> TrainerConfig:
    """Returns the config with the model's file, if it names one, by its whole path.

    A pipeline's nodes may run in another working directory than the one that it was defined in.
    """
    file, name = split_file(config.model_fn)
    if file is None or "://" in file:
        return config
    return config.replace(model_fn=f"{os.path.abspath(file)}:{name}")


def make_model(config: TrainerConfig, context: ModelContext) -> keras.Model:
    """Calls the config's `model_fn`.

    Args:
        config: Names the function, and is passed to it.
        context: Passed to it where it has a second parameter.

    Raises:
        TypeError: It returns no Keras 3 model.
        ValueError: There is no such function, or it wants other arguments.
    """
    function = load_model_fn(config.model_fn)
    model = function(*_taken(function, config, context))
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        cure = "Return a keras.Model"
        if "keras" in kind and not isinstance(model, keras.layers.Layer):
            cure = "Make it with `import keras`; tf.keras may be Keras 2 (tf_keras) beside TFX"
        raise TypeError(
            f"Expected model_fn {config.model_fn!r} to return a Keras 3 model. Received: a {kind}. "
            f"{cure}."
        )
    return model


def _taken(function: Callable[..., Any], config: TrainerConfig, context: ModelContext) -> list[Any]:
    """Returns as many of a config and a context as a function takes."""
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    kinds = [parameter.kind for parameter in parameters]
    count = sum(kind in (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD) for kind in kinds)
    given = [config, context][: 2 if _Kind.VAR_POSITIONAL in kinds else count]
    try:
        signature.bind(*given)
    except TypeError as error:
        raise ValueError(
            f"Expected model_fn {config.model_fn!r} to take a TrainerConfig and, if more, a "
            f"ModelContext. Received: a function with {signature} ({error}). Options of its own "
            "come by TrainerConfig.model_options."
        ) from None
    return given


def _module_of(file: str) -> ModuleType:
    """Runs a file as a module of its own, once for the same content."""
    with tf.io.gfile.GFile(file) as opened:
        source = opened.read()
    digest = hashlib.sha256(f"{file}\n{source}".encode()).hexdigest()[:16]
    stem = os.path.basename(file).removesuffix(_FILE_SUFFIX)
    name = f"nsl_tfx_model_{stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, loader=None, origin=file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = file
    sys.modules[name] = module
    try:
        exec(compile(source, file, "exec"), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module
