"""What NSL's adversarial wrapper calls its losses and metrics in the logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras


def log_names(
    model: keras.Model,
    label_keys: Sequence[str],
    label_loss: keras.metrics.Metric,
    abbreviations: frozenset[str],
) -> dict[str, Any]:
    """Returns the values of a compiled model's metrics by NSL's names, in NSL's order.

    First "loss"; then each output's loss and metrics, by the full name of what was compiled, with
    the label's name behind where there are several outputs; then all else, by its own name.

    Args:
        model: The model.
        label_keys: The labels' names, in the order of the outputs; where there are fewer than
            outputs, these go by their own names.
        label_loss: Tracks the loss of a lone output, which Keras does not.
        abbreviations: Metrics that were compiled by a name, such as "acc", rather than as objects.
    """
    outputs = list(getattr(model, "output_names", None) or [])
    suffixes = label_keys if len(label_keys) == len(outputs) else outputs
    labels = dict(zip(outputs, suffixes, strict=True))
    several = len(outputs) > 1
    logs: dict[str, Any] = {}

    def log(name: str, value: Any) -> None:
        count, unique = 1, name
        while unique in logs:
            count += 1
            unique = f"{name}_{count}"
        logs[unique] = value

    trackers = {metric.name: metric for metric in model.metrics}
    log("loss", trackers.pop("loss").result())
    by_output = [name for name in (f"{output}_loss" for output in outputs) if name in trackers]
    for output in outputs if several else []:
        if f"{output}_loss" in trackers:
            found = trackers.pop(f"{output}_loss")
            log(f"{_loss_name(model.loss, output, outputs)}_{labels[output]}", found.result())
    trackers.pop(label_loss.name)
    if not by_output:
        log(_loss_name(model.loss, None, outputs), label_loss.result())
    for name, metric in trackers.items():
        result = metric.result()
        if not isinstance(result, Mapping):
            log(name, result)
            continue
        for (key, value), part in zip(result.items(), metric.metrics, strict=True):
            output, rest = _split(key, outputs) if several else (None, key)
            if part.name in abbreviations:
                rest = rest.replace(part.name, _snake_case(type(part).__name__), 1)
            log(f"{rest}_{labels[output]}" if output else rest, value)
    return logs


def _split(key: str, outputs: Sequence[str]) -> tuple[str | None, str]:
    """Takes the output's name off the metric's."""
    for output in sorted(outputs, key=len, reverse=True):
        if key.startswith(f"{output}_"):
            return output, key.removeprefix(f"{output}_")
    return None, key


def _loss_name(loss: Any, output: str | None, outputs: Sequence[str]) -> str:
    if isinstance(loss, Mapping):
        loss = loss[output] if output else next(iter(loss.values()))
    elif isinstance(loss, (list, tuple)):
        loss = loss[outputs.index(output)] if output else loss[0]
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            # One of the names that Keras resolves by the labels' shape, such as "crossentropy".
            return str(loss)
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
