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


def source_files(path: str) -> list[str]:
    """Returns the files whose content decides about the model that a path's function makes."""
    file, _ = split_file(path)
    if file is not None:
        return [file]
    model_fn = load_model_fn(path)
    # The module that the path names, and the one that defines the function: a partial, say, is
    # "defined" in functools, and a package may only pass on what one of its modules defines.
    names = {path.rpartition(".")[0], getattr(model_fn, "__module__", None)}
    found = {getattr(sys.modules.get(name or ""), "__file__", None) for name in names}
    return sorted(file for file in found if file)


def make_model(config: TrainerConfig, context: ModelContext) -> keras.Model:
    """Calls the config's `model_fn`.

    Args:
        config: Names the function, and is passed to it.
        context: Passed to it where it has a second parameter.

    Raises:
        TypeError: It returns no Keras 3 model.
        ValueError: There is no such function.
    """
    function = load_model_fn(config.model_fn)
    arguments = [config, context][: _positional_parameters(function)]
    model = function(*arguments)
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        cure = "Return a keras.Model"
        if "keras" in kind:
            cure = "Make it with `import keras`; tf.keras may be Keras 2 (tf_keras) beside TFX"
        raise TypeError(
            f"Expected model_fn {config.model_fn!r} to return a Keras 3 model. Received: a {kind}. "
            f"{cure}."
        )
    return model


def _positional_parameters(function: Callable[..., Any]) -> int:
    """Returns how many of two arguments a function takes."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 2
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return min(len(positional), 2)


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
