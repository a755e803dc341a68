"""Filling in what a compiled pipeline leaves to the launcher."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_PARAMETER = re.compile(r"\.inputs\.parameters\['(.+?)'\]")
_ARTIFACT = re.compile(
    r"\.(inputs|outputs)\.artifacts\['(.+?)'\]\.(uri|value|metadata)(?:\['(.+?)'\])?"
)


def fill(text: str, executor_input: dict[str, Any]) -> str:
    """Replaces the placeholders of a text, once: what they bring is not looked at again.

    Raises:
        LookupError: A placeholder asks for something that the task does not have.
    """
    return _PLACEHOLDER.sub(lambda match: _value(match[1], executor_input), text)


def _value(path: str, executor_input: dict[str, Any]) -> str:
    if not path:
        return json.dumps(executor_input)
    if match := _PARAMETER.fullmatch(path):
        value = executor_input["inputs"]["parameterValues"][match[1]]
        return value if isinstance(value, str) else json.dumps(value)
    if match := _ARTIFACT.fullmatch(path):
        side, key, what, name = match.groups()
        artifact = executor_input[side]["artifacts"][key]["artifacts"][0]
        if what == "metadata":
            return str(artifact["metadata"][name])
        # The file that TFX's value artifacts keep their content in.
        return artifact["uri"] if what == "uri" else Path(artifact["uri"], "value").read_text()
    raise LookupError(f"unknown placeholder {{{{${path}}}}}")
