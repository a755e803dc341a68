"""What a component does with its config and writes of numbers, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.component_spec import ExecutionParameter

from nsl_tfx.configs.base import Config
from nsl_tfx.fingerprint import code_fingerprint

PARAMETERS = {
    "config": ExecutionParameter(type=str),
    # Read by nobody: TFX reuses a node's result where its settings are the same, and of the code
    # it would see only a name. A new version of this package, or an edited one, runs anew.
    "code": ExecutionParameter(type=str),
}
"""What every component's spec declares."""


def settings_of(config: Config | RuntimeParameter) -> dict[str, str | RuntimeParameter]:
    """Returns the values of `PARAMETERS`; a RuntimeParameter brings a config's JSON by itself."""
    value = config if isinstance(config, RuntimeParameter) else config.to_json()
    return {"config": value, "code": code_fingerprint()}


def check_config(config: Any, expected: type[Config]) -> None:
    """Raises TypeError where a component's `config` is of another type than `expected`."""
    if not isinstance(config, expected):
        name = expected.__name__
        raise TypeError(
            f"Expected config to be of type {name}. Received: {config!r} (a "
            f"{type(config).__name__}); {name}(...) makes one, and {name}.from_dict(...) makes "
            "one of a dict."
        )


def set_custom_properties(artifact: Any, values: Mapping[str, int | float | str]) -> None:
    """Sets an artifact's custom properties in ML Metadata, each by its type."""
    for name, value in values.items():
        if isinstance(value, str):
            artifact.set_string_custom_property(name, value)
        elif isinstance(value, int):
            artifact.set_int_custom_property(name, value)
        else:
            artifact.set_float_custom_property(name, value)
