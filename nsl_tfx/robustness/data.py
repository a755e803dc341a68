"""The rows that a model is evaluated on."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig

Batches = Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""Arrays `[examples, ...]` by feature name, or an iterable of such dicts, a batch each."""

NO_LABEL = -1
"""Stands for the label of an example that has none."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples in memory.

    Attributes:
        features: The model's inputs, `[examples, ...]` by name.
        labels: `[examples]`, the class numbers.
        ids: `[examples]`, text.
        seen: How many examples there were to sample from.
        columns: `[examples, ...]`, further features to tell results by, as they were read.
    """

    features: dict[str, NDArray[Any]]
    labels: NDArray[np.int64]
    ids: list[str]
    seen: int
    columns: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)

    def take(self, rows: NDArray[Any]) -> Examples:
        """Returns some of the examples, by their numbers or by a mask."""
        chosen = np.arange(len(self))[rows]
        return Examples(
            {name: value[chosen] for name, value in self.features.items()},
            self.labels[chosen],
            [self.ids[row] for row in chosen],
            self.seen,
            {name: value[chosen] for name, value in self.columns.items()},
        )

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """Returns a hash of ids and labels: two evaluations of the same rows share it."""
        digest = hashlib.sha256(self.labels.astype("<i8").tobytes())
        digest.update("\0".join(self.ids).encode())
        return digest.hexdigest()[:16]


def collect(
    batches: Batches,
    inputs: Mapping[str, tf.TensorSpec],
    label_feature: str,
    id_feature: str | None = None,
    max_examples: int | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
) -> Examples:
    """Reads examples, or a uniform sample of them, into memory.

    The sample is the rows of the smallest random priority, so one pass does, never more than about
    twice the sample is held, and the batches' sizes do not matter.

    Args:
        batches: The examples; sparse labels are allowed.
        inputs: The features to keep, with the shape and dtype that the model takes.
        label_feature: Name of the label: integers that count classes from 0, or bools.
        id_feature: Names each example; its position does when None.
        max_examples: Size of the sample; all when None.
        seed: Seed of the sample.
        keep: Further features to keep as they are. Of sparse ones the first value; where there is
            none, NaN, -1 or an empty text.

    Raises:
        ValueError: A feature is absent or of another shape, a label is missing, or there is no
            example.
        TypeError: The label is no integer or bool, or a batch is not a dict.

    Example:
        >>> inputs = {"a": tf.TensorSpec([None, 1])}
        >>> found = collect({"a": [[1.0], [2.0]], "y": [0, 1]}, inputs, "y")
        >>> found.labels.tolist(), found.ids
        ([0, 1], ['0', '1'])
    """
    columns = [*inputs, label_feature, *([id_feature] if id_feature else [])]
    further = [name for name in keep if name not in columns]
    random = np.random.default_rng(seed)
    kept: list[dict[str, NDArray[Any]]] = []
    held = seen = 0
    for batch in _each_batch(batches):
        rows = _read_batch(batch, [*columns, *further], inputs, label_feature)
        count = len(rows[label_feature])
        rows["\0position"] = np.arange(seen, seen + count)
        rows["\0priority"] = random.random(count)
        kept.append(rows)
        held, seen = held + count, seen + count
        if max_examples is not None and held > 2 * max_examples:
            kept = [_smallest(_join(kept), max_examples)]
            held = max_examples
    if not seen:
        raise ValueError("Expected at least one example. Received: none; is the split empty?")
    table = _join(kept)
    if max_examples is not None:
        table = _smallest(table, max_examples)
    labels = table[label_feature]
    unlabelled = int(np.sum(labels == NO_LABEL))
    if unlabelled and unlabelled < len(labels) and np.isin(labels, (NO_LABEL, 1)).all():
        raise ValueError(
            f"Expected labels {label_feature!r} that count classes from 0. Received: -1 and 1 "
            "alone; map -1 to 0 if it is a class, or filter those examples out if they have none."
        )
    if unlabelled:
        raise ValueError(
            f"Expected a label {label_feature!r} for every example. Received: {unlabelled} of "
            f"{len(labels)} without one; evaluate on a labelled split, or filter those out."
        )
    names = _as_ids(table[id_feature], id_feature) if id_feature else table["\0position"]
    return Examples(
        {name: table[name] for name in inputs},
        labels,
        [_text(name) for name in names],
        seen,
        {name: table[name] for name in keep},
    )


def check_examples(examples: Examples, config: RobustnessConfig) -> None:
    """Raises ValueError where an attacked feature is not finite, or out of its bounds."""
    for name in config.features:
        values = examples.features[name]
        if not np.isfinite(values).all():
            raise ValueError(
                f"Expected finite values of feature {name!r}. Received: NaN or infinity; fill or "
                "filter them as training does."
            )
        for setting, compare in (("clip_value_min", np.less), ("clip_value_max", np.greater)):
            bound = config.of_feature(getattr(config, setting), name)
            if bound is None:
                continue
            # In the feature's own type: 0.1 is another number in float32.
            bound = np.asarray(bound, values.dtype)
            try:
                outside = compare(values, bound)
            except ValueError:
                raise ValueError(
                    f"Expected RobustnessConfig.{setting} of {name!r} to fit one example, of shape "
                    f"{list(values.shape[1:])}. Received: shape {list(bound.shape)}."
                ) from None
            if outside.any():
                low, high = float(values.min()), float(values.max())
                raise ValueError(
                    f"Expected feature {name!r} within {setting}={bound}. Received values from "
                    f"{low:g} to {high:g}; the bounds are in the units of the "
                    "model's input, after any scaling."
                )


def _each_batch(batches: Batches) -> Iterator[Mapping[str, Any]]:
    if isinstance(batches, Mapping):
        yield batches
        return
    for batch in batches:
        if not isinstance(batch, Mapping):
            raise TypeError(
                "Expected a dict of arrays by feature name, the label among them, or an iterable "
                f"of such dicts, a batch each. Received: a batch of type {type(batch).__name__}; "
                "of (x, y) make {input: x, label: y}, of a DataFrame dict(frame)."
            )
        yield batch


def _read_batch(
    batch: Mapping[str, Any],
    columns: list[str],
    inputs: Mapping[str, tf.TensorSpec],
    label_feature: str,
) -> dict[str, NDArray[Any]]:
    absent = [name for name in columns if name not in batch]
    if absent:
        raise ValueError(
            f"Expected examples with the features {', '.join(columns)}. Received examples without "
            f"{', '.join(absent)}; they have {', '.join(sorted(batch))}."
        )
    rows = {
        name: _dense(batch[name], name) if name in inputs else _first(batch[name])
        for name in columns
        if name != label_feature
    }
    for name, spec in inputs.items():
        rows[name] = _as_input(rows[name], name, spec)
    rows[label_feature] = _as_labels(_dense(batch[label_feature], label_feature, NO_LABEL))
    sizes = {name: len(value) for name, value in rows.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Expected features of equally many rows. Received: {sizes}.")
    return rows


def _first(value: Any) -> NDArray[Any]:
    """Returns a feature as it is; of a sparse one the first value, or what stands for none."""
    if not isinstance(value, tf.SparseTensor):
        return np.asarray(value)
    missing: Any = NO_LABEL if value.dtype.is_integer else math.nan
    if value.dtype == tf.string:
        missing = b""
    dense = tf.sparse.to_dense(value, default_value=missing).numpy()
    filled = np.full((len(dense), 1), missing, dense.dtype)
    return np.concatenate([dense, filled], axis=1)[:, 0]


def _dense(value: Any, name: str, filler: Any = None) -> NDArray[Any]:
    if isinstance(value, tf.SparseTensor):
        if filler is None:
            raise ValueError(
                f"Expected feature {name!r} with the same number of values in each example. "
                "Received: a sparse one; give it a shape in the Schema "
                "(SchemaGen(infer_feature_shape=True) does where all examples agree)."
            )
        value = tf.sparse.to_dense(value, default_value=filler)
    return np.asarray(value)


def _as_input(value: NDArray[Any], name: str, spec: tf.TensorSpec) -> NDArray[Any]:
    wanted = spec.shape
    # A column of scalars, as tables and CSV files hold it, for an input of one element.
    if wanted.rank == 2 and wanted[1] == 1 and value.ndim == 1:
        value = value[:, np.newaxis]
    if wanted.rank is not None and not wanted[1:].is_compatible_with(value.shape[1:]):
        raise ValueError(
            f"Expected feature {name!r} of shape {['batch', *wanted.as_list()[1:]]}, as the model "
            f"takes it. Received: {['batch', *value.shape[1:]]}; mend the shape in the Schema or "
            "in the model's signature."
        )
    if spec.dtype == tf.string:
        return value.astype(object)
    # NumPy itself knows no bfloat16.
    if value.dtype.kind not in "fiub" and value.dtype != tf.bfloat16.as_numpy_dtype:
        raise ValueError(
            f"Expected feature {name!r} of dtype {spec.dtype.name}, as the model takes it. "
            f"Received: {value.dtype}."
        )
    return value.astype(spec.dtype.as_numpy_dtype)


def _as_labels(value: NDArray[Any]) -> NDArray[np.int64]:
    if value.dtype.kind not in "biu":
        raise TypeError(f"Expected an integer label, the class number. Received: {value.dtype}.")
    if value.size != len(value):
        if value.size:
            raise ValueError(
                f"Expected one label an example, the class number. Received: labels of shape "
                f"{list(value.shape)}; of one-hot labels take numpy.argmax(labels, axis=-1)."
            )
        # No example of the batch has a label at all.
        return np.full(len(value), NO_LABEL, np.int64)
    return value.reshape(-1).astype(np.int64)


def _as_ids(value: NDArray[Any], name: str) -> NDArray[Any]:
    if value.size != len(value):
        raise ValueError(
            f"Expected an id feature {name!r} with one value an example. Received: values of shape "
            f"{list(value.shape[1:])}."
        )
    return value.reshape(-1)


def _join(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _smallest(table: dict[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
    chosen = np.sort(np.argsort(table["\0priority"], kind="stable")[:count])
    return {name: value[chosen] for name, value in table.items()}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return str(value)
