"""Runs a model and attacks over all rows, in batches of one size."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import Attack, Structure
from nsl_tfx.configs import NormType
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.losses import cross_entropy
from nsl_tfx.robustness.model import ModelUnderTest
from nsl_tfx.robustness.planned import apply_attack
from nsl_tfx.robustness.suite import PlannedAttack

Arrays = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Attacked:
    """What an attack made of some rows.

    Attributes:
        fooled: `[rows]` bool: the returned point is valid, and the model, asked again, does not
            give it the right class.
        adversarial: The returned features, `[rows, ...]` by name.
        predictions: `[rows]`, the classes of the returned points.
        invalid: `[rows]` bool: the returned point is outside the ball or the box, or not finite.
    """

    fooled: NDArray[np.bool_]
    adversarial: Arrays
    predictions: NDArray[np.int64]
    invalid: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class GradientHealth:
    """What the loss's gradient by one feature looks like.

    Attributes:
        missing: The graph connects the loss and the feature by no differentiable path.
        zero: `[rows]` bool, every element is 0.
        broken: `[rows]` bool, some element is not finite.
    """

    missing: bool
    zero: NDArray[np.bool_]
    broken: NDArray[np.bool_]


class Runner:
    """Calls a model on rows of one set of examples.

    The last batch is padded to the size of the others, so every function is traced once; and rows
    are addressed by number, so that only those which still stand need to be attacked.
    """

    def __init__(
        self, model: ModelUnderTest, examples: Examples, features: tuple[str, ...], batch_size: int
    ) -> None:
        self._model = model
        self._examples = examples
        self._attacked = features
        self._size = model.batch_size or min(batch_size, len(examples))
        self._traced: dict[str, Any] = {}
        self._seeds = content_seeds([examples.features[name] for name in model.inputs])

    def logits(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Returns `[rows, classes]`."""
        found = [
            self._predict(self._inputs(batch))[:count].numpy() for batch, count in self._cut(rows)
        ]
        return np.concatenate(found)

    def gradient_health(self, rows: NDArray[np.int64]) -> dict[str, GradientHealth]:
        """Returns the state of the gradient by each attacked feature.

        Raises:
            TypeError, LookupError: The export lost the gradient of an operation.
        """
        parts: list[dict[str, Any]] = []
        for batch, count in self._cut(rows):
            arguments = (*self._split(self._inputs(batch)), self._labels(batch))
            found = self._trace("gradient", self._measure_gradient, *arguments)(*arguments)
            parts.append({k: [v[:count].numpy() for v in found[k]] for k in found})
        return {
            name: GradientHealth(
                # A feature without a gradient is absent from the traced function's result.
                missing=name not in parts[0],
                zero=_column(parts, name, 0, len(rows)),
                broken=_column(parts, name, 1, len(rows)),
            )
            for name in self._attacked
        }

    def attack(
        self, planned: PlannedAttack, rows: NDArray[np.int64], seed: tuple[int, ...]
    ) -> Attacked:
        """Attacks rows, and asks the model again about what came back.

        Args:
            planned: The attack.
            rows: Row numbers, at least one.
            seed: Fixes the random draws, together with the rows' content.
        """
        adversarial: dict[str, list[NDArray[Any]]] = {name: [] for name in self._attacked}
        scores: list[NDArray[Any]] = []
        # The settings are constants of the graph.
        key = f"{type(planned.attack).__name__} {json.dumps(planned.settings)}"
        for batch, count in self._cut(rows):
            moving, still = self._split(self._inputs(batch))
            # By row, so that what is found does not depend on the batches.
            seeds = self._seeds[batch] ^ np.random.SeedSequence(seed).generate_state(2)
            arguments = (moving, still, self._labels(batch), tf.constant(seeds.view(np.int32)))
            found = self._trace(key, self._apply(planned), *arguments)(*arguments)
            for name, value in found.items():
                adversarial[name].append(value[:count].numpy())
            scores.append(self._predict({**still, **found})[:count].numpy())
        points = {name: np.concatenate(parts) for name, parts in adversarial.items()}
        originals = {name: self._examples.features[name][rows] for name in self._attacked}
        invalid = find_invalid(planned.attack, originals, points)
        logits = np.concatenate(scores)
        right = is_right(logits, self._examples.labels[rows])
        return Attacked(~right & ~invalid, points, logits.argmax(axis=1), invalid)

    def _predict(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return self._trace("logits", self._model.function, inputs)(inputs)

    def _trace(self, key: str, function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
        """Returns the function's graph, made once.

        By hand, because TensorFlow takes the graphs of several attacks and models for one function
        that is traced again and again, and warns.
        """
        if key not in self._traced:
            # Nothing here is Python's control flow, which costs much to look for.
            graph = tf.function(function, autograph=False)
            self._traced[key] = graph.get_concrete_function(*arguments)
        return self._traced[key]

    def _apply(self, planned: PlannedAttack) -> Callable[..., Any]:
        def run(moving: Any, still: Any, labels: tf.Tensor, seed: tf.Tensor) -> Any:
            def predict(x: Structure) -> tf.Tensor:
                return self._model.function({**still, **x})

            return apply_attack(planned, predict, moving, labels, seed)

        return run

    def _measure_gradient(self, moving: Any, still: Any, labels: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(moving)
            loss = cross_entropy(self._model.function({**still, **moving}), labels)
        found = {}
        for name, gradient in tape.gradient(loss, moving).items():
            if gradient is not None:
                flat = tf.reshape(gradient, [self._size, -1])
                found[name] = (
                    tf.reduce_all(flat == 0, axis=1),
                    ~tf.reduce_all(tf.math.is_finite(flat), axis=1),
                )
        return found

    def _cut(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
        for start in range(0, len(rows), self._size):
            batch = rows[start : start + self._size]
            padding = np.repeat(batch[-1:], self._size - len(batch))
            yield np.concatenate([batch, padding]), len(batch)

    def _inputs(self, rows: NDArray[np.int64]) -> dict[str, tf.Tensor]:
        return {
            name: tf.constant(self._examples.features[name][rows], spec.dtype)
            for name, spec in self._model.inputs.items()
        }

    def _labels(self, rows: NDArray[np.int64]) -> tf.Tensor:
        return tf.constant(self._examples.labels[rows], tf.int64)

    def _split(self, inputs: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        moving = {name: inputs[name] for name in self._attacked}
        return moving, {name: value for name, value in inputs.items() if name not in moving}


def content_seeds(columns: list[NDArray[Any]]) -> NDArray[np.uint32]:
    """Returns two numbers for each row, `[rows, 2]`, that its content decides about.

    Example:
        >>> a, b, c = content_seeds([np.array([[1.0], [2.0], [1.0]])]).tolist()
        >>> a == c, a == b
        (True, False)
    """
    # Of text an array holds but the places in memory.
    plain = [column.astype("S") if column.dtype.kind in "OU" else column for column in columns]
    rows = [np.ascontiguousarray(column).reshape(len(column), -1) for column in plain]
    digests = b"".join(
        hashlib.blake2b(b"".join(column[row].tobytes() for column in rows), digest_size=8).digest()
        for row in range(len(rows[0]))
    )
    return np.frombuffer(digests, "<u4").reshape(-1, 2).astype(np.uint32)


def is_right(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns which rows are classified as labelled; logits that are not finite are never right."""
    return np.isfinite(logits).all(axis=1) & (logits.argmax(axis=1) == labels)


def find_invalid(attack: Attack, originals: Arrays, points: Arrays) -> NDArray[np.bool_]:
    """Returns which rows an attack moved farther than it may, or made not finite.

    The tolerance is what float32 loses in adding the perturbation and taking it off again.
    """
    before = np.concatenate([_flat(value) for value in originals.values()], axis=1)
    after = np.concatenate([_flat(points[name]) for name in originals], axis=1)
    delta = np.abs(after - before)
    elements = delta.shape[1]
    rounding = 4 * np.finfo(np.float32).eps * np.maximum(1.0, np.abs(before).max(axis=1))
    if attack.norm is NormType.INFINITY:
        size, terms = delta.max(axis=1), 1.0
    elif attack.norm is NormType.L2:
        size, terms = np.sqrt(np.sum(delta**2, axis=1)), float(elements) ** 0.5
    else:
        size, terms = delta.sum(axis=1), float(elements)
    invalid = ~(size <= attack.epsilon * (1 + 1e-4) + rounding * terms)
    if attack.clip_value_min is not None:
        invalid |= ~(after.min(axis=1) >= attack.clip_value_min - rounding)
    if attack.clip_value_max is not None:
        invalid |= ~(after.max(axis=1) <= attack.clip_value_max + rounding)
    return invalid


def _flat(value: NDArray[Any]) -> NDArray[np.float64]:
    return value.reshape(len(value), -1).astype(np.float64)


def _column(parts: list[dict[str, Any]], name: str, index: int, count: int) -> NDArray[np.bool_]:
    if name not in parts[0]:
        return np.zeros(count, bool)
    return np.concatenate([part[name][index] for part in parts])
