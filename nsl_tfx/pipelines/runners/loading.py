"""A user's pipeline, found by its file or module and made by its function."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from nsl_tfx.pipelines.runners.arguments import convert_arguments

if TYPE_CHECKING:
    from tfx import v1 as tfx

DEFAULT_FUNCTION = "create_pipeline"
_SUFFIX = ".py"
_EXPECTED = (
    "Expected a pipeline as path/to/file.py or package.module, with :function where that is not "
    f"{DEFAULT_FUNCTION}."
)


def load_pipeline(spec: str, arguments: Mapping[str, str]) -> tfx.dsl.Pipeline:
    """Finds the function that makes a pipeline, and calls it.

    A file's folder, or for a module the present folder, becomes the first place where this process
    and those that it starts look for modules. So the file imports what lies beside it, as under
    `python file.py`, and settings such as `TrainerConfig.model_fn` may name modules there.

    Args:
        spec: `path/to/file.py[:function]` or `package.module[:function]`; without a function,
            `create_pipeline`.
        arguments: By the function's parameters, as text; converted by its annotations.

    Returns:
        The pipeline.

    Raises:
        ValueError: There is no such file, module or function; its own code fails, with the place in
            it; an argument is unknown, missing or of another type; it returns no pipeline.
    """
    check_spec(spec)
    path, name = split_spec(spec)
    module = _load_file(path) if path.endswith(_SUFFIX) else _load_module(path)
    function = _function_of(module, name, path)
    try:
        converted = convert_arguments(function, arguments)
    except ValueError as error:
        raise ValueError(f"{name} in {path}: {error}") from None
    try:
        pipeline = function(**converted)
    except (Exception, SystemExit) as error:
        _raise_in_words(error, f"Expected {name} in {path} to make a pipeline")
    # Not earlier: it takes many seconds, which a mistyped path need not cost.
    from tfx import v1 as tfx

    if not isinstance(pipeline, tfx.dsl.Pipeline):
        raise ValueError(
            f"Expected {name} in {path} to return a tfx.dsl.Pipeline. Received: a "
            f"{type(pipeline).__module__}.{type(pipeline).__qualname__}."
        )
    return pipeline


def split_spec(spec: str) -> tuple[str, str]:
    """Returns the file or module of a spec, and the function's name.

    Raises:
        ValueError: It is neither.

    Example:
        >>> split_spec("pipelines/wine.py")
        ('pipelines/wine.py', 'create_pipeline')
        >>> split_spec("my_project.wine:create_small")
        ('my_project.wine', 'create_small')
    """
    path, name = spec, DEFAULT_FUNCTION
    if ":" in spec and not spec.endswith(_SUFFIX):
        path, _, name = spec.rpartition(":")
    is_module = all(part.isidentifier() for part in path.split("."))
    if not name.isidentifier() or not (path.endswith(_SUFFIX) or is_module):
        raise ValueError(f"{_EXPECTED} Received: {spec!r}.")
    return path, name


def check_spec(spec: str) -> None:
    """Raises ValueError where a spec is none, or names a file that is not there."""
    path, _ = split_spec(spec)
    if path.endswith(_SUFFIX) and not os.path.isfile(path):
        raise ValueError(f"{_EXPECTED} Received: {path!r}, and there is no such file.")


def log_name(spec: str) -> str:
    """Returns the name of a log for a pipeline's runs: in the present folder, and its own.

    Example:
        >>> log_name("pipelines/wine.py:create_small"), log_name("my_project.wine")
        ('wine.log', 'wine.log')
        >>> log_name("my_project.pipeline"), log_name("my_project/pipeline.py")
        ('my_project.log', 'my_project.log')
    """
    path = spec.rpartition(":")[0] if ":" in spec and not spec.endswith(_SUFFIX) else spec
    is_file = path.endswith(_SUFFIX)
    *above, name = path.removesuffix(_SUFFIX).split(os.sep if is_file else ".")
    # Many a project calls its module so.
    if name == "pipeline" and above and above[-1].isidentifier():
        name = above[-1]
    return f"{name}.log"


def _load_file(path: str) -> ModuleType:
    full = os.path.abspath(path)
    name = os.path.basename(full).removesuffix(_SUFFIX)
    if not name.isidentifier():
        raise ValueError(
            f"Expected a file whose name can be imported: letters, digits and _, no digit first. "
            f"Received: {path!r}. Rename it."
        )
    _make_importable(os.path.dirname(full))
    # Components that the file defines are found again by their module's name, so it is the plain
    # one, under which a file beside it, or a process of Beam's, can import it as well.
    loaded = sys.modules.get(name)
    if loaded is not None and not hasattr(loaded, _MARK):
        if _is_same_file(loaded, full):
            return loaded
        raise ValueError(
            f"Expected a file that is not named like a module in use. Received: {path!r}, and "
            f"{name} is {getattr(loaded, '__file__', None) or 'a part of Python'}. Rename it."
        )
    return _execute(name, full)


def _execute(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, _MARK, True)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        package = os.path.basename(os.path.dirname(file))
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            cure = f"Name it with its package, in the folder above: {package}.{name}."
            _raise_in_words(error, f"Expected {file} to be importable", cure)
        _raise_in_words(error, f"Expected {file} to be importable")
    return module


# Set on modules that came from files, so that another file of the same name may replace them.
_MARK = "__nsl_tfx_pipeline_file__"


def _is_same_file(module: ModuleType, file: str) -> bool:
    there = getattr(module, "__file__", None)
    return there is not None and os.path.realpath(there) == os.path.realpath(file)


def _load_module(name: str) -> ModuleType:
    _make_importable(os.getcwd())
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(
                f"{_EXPECTED} Received: {name!r}, and there is no module {error.name!r} in the "
                "present folder or among the installed packages."
            ) from error
        _raise_in_words(error, f"Expected {name} to be importable")
    except (Exception, SystemExit) as error:
        _raise_in_words(error, f"Expected {name} to be importable")


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)
    known = os.environ.get("PYTHONPATH")
    if folder not in (known or "").split(os.pathsep):
        os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{known}" if known else folder


def _function_of(module: ModuleType, name: str, path: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if callable(function):
        return function
    found = "" if function is None else f", where it is a {type(function).__name__}"
    candidates = sorted(
        key
        for key, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and not isinstance(value, type)
        and not key.startswith("_")
    )
    raise ValueError(
        f"Expected a function {name} in {path}{found or ', where none is'}. Functions there: "
        f"{', '.join(candidates) or 'none'}. Name one as {path}:FUNCTION."
    )


def _raise_in_words(error: BaseException, what: str, cure: str = "") -> NoReturn:
    """Raises the ValueError that tells what failed, and where in the user's code."""
    place = _place(error)
    if isinstance(error, ImportError) and "relative import" in str(error):
        cure = "Name the module with its package instead: package.module."
    elif isinstance(error, SystemExit):
        cure = "Put what shall run as a script under `if __name__ == '__main__':`."
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    raise ValueError(f"{what}. {place}{told.rstrip('.')}. {cure}".rstrip()) from error


def _place(error: BaseException) -> str:
    """Returns `file:line: ` of the last of the user's own lines that an error came through."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}: "
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _is_library(frame.filename)
    ]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""


def _is_library(file: str) -> bool:
    """Tells whether a file is Python's, an installed package's or ours."""
    folders = (os.path.dirname(os.__file__), *_OURS)
    return file.startswith("<") or file.startswith(folders) or "site-packages" in file


_OURS = (os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep,)
