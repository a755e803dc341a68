"""What NSL's adversarial wrapper calls its losses and metrics in the logs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")
# By the loss that an output is trained with; for other losses Keras goes by the labels' shape.
_KINDS = {
    "binary_crossentropy": "binary",
    "hinge": "binary",
    "squared_hinge": "binary",
    "categorical_crossentropy": "categorical",
    "sparse_categorical_crossentropy": "sparse_categorical",
}
_BY_SHAPE = frozenset(f"{kind}_accuracy" for kind in _KINDS.values())


def full_metric_names(metrics: Any, loss: Any, outputs: Sequence[str]) -> Any:
    """Returns compiled metrics with their names spelled out: "mean_squared_error" for "mse", say.

    Args:
        metrics: As `keras.Model.compile` takes them; objects stay.
        loss: The compiled loss, by which "accuracy" and "ce" are told.
        outputs: Names of the model's outputs, where they are known.

    Raises:
        ValueError: There is no such metric, or the loss does not tell which is meant.
    """
    if isinstance(metrics, Mapping):
        return {
            output: full_metric_names(parts, _loss_of(loss, output, outputs), [])
            for output, parts in metrics.items()
        }
    if isinstance(metrics, (list, tuple)):
        if len(outputs) > 1 and len(outputs) == len(metrics):
            return [
                full_metric_names(parts, _loss_of(loss, output, outputs), [])
                for output, parts in zip(outputs, metrics, strict=True)
            ]
        return [full_metric_names(part, loss, outputs) for part in metrics]
    return _full_name(metrics, loss) if isinstance(metrics, str) else metrics


def _full_name(metric: str, loss: Any) -> Any:
    if metric in ("logcosh", "log_cosh"):
        # Names of NSL's time, which Keras has for the loss alone.
        return keras.metrics.LogCoshError(name=metric)
    kind = _KINDS.get(loss_name(loss))
    if metric.lower() in _ACCURACY:
        return f"{kind}_accuracy" if kind else metric.lower()
    if metric.lower() in _CROSSENTROPY and kind:
        return f"{kind}_crossentropy"
    try:
        found = keras.metrics.get(metric)
    except ValueError as error:
        raise ValueError(
            "Expected metrics to be Keras's, by their names, such as "
            f"'sparse_categorical_crossentropy'. Received: {metric!r}, with the loss "
            f"{loss_name(loss)!r}. Write its name in full, or give an object of keras.metrics."
        ) from error
    return str(getattr(found, "name", metric))


def log_names(
    model: keras.Model,
    label_keys: Sequence[str],
    label_loss: keras.metrics.Metric,
    named: frozenset[str],
) -> dict[str, Any]:
    """Returns the values of a compiled model's metrics by NSL's names, in NSL's order.

    First "loss" and the metrics that were compiled as objects; then each output's loss and the
    metrics that were compiled by their names, with the label's name behind where there are several
    outputs; then all else, by its own name.

    Args:
        model: The model.
        label_keys: The labels' names, in the order of the outputs; where there are fewer than
            outputs, these go by their own names.
        label_loss: Tracks the loss of a lone output, which Keras does not.
        named: Full names of the metrics that were compiled by name.
    """
    # Keras tracks the losses of several outputs, and has no public way to say which these are.
    trackers = list(model._compile_loss.metrics)
    names = list(getattr(model, "output_names", None) or [])
    outputs = _outputs(model.loss, [t.name.removesuffix("_loss") for t in trackers], names)
    several = len(outputs) > 1
    suffixes = (
        dict(zip(outputs, label_keys, strict=True)) if len(label_keys) == len(outputs) else {}
    )

    def suffixed(name: str, output: str | None) -> str:
        return f"{name}_{suffixes.get(output, output)}" if several and output else name

    objects: list[tuple[str, Any]] = []
    # None stands for what belongs to no output in particular.
    by_output: dict[str | None, list[tuple[str, Any]]] = {o: [] for o in [*outputs, None]}
    others: list[tuple[str, Any]] = []
    for metric in model.metrics:
        if metric.name == "loss":
            objects.insert(0, ("loss", metric.result()))
        elif metric is label_loss:
            if not trackers:
                output = next((o for o in outputs if _loss_of(model.loss, o, outputs)), None)
                name = loss_name(_loss_of(model.loss, output, outputs))
                by_output[output].insert(0, (suffixed(name, output), metric.result()))
        elif any(metric is tracker for tracker in trackers):
            output = metric.name.removesuffix("_loss")
            name = loss_name(_loss_of(model.loss, output, outputs))
            by_output[output].insert(0, (suffixed(name, output), metric.result()))
        elif hasattr(metric, "metrics"):
            for key, value, by_name in _compiled(metric, named):
                output, name = _split(key, outputs) if several else (None, key)
                place = by_output[output] if by_name else objects
                place.append((suffixed(name, output), value))
        else:
            others.append((metric.name, metric.result()))
    return _unique([*objects, *(each for part in by_output.values() for each in part), *others])


def _compiled(metrics: Any, named: frozenset[str]) -> Iterator[tuple[str, Any, bool]]:
    """Yields name and value of each compiled metric, and whether it was compiled by name."""
    for part in metrics.metrics:
        if part.name in _ACCURACY and part.name in named:
            # Keras has found out which accuracy is meant; callbacks look for it by its full name.
            part.name = _own_name(part)
    for (key, value), part in zip(metrics.result().items(), metrics.metrics, strict=True):
        by_shape = part.name in _BY_SHAPE and bool(named & {*_ACCURACY})
        yield key, value, by_shape or part.name in named


def _outputs(loss: Any, tracked: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    """Returns the names of the outputs, in the order of the labels."""
    if not tracked or {*tracked} <= {*names}:
        return names
    # A dict of outputs, which are in the order of the alphabet; or a list, in its order.
    return sorted(loss) if isinstance(loss, Mapping) else tracked


def loss_name(loss: Any) -> str:
    """Returns the full name of a loss in any form: a name, an object or a function."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            # One of the names that Keras resolves by the labels' shape, such as "crossentropy".
            return str(loss)
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))


def _unique(logs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the logs, of which equal names are numbered."""
    numbered: dict[str, Any] = {}
    for name, value in logs:
        count, unique = 1, name
        while unique in numbered:
            count += 1
            unique = f"{name}_{count}"
        numbered[unique] = value
    return numbered


def _split(key: str, outputs: Sequence[str]) -> tuple[str | None, str]:
    """Takes the output's name off the metric's."""
    for output in sorted(outputs, key=len, reverse=True):
        if key.startswith(f"{output}_"):
            return output, key.removeprefix(f"{output}_")
    return None, key


def _loss_of(loss: Any, output: str | None, outputs: Sequence[str]) -> Any:
    if isinstance(loss, Mapping):
        return loss.get(output, next(iter(loss.values())) if output is None else None)
    if isinstance(loss, (list, tuple)):
        return loss[outputs.index(output) if output in outputs else 0]
    return loss


def _own_name(metric: keras.metrics.Metric) -> str:
    """Returns the name that a metric has unless it is given one."""
    return str(inspect.signature(type(metric).__init__).parameters["name"].default)
