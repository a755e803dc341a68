"""Runs a model and attacks over examples, in batches of one size."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import Structure
from nsl_tfx.lib.casting import wide_dtype
from nsl_tfx.robustness.attacking.losses import cross_entropy
from nsl_tfx.robustness.attacking.planned import apply_attack
from nsl_tfx.robustness.attacking.suite import PlannedAttack
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.models.model import ModelUnderTest


@dataclasses.dataclass(frozen=True)
class Attacked:
    """What an attack made of some examples.

    Attributes:
        fooled: `[rows]` bool: the returned point is valid, and the model, asked again, does not
            give it the right class.
        adversarial: The returned features, `[rows, ...]` by name.
        logits: `[rows, classes]` at the returned points.
        invalid: `[rows]` bool: the returned point is outside the ball or the box, or not finite.
        lost: `[rows]` bool: the attack saw the model fooled, but what it returned does not fool it.
    """

    fooled: NDArray[np.bool_]
    adversarial: Arrays
    logits: NDArray[Any]
    invalid: NDArray[np.bool_]
    lost: NDArray[np.bool_]


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
    """Calls a model on examples.

    Every call gets as many rows as the others, the last ones padded, so each function is traced
    once, whatever parts the examples come in.
    """

    def __init__(self, model: ModelUnderTest, threat: Threat, batch_size: int) -> None:
        """Makes a runner.

        Args:
            model: The model.
            threat: What an attacker may do.
            batch_size: Examples in a call, unless the model asks for a number of its own.
        """
        self._model = model
        self._threat = threat
        self._size = model.batch_size or batch_size
        self._traced: dict[str, Any] = {}

    def logits(self, examples: Examples, changed: Arrays | None = None) -> NDArray[Any]:
        """Returns `[rows, classes]`, as float32 or float64.

        Args:
            examples: At least one.
            changed: Features in the place of the examples' own.
        """
        return widen(self.outputs(examples, changed))

    def outputs(self, examples: Examples, changed: Arrays | None = None) -> NDArray[Any]:
        """Returns the same logits in the dtype that the model gives."""
        features = {**examples.features, **(changed or {})}
        found = [
            self._predict(self._inputs(features, rows))[:count].numpy()
            for rows, count in self._cut(len(examples))
        ]
        return np.concatenate(found)

    def gradient_health(self, examples: Examples) -> dict[str, GradientHealth]:
        """Returns the state of the gradient by each attacked feature.

        Raises:
            TypeError, LookupError: The export lost the gradient of an operation.
        """
        parts: list[dict[str, Any]] = []
        for rows, count in self._cut(len(examples)):
            inputs = self._inputs(examples.features, rows)
            arguments = (*self._split(inputs), self._labels(examples, rows))
            found = self._trace("gradient", self._measure_gradient, *arguments)(*arguments)
            parts.append({k: [v[:count].numpy() for v in found[k]] for k in found})
        return {
            name: GradientHealth(
                # A feature without a gradient is absent from the traced function's result.
                missing=name not in parts[0],
                zero=_column(parts, name, 0, len(examples)),
                broken=_column(parts, name, 1, len(examples)),
            )
            for name in self._threat.scale
        }

    def attack(
        self,
        planned: PlannedAttack,
        examples: Examples,
        epsilon: float,
        seed: tuple[int, ...],
        threat: Threat | None = None,
    ) -> Attacked:
        """Attacks examples, and asks the model again about what came back.

        Args:
            planned: The attack.
            examples: At least one.
            epsilon: How far it may go, in units of the input times the threat's scale.
            seed: Fixes the random draws, together with the examples' content.
            threat: Another threat than the runner's.
        """
        threat = threat or self._threat
        key = f"{type(planned.attack).__name__} {json.dumps(planned.settings)} {threat}"

        def run(moving: Any, still: Any, labels: tf.Tensor, seed: tf.Tensor, radius: Any) -> Any:
            reach = threat.reach(moving, radius)
            return apply_attack(planned, self.model(still), moving, reach, labels, seed)

        adversarial, fooled = self.search(key, run, examples, epsilon, seed)
        originals = {name: examples.features[name] for name in adversarial}
        invalid = threat.find_invalid(originals, adversarial, np.full(len(examples), epsilon))
        logits = self.logits(examples, adversarial)
        right = is_right(logits, examples.labels)
        return Attacked(~right & ~invalid, adversarial, logits, invalid, fooled & right)

    def search(
        self,
        key: str,
        function: Callable[..., Any],
        examples: Examples,
        epsilon: float,
        seed: tuple[int, ...],
        given: Arrays | None = None,
    ) -> Any:
        """Runs a function on examples, batch by batch, and joins what it returns.

        Args:
            key: Names the function: of one key, the first is traced and used ever after.
            function: Takes the features that an attacker may change, the other ones, labels
                `[batch]`, seeds `[batch, 2]`, epsilons `[batch]` and, where there are any, the
                given arrays; returns tensors `[batch, ...]` in any structure.
            examples: At least one.
            epsilon: The same for all.
            seed: Fixes the random draws, together with the examples' content.
            given: Further arrays `[examples, ...]` by name.
        """
        own_seeds = content_seeds([examples.features[name] for name in self._model.inputs])
        # By row, so that what is found does not depend on the batches.
        seeds = own_seeds ^ np.random.SeedSequence(seed).generate_state(2)
        parts = []
        for rows, count in self._cut(len(examples)):
            arguments = (
                *self._split(self._inputs(examples.features, rows)),
                self._labels(examples, rows),
                tf.constant(seeds[rows].view(np.int32)),
                tf.fill([self._size], tf.constant(epsilon, tf.float64)),
                *([{k: tf.constant(v[rows]) for k, v in given.items()}] if given else []),
            )
            found = self._trace(key, function, *arguments)(*arguments)
            parts.append(tf.nest.map_structure(lambda value, n=count: value[:n].numpy(), found))
        return tf.nest.map_structure(lambda *values: np.concatenate(values), *parts)

    def model(self, still: Any) -> Callable[[Structure], tf.Tensor]:
        """Returns the logits as a function of the features that an attacker may change."""
        return lambda x: self.call({**still, **x})

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the logits of a batch, float32 or float64, inside a traced function."""
        logits = self._model.function(inputs)
        return tf.cast(logits, wide_dtype([logits]))

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

    def _measure_gradient(self, moving: Any, still: Any, labels: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(moving)
            loss = cross_entropy(self.call({**still, **moving}), labels)
        found = {}
        for name, gradient in tape.gradient(loss, moving).items():
            if gradient is not None:
                flat = tf.reshape(gradient, [self._size, -1])
                found[name] = (
                    tf.reduce_all(flat == 0, axis=1),
                    ~tf.reduce_all(tf.math.is_finite(flat), axis=1),
                )
        return found

    def _cut(self, count: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        for start in range(0, count, self._size):
            rows = np.arange(start, min(start + self._size, count))
            padding = np.repeat(rows[-1:], self._size - len(rows))
            yield np.concatenate([rows, padding]), len(rows)

    def _inputs(self, features: Arrays, rows: NDArray[np.int64]) -> dict[str, tf.Tensor]:
        return {
            name: tf.constant(features[name][rows], spec.dtype)
            for name, spec in self._model.inputs.items()
        }

    def _labels(self, examples: Examples, rows: NDArray[np.int64]) -> tf.Tensor:
        return tf.constant(examples.labels[rows], tf.int64)

    def _split(self, inputs: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        moving = {name: inputs[name] for name in self._threat.scale}
        return moving, {name: value for name, value in inputs.items() if name not in moving}


def content_seeds(columns: list[NDArray[Any]]) -> NDArray[np.uint32]:
    """Returns two numbers for each row, `[rows, 2]`, that its content decides about.

    Example:
        >>> a, b, c = content_seeds([np.array([[1.0], [2.0], [1.0]])]).tolist()
        >>> a == c, a == b
        (True, False)
    """
    rows = [_bytes_of_rows(column) for column in columns]
    digests = b"".join(
        hashlib.blake2b(b"".join(parts), digest_size=8).digest()
        for parts in zip(*rows, strict=True)
    )
    return np.frombuffer(digests, "<u4").reshape(-1, 2).astype(np.uint32)


def widen(logits: NDArray[Any]) -> NDArray[Any]:
    """Returns logits as float64 if they have it, else as float32, which NumPy computes with."""
    return logits.astype(np.float64 if logits.dtype == np.float64 else np.float32, copy=False)


def _bytes_of_rows(column: NDArray[Any]) -> Iterator[bytes]:
    """Yields what each row holds; different rows differ, whatever rows are beside them."""
    if column.dtype.kind not in "OSU":
        yield from (row.tobytes() for row in column)
        return
    for row in column.reshape(len(column), math.prod(column.shape[1:])):
        texts = [text.encode() if isinstance(text, str) else bytes(text) for text in row]
        # An array pads texts to the longest, and of objects it holds but the places in memory.
        yield b"".join(len(text).to_bytes(8, "little") + text for text in texts)


def is_right(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns which rows are classified as labelled; logits that are not finite are never right."""
    return np.isfinite(logits).all(axis=1) & (logits.argmax(axis=1) == labels)


def _column(parts: list[dict[str, Any]], name: str, index: int, count: int) -> NDArray[np.bool_]:
    if name not in parts[0]:
        return np.zeros(count, bool)
    return np.concatenate([part[name][index] for part in parts])
