"""Values for a pipeline's runtime parameters, where the runner itself gives them none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import message
from tfx.dsl.compiler import constants
from tfx.orchestration.portable.runtime_parameter_utils import substitute_runtime_parameter
from tfx.proto.orchestration import pipeline_pb2

_RUN = constants.PIPELINE_RUN_ID_PARAMETER_NAME
_ROOT = constants.PIPELINE_ROOT_PARAMETER_NAME
_TYPES = {
    pipeline_pb2.RuntimeParameter.INT: (int, "a whole number"),
    pipeline_pb2.RuntimeParameter.DOUBLE: (float, "a number"),
    pipeline_pb2.RuntimeParameter.STRING: (str, "text"),
}


def bind_parameters(pipeline: pipeline_pb2.Pipeline, texts: Mapping[str, str], run: str) -> None:
    """Puts values in the place of a compiled pipeline's runtime parameters.

    Args:
        pipeline: Changed.
        texts: By name, as text. One that is not named keeps its default.
        run: The run's id.

    Raises:
        ValueError: There is no such parameter, a text is no value of its type, or one without a
            default got nothing.
    """
    found = {one.name: one for one in _parameters(pipeline) if one.name not in (_RUN, _ROOT)}
    unknown = sorted(set(texts) - set(found))
    if unknown:
        raise ValueError(
            f"Expected runtime parameters among: {', '.join(sorted(found)) or 'none at all'}. "
            f"Received: {', '.join(unknown)}."
        )
    missing = [
        n for n, one in found.items() if n not in texts and not one.HasField("default_value")
    ]
    if missing:
        raise ValueError(
            "Expected a value for each runtime parameter without a default. Missing: "
            f"{', '.join(sorted(missing))}."
        )
    values = {name: _convert(found[name], text) for name, text in texts.items()}
    with warnings.catch_warnings():
        # Newer protobuf blames the caller's caller for what TFX reads of a field.
        warnings.simplefilter("ignore", DeprecationWarning)
        substitute_runtime_parameter(pipeline, {**values, _RUN: run})


def _convert(parameter: pipeline_pb2.RuntimeParameter, text: str) -> Any:
    kind, words = _TYPES[parameter.type]
    try:
        return kind(text)
    except ValueError:
        raise ValueError(
            f"Expected the runtime parameter {parameter.name} to be {words}. Received: {text!r}."
        ) from None


def _parameters(found: Any) -> Iterator[pipeline_pb2.RuntimeParameter]:
    """Yields the runtime parameters anywhere in a message."""
    if isinstance(found, pipeline_pb2.RuntimeParameter):
        yield found
    elif isinstance(found, message.Message):
        for field, value in found.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if field.message_type.GetOptions().map_entry:
                # Their values may be plain ones.
                parts: Any = list(value.values())
            elif isinstance(value, message.Message):
                parts = [value]
            else:
                parts = list(value)
            for part in parts:
                yield from _parameters(part)
