"""From the text of a command line to the arguments of a function."""

from __future__ import annotations

import inspect
import pathlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

_Kind = inspect.Parameter
_NAMED = (_Kind.POSITIONAL_OR_KEYWORD, _Kind.KEYWORD_ONLY)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NONE = "none"


def convert_arguments(function: Callable[..., Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Converts arguments given as text by a function's annotations.

    `int`, `float`, `bool` (true/false, yes/no, 1/0), `str`, `pathlib.Path` and each of them or None
    ("none") are understood. A parameter without an annotation is taken for what its default is, and
    for text where that tells nothing.

    Args:
        function: Whose arguments they shall be.
        texts: By parameter.

    Returns:
        The arguments by name. Those with a default may be missing.

    Raises:
        ValueError: There is no such parameter, one without a default got nothing, or a text is no
            value of the parameter's type.

    Example:
        >>> def create(root: str, epochs: int = 1, seed: int | None = None): ...
        >>> convert_arguments(create, {"root": "runs", "epochs": "20", "seed": "none"})
        {'root': 'runs', 'epochs': 20, 'seed': None}
    """
    parameters = inspect.signature(function).parameters.values()
    named = {one.name: one for one in parameters if one.kind in _NAMED}
    takes_any = any(one.kind is _Kind.VAR_KEYWORD for one in parameters)
    unknown = [] if takes_any else sorted(set(texts) - set(named))
    if unknown:
        known = ", ".join(named) or "none at all"
        raise ValueError(f"Expected arguments among: {known}. Received: {', '.join(unknown)}.")
    missing = [n for n, one in named.items() if one.default is _Kind.empty and n not in texts]
    if missing:
        raise ValueError(
            f"Expected a value for each argument without a default. Missing: {', '.join(missing)}."
        )
    return {
        name: _convert(name, text, _type_of(function, named[name]) if name in named else str)
        for name, text in texts.items()
    }


def _type_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    expected = parameter.annotation
    if isinstance(expected, str):
        # Postponed. One that is there for a type checker alone has no value.
        names = getattr(inspect.unwrap(function), "__globals__", {})
        try:
            expected = eval(expected, names)
        except Exception:
            expected = _Kind.empty
    if expected is not _Kind.empty:
        return expected
    kind = type(parameter.default)
    return kind if kind in _CONVERTERS else str


def _convert(name: str, text: str, expected: Any) -> Any:
    kinds, optional = _alternatives(expected)
    if optional and text.lower() == _NONE:
        return None
    for kind in kinds:
        if kind not in _CONVERTERS:
            shown = getattr(expected, "__name__", None) or str(expected)
            raise ValueError(
                f"Expected {name} to be of a type that text can give (int, float, bool, str, "
                f"pathlib.Path, or one of them or None). It is annotated as {shown}; give it a "
                "default and leave it out here."
            )
    # Text fits every str, which therefore comes last.
    for kind in sorted(kinds, key=list(_CONVERTERS).index):
        try:
            return _CONVERTERS[kind](text)
        except ValueError:
            continue
    raise ValueError(f"Expected {name} to be {_words(kinds, optional)}. Received: {text!r}.")


def _alternatives(expected: Any) -> tuple[list[Any], bool]:
    """Returns the types of a union, or the one type, and whether None is among them."""
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        options = typing.get_args(expected)
    else:
        options = (expected,)
    kinds = [str if one is Any else one for one in options if one is not types.NoneType]
    return kinds, len(kinds) < len(options)


def _words(kinds: list[Any], optional: bool) -> str:
    return " or ".join([_WORDS[kind] for kind in kinds] + ([_NONE] if optional else []))


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(text)
    return _TRUTH[text.lower()]


_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: _truth,
    pathlib.Path: pathlib.Path,
    str: str,
}
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    pathlib.Path: "a path",
    str: "text",
}
