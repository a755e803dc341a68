"""The code that a training goes by, as a hash: this package's, and the user's."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import sysconfig
from types import ModuleType
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.trainer.keras_parts import own_parts
from nsl_tfx.trainer.model_fn import load_model_fn, split_file

# What has a hash of its own, or changes by a new release alone.
_LIBRARIES = {__name__.partition(".")[0], "keras", "tensorflow"}


def training_code(config: TrainerConfig) -> str:
    """Returns a hash of this package's code, and of the user's that a config names.

    Args:
        config: Names a `model_fn` and, by dotted paths, perhaps losses and the like.

    Raises:
        ValueError: There is no such function or class.
    """
    named = {config.model_fn: load_model_fn(config.model_fn), **own_parts(config)}
    files = sorted({file for path, thing in named.items() for file in source_files(path, thing)})
    code = code_fingerprint(*(file for file in files if "://" not in file))
    for file in files:
        if "://" in file:
            with tf.io.gfile.GFile(file, "rb") as opened:
                code = hashlib.sha256(code.encode() + opened.read()).hexdigest()[:16]
    return code


def source_files(path: str, thing: Any) -> list[str]:
    """Returns the file that defines a function or class, and those of the modules it imports.

    Of the modules, those of the same package, and those that are not installed, such as what lies
    beside the file. What is imported only while a function runs is not seen; this package has a
    fingerprint of its own.

    Args:
        path: Where it is found, as `TrainerConfig.model_fn` says it.
        thing: What is there.
    """
    file, _ = split_file(path)
    # The module that the path names, and the one that defines the function: a partial, say, is
    # "defined" in functools, and a package may only pass on what one of its modules defines.
    names = [getattr(thing, "__module__", None)]
    package = None
    if file is None:
        names.append(path.rpartition(".")[0])
        package = path.partition(".")[0]
    modules: dict[str, ModuleType] = {}
    for name in names:
        if name in sys.modules:
            _follow(sys.modules[name], package, modules)
    files = {getattr(module, "__file__", None) for module in modules.values()}
    return sorted(found for found in {file, *files} if found)


def _follow(module: ModuleType, package: str | None, seen: dict[str, ModuleType]) -> None:
    """Adds a module and those that it imports, by name, where they are the user's.

    Args:
        module: The module.
        package: Its modules are the user's, though they may be installed.
        seen: To add to.
    """
    name = module.__name__
    top = name.partition(".")[0]
    if name in seen or top in _LIBRARIES or (top != package and _is_installed(module)):
        return
    seen[name] = module
    for value in list(vars(module).values()):
        imported = value if isinstance(value, ModuleType) else _defining_module(value)
        if imported is not None:
            _follow(imported, package, seen)


def _defining_module(value: Any) -> ModuleType | None:
    """Returns the module that defines a class or function, or an object's class."""
    if isinstance(value, functools.partial):
        value = value.func
    name = getattr(type(value), "__module__", None)
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__module__", name)
    return sys.modules.get(name) if isinstance(name, str) else None


def _is_installed(module: ModuleType) -> bool:
    """Returns whether a module is Python's own, or a package's that was installed."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    if "://" in file:
        return False
    return os.path.realpath(file).startswith(_library_folders())


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(os.path.realpath(paths[name]) + os.sep for name in names)
