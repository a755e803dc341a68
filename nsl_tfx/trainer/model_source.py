"""The files whose content decides about the model that a `model_fn` makes."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from types import ModuleType
from typing import Any

from nsl_tfx.trainer.model_fn import load_model_fn, split_file

_THIS_PACKAGE = __name__.partition(".")[0]


def source_files(path: str) -> list[str]:
    """Returns the file that defines a function, and those of the modules that it imports.

    Of the modules, those of the same package, and those that are not installed, such as what lies
    beside the file. What is imported only while a function runs is not seen; this package has a
    fingerprint of its own.

    Args:
        path: As `TrainerConfig.model_fn`.

    Raises:
        ValueError: There is no such function.
    """
    model_fn = load_model_fn(path)
    file, _ = split_file(path)
    # The module that the path names, and the one that defines the function: a partial, say, is
    # "defined" in functools, and a package may only pass on what one of its modules defines.
    names = [getattr(model_fn, "__module__", None)]
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
    if name in seen or top == _THIS_PACKAGE or (top != package and _is_installed(module)):
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
