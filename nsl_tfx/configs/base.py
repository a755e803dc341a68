"""What every setting of the library has in common: frozen, checked when made, JSON and back."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import math
import numbers
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

ConfigT = TypeVar("ConfigT", bound="Config")
EnumT = TypeVar("EnumT", bound=enum.Enum)
NumberT = TypeVar("NumberT", int, float)

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy and Keras take."""

_COMPARISONS = {
    "gt": (">", lambda value, bound: value > bound),
    "ge": (">=", lambda value, bound: value >= bound),
    "lt": ("<", lambda value, bound: value < bound),
    "le": ("<=", lambda value, bound: value <= bound),
}


def bounded(
    default: Any = dataclasses.MISSING,
    *,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    unit: str = "",
) -> Any:
    """Declares a numeric field with the range that it must lie in.

    Args:
        default: The field's default; required when left out.
        gt: The value must be greater than this.
        ge: The value must be at least this.
        lt: The value must be less than this.
        le: The value must be at most this.
        unit: What the number counts, for the error's text.
    """
    bounds = {"gt": gt, "ge": ge, "lt": lt, "le": le}
    limits = {name: bound for name, bound in bounds.items() if bound is not None}
    return dataclasses.field(default=default, metadata={"limits": limits, "unit": unit})


class Choice(str, enum.Enum):
    """A setting that is one of a few names; each member equals its name."""

    @classmethod
    def all(cls) -> list[Choice]:
        """Returns every member."""
        return list(cls)


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """A frozen group of settings.

    Two configs are equal if their types and contents are. Every field is converted to its declared
    type and checked against its declared range when the object is made, so that a mistake shows at
    the line that holds it.

    Raises:
        TypeError: A value is of another type than its field declares, or a field is unknown.
        ValueError: A value lies outside its field's range.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            where = f"{type(self).__name__}.{field.name}"
            value = _convert(getattr(self, field.name), hints[field.name], where)
            _check_limits(value, field.metadata, where)
            object.__setattr__(self, field.name, value)
        self.check()

    def __eq__(self, other: object) -> bool:
        # By what JSON would hold: tensors and arrays among the fields do not compare to one bool.
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((type(self), self.to_json()))

    def check(self) -> None:
        """Checks what concerns several fields at once; subclasses override it."""

    def replace(self: ConfigT, **changes: Any) -> ConfigT:
        """Returns a copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    def fields(self) -> dict[str, Any]:
        """Returns the settings by name; nested configs as dicts, all else as it is."""
        return {
            field.name: value.fields() if isinstance(value, Config) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def to_json(self) -> str:
        """Returns the settings as JSON with sorted keys: equal configs give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def fingerprint(self) -> str:
        """Returns a short hash of the settings, the same in every process."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
        """Makes a config from plain values.

        Raises:
            TypeError: A field is unknown, missing or of another type.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise TypeError(
                f"Expected only the fields of {cls.__name__}: {', '.join(names)}. "
                f"Received: {', '.join(map(str, unknown))}."
            )
        return cls(**values)

    @classmethod
    def from_json(cls: type[ConfigT], text: str) -> ConfigT:
        """Makes a config from `to_json`'s text.

        Raises:
            TypeError: A field is unknown, missing or of another type.
            ValueError: The text is no JSON object.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"Expected {cls.__name__} as a JSON object. {error}.") from error
        if not isinstance(values, dict):
            raise ValueError(f"Expected {cls.__name__} as a JSON object. Received: {text[:80]}")
        return cls.from_dict(values)


def check_distinct(where: str, names: Sequence[str]) -> None:
    """Raises ValueError unless there are names, none of them empty or given twice."""
    if not names or len(set(names)) < len(names) or not all(names):
        shown = ", ".join(repr(str(getattr(name, "value", name))) for name in names)
        raise ValueError(
            f"Expected {where} to hold at least one name, none empty, each once. "
            f"Received: {shown or 'none'}."
        )


def _check_limits(value: Any, metadata: Mapping[str, Any], where: str) -> None:
    limits = metadata.get("limits", {})
    if value is None or not limits:
        return
    unit = f" ({metadata['unit']})" if metadata["unit"] else ""
    failed = any(not _COMPARISONS[name][1](value, bound) for name, bound in limits.items())
    if failed or not math.isfinite(value):
        wanted = " and ".join(f"{_COMPARISONS[name][0]} {bound}" for name, bound in limits.items())
        name = where.rsplit(".", 1)[-1]
        raise ValueError(f"Expected {where} {wanted}{unit}. Received: {name}={value!r}.")


def _convert(value: Any, hint: Any, where: str) -> Any:  # One case a kind of type.
    """Returns `value` as the type that a field declares; JSON's lists and strings included."""
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            raise _wrong_type(where, f"a list of {_name(arguments[0])}", value)
        return tuple(_convert(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise _wrong_type(where, "a dict", value)
        # A copy, so that the caller's later edits stay outside; a mapping proxy would be safer
        # still but cannot be pickled, and Beam pickles what its workers hold.
        return {str(k): _convert(v, arguments[1], f"{where}[{k!r}]") for k, v in value.items()}
    if issubclass(hint, enum.Enum):
        return require_choice(where, value, hint)
    if issubclass(hint, Config):
        return hint.from_dict(value) if isinstance(value, Mapping) else _check(value, hint, where)
    # NumPy's scalars count as the numbers that they are.
    number = {float: numbers.Real, int: numbers.Integral}.get(hint)
    if number is not None and isinstance(value, number) and not isinstance(value, bool):
        return hint(value)
    return _check(value, hint, where)


def _check(value: Any, hint: type, where: str) -> Any:
    # bool is an int to Python but never what a count or a size means.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong_type(where, _name(hint), value)
    return value


def _convert_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    options = [option for option in arguments if option is not type(None)]
    for option in options[:-1]:
        try:
            return _convert(value, option, where)
        except TypeError:
            continue
    return _convert(value, options[-1], where)


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "numpy"):  # a tensor
        return value.numpy().tolist()
    if hasattr(value, "tolist"):  # an array
        return value.tolist()
    return value


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))


def _wrong_type(where: str, expected: str, value: Any) -> TypeError:
    kind = type(value).__name__
    return TypeError(f"Expected {where} to be {expected}. Received: {value!r} (a {kind}).")


def require_config(name: str, value: Any, kind: type[ConfigT]) -> ConfigT:
    """Returns a config that was given as an argument.

    Args:
        name: The argument's name, for the error's text.
        value: What was given.
        kind: The config that it has to be.

    Raises:
        TypeError: It is something else; the message says where the right one is to be had.
    """
    if isinstance(value, kind):
        return value
    inside = value.fields() if isinstance(value, Config) else {}
    field = next((field for field in inside if isinstance(getattr(value, field), kind)), None)
    cure = (
        f"Pass its field {field}" if field else f"Make one with nsl_tfx.configs.{_maker(kind)}(...)"
    )
    raise TypeError(f"Expected {name} to be a {kind.__name__}. Received: {value!r}. {cure}.")


def require_choice(name: str, value: Any, kind: type[EnumT]) -> EnumT:
    """Returns the member that was given as an argument, or whose value was.

    Args:
        name: The argument's name, for the error's text.
        value: What was given.
        kind: The choices.

    Raises:
        ValueError: There is no such choice.
    """
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(repr(member.value) for member in kind)
        raise ValueError(f"Expected {name} to be one of {allowed}. Received: {value!r}.") from None


def require_number(
    name: str,
    value: Any,
    kind: type[NumberT],
    *,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> NumberT:
    """Returns a finite number that was given as an argument.

    Args:
        name: The argument's name, for the error's text.
        value: What was given; NumPy's scalars count as the numbers that they are.
        kind: `int` or `float`; an integer is a float too, and a truth value is neither.
        gt: The value must be greater than this.
        ge: The value must be at least this.
        le: The value must be at most this.

    Raises:
        TypeError: It is of another type.
        ValueError: It is out of its range, infinite, or not a number.

    Example:
        >>> require_number("share", 1, float, ge=0)
        1.0
    """
    number: NumberT = _convert(value, kind, name)
    if not math.isfinite(number):
        raise ValueError(f"Expected {name} to be finite. Received: {name}={value!r}.")
    _check_limits(number, bounded(gt=gt, ge=ge, le=le).metadata, name)
    return number


def _maker(kind: type[Config]) -> str:
    """Returns the name of what makes a config in one call."""
    if not kind.__name__.endswith("RegConfig"):
        return kind.__name__
    return "make" + re.sub("(?=[A-Z])", "_", kind.__name__).lower()
