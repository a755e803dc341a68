"""Greedy substitution: the few values of an example whose replacement does the most harm."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nsl_tfx.attacks.attack import Best, Loss, value_and_fooled
from nsl_tfx.configs.base import Config, bounded
from nsl_tfx.lib.perturbation import Structure

Candidates = Mapping[str, Any]
"""What may be put in the place of a feature's values, by feature name.

For a feature `[batch, *shape]` an array `[candidates]` holds for each of its values, an array
`[candidates, *shape]` for each its own, and `[batch, candidates, *shape]` for each example too.
"""

_NONE = -1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GreedySubstitution(Config):
    """Replaces at most so many values of an example by candidates, of any dtype.

    The ball is that of the L0 norm. Each round tries every candidate in the place of every value
    and keeps the one of the highest loss; of equal ones the first. An example stops at the first
    substitution that fools, and where none raises the loss. Yang et al. 2020, "Greedy attack and
    Gumbel attack: generating adversarial examples for discrete data", choose the values first, by
    what masking them does, and then their replacements: fewer calls of the loss, but what is
    harmful only in another's place is passed over.

    One round is as exact as trying all; more rounds are where the values' effects add up.

    Attributes:
        changes: Rounds, and so the most values of an example that change, over all its features.

    Example:
        >>> x = {"age": tf.constant([30.0]), "city": tf.constant(["Rome"])}
        >>> def loss(x):
        ...     return x["age"] + 20 * tf.cast(x["city"] == "Oslo", tf.float32)
        >>> attack = GreedySubstitution(changes=1)
        >>> found = attack(loss, x, {"age": [20.0, 45.0], "city": ["Oslo", "Bern"]})
        >>> found["age"].numpy().tolist(), found["city"].numpy().tolist()
        ([30.0], [b'Oslo'])
    """

    changes: int = bounded(1, ge=1, unit="changed values")

    def __call__(self, loss: Loss, x: Structure, candidates: Candidates) -> Structure:
        """Returns the input, with values replaced so that the loss is higher.

        Args:
            loss: The loss to raise. Where it also says which examples are fooled, an example stops
                at the first substitution that fools. It is traced twice, however many tries there
                are.
            x: Name to `[batch, ...]`, dense. All axes but the first have a known size.
            candidates: What may be put there. Features without an entry stay as they are.

        Raises:
            ValueError: There are no candidates, or those of a feature are of another shape.
        """
        return self.find(loss, x, candidates).x

    def find(self, loss: Loss, x: Structure, candidates: Candidates) -> Best:
        """Returns the same input with the loss there, and which examples were fooled."""
        choices = _all_choices(x, candidates)
        start = Best.at(loss, x)

        def play_round(i: tf.Tensor, *state: Any) -> tuple[Any, ...]:
            best, moving = Best(*state[:3]), state[3]
            value, fooled, trial = _try_all(loss, best, moving, choices)
            moved = {**best.x, **{one.name: one.substitute(best.x, trial) for one in choices}}
            return i + 1, moved, value, fooled, (trial != _NONE) & ~fooled

        _, *found, _ = tf.while_loop(
            lambda _i, _x, _value, _fooled, moving: tf.reduce_any(moving),
            play_round,
            (tf.constant(0), dict(x), start.loss, start.fooled, ~start.fooled),
            maximum_iterations=self.changes,
        )
        return Best(*found)


@dataclasses.dataclass(frozen=True)
class _Choices:
    """What may be put in the place of one feature's values.

    Attributes:
        name: The feature.
        values: `[1 or batch, candidates, elements]`.
        first: The number of its first trial. Trials are numbered feature by feature, in each
            element by element, and for each candidate by candidate.
    """

    name: str
    values: tf.Tensor
    first: int

    @property
    def candidates(self) -> int:
        return int(self.values.shape[1])

    @property
    def elements(self) -> int:
        return int(self.values.shape[2])

    @property
    def trials(self) -> int:
        return self.candidates * self.elements

    def substitute(self, x: Structure, trial: tf.Tensor) -> tf.Tensor:
        """Returns the feature after one trial for each row, `[batch]`; not all are of it."""
        before = x[self.name]
        rows = tf.shape(before)[0]
        flat = tf.reshape(before, [rows, self.elements])
        number = trial - self.first
        mine = (number >= 0) & (number < self.trials)
        number = tf.where(mine, number, 0)
        element, candidate = number // self.candidates, number % self.candidates
        row = tf.zeros_like(number) if self.values.shape[0] == 1 else tf.range(rows)
        value = tf.gather_nd(self.values, tf.stack([row, candidate, element], axis=1))
        place = tf.where(mine, element, _NONE)[:, tf.newaxis] == tf.range(self.elements)
        after = tf.where(place, value[:, tf.newaxis], flat)
        return tf.ensure_shape(tf.reshape(after, tf.shape(before)), before.shape)


def _try_all(
    loss: Loss, best: Best, moving: tf.Tensor, choices: list[_Choices]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the best trial of each row that moves, or -1, the loss there and whether it fools."""
    last = choices[-1].first + choices[-1].trials
    owner = tf.constant(np.repeat(np.arange(len(choices)), [one.trials for one in choices]))
    rows = tf.shape(best.loss)

    def attempt(one: _Choices, trial: tf.Tensor) -> Callable[[], Structure]:
        return lambda: {**best.x, one.name: one.substitute(best.x, tf.fill(rows, trial))}

    def step(t: tf.Tensor, value: tf.Tensor, fooled: tf.Tensor, found: tf.Tensor) -> Any:
        # A switch, so that the model is traced once and not for each feature.
        tried = tf.switch_case(tf.cast(owner[t], tf.int32), [attempt(one, t) for one in choices])
        new_value, new_fooled = value_and_fooled(loss, tried)
        better = moving & ~fooled & (new_fooled | (new_value > value))
        return (
            t + 1,
            tf.where(better, new_value, value),
            fooled | (better & new_fooled),
            tf.where(better, t, found),
        )

    # A loop of the graph: hundreds of trials written out would take minutes to trace.
    _, *result = tf.while_loop(
        lambda _t, _value, fooled, _found: tf.reduce_any(moving & ~fooled),
        step,
        (tf.constant(0), best.loss, best.fooled, tf.zeros_like(best.loss, tf.int32) + _NONE),
        maximum_iterations=last,
    )
    value, fooled, trial = result
    return value, fooled, trial


def _all_choices(x: Structure, candidates: Candidates) -> list[_Choices]:
    unknown = sorted(set(candidates) - set(x))
    if unknown or not candidates:
        raise ValueError(
            f"Expected candidates for features among {', '.join(map(str, x))}. Received: "
            f"{', '.join(unknown) or 'none'}."
        )
    choices: list[_Choices] = []
    for name, given in candidates.items():
        first = choices[-1].first + choices[-1].trials if choices else 0
        choices.append(_Choices(name, _by_element(name, x[name], given), first))
    return choices


def _by_element(name: str, x: tf.Tensor, given: Any) -> tf.Tensor:
    """Returns candidates as `[1 or batch, candidates, elements]`."""
    values = tf.convert_to_tensor(given, x.dtype)
    shape = x.shape[1:]
    elements = shape.num_elements()
    if elements is not None and values.shape.rank == 1 and values.shape[0]:
        return tf.tile(values[tf.newaxis, :, tf.newaxis], [1, 1, elements])
    own_axes = values.shape[-shape.rank :] if shape.rank else tf.TensorShape([])
    leading = values.shape[: values.shape.rank - shape.rank]
    if elements is None or own_axes != shape or leading.rank not in (1, 2) or not leading[-1]:
        raise ValueError(
            f"Expected candidates for {name!r} of shape {_forms(shape)}, with one candidate or "
            f"more. Received: {values.shape} for a feature {x.shape}."
        )
    rows = tf.shape(values)[0] if leading.rank == 2 else 1
    return tf.ensure_shape(
        tf.reshape(values, [rows, leading[-1], elements]),
        [leading[0] if leading.rank == 2 else 1, leading[-1], elements],
    )


def _forms(shape: tf.TensorShape) -> str:
    own = "".join(f", {size}" for size in shape)
    forms = ["[candidates]", f"[candidates{own}]", f"[batch, candidates{own}]"]
    return ", ".join(dict.fromkeys(forms))
