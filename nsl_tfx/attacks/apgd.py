"""Auto-PGD: projected gradient descent that chooses the length of its steps by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from nsl_tfx.attacks.attack import Best, Loss, some_stand, value_and_gradient, where_example
from nsl_tfx.attacks.restarts import RestartedAttack
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib.casting import wide_dtype
from nsl_tfx.lib.perturbation import Step, Structure

# The first checkpoint, by how much each next interval is shorter, and the shortest, as shares of
# all steps (section 3.2 of the paper).
_FIRST_INTERVAL = 0.22
_SHORTENED_BY = 0.03
_SHORTEST = 0.06
# How much of a step is new; the rest is the step before.
_NEW = 0.75

Projection = Callable[[Structure], Structure]
"""Moves points into the ball and the box; see `Region.projection`."""


def intervals_between_checkpoints(steps: int) -> list[int]:
    """Returns for each step the length of the interval that ends with it; 0 where none does.

    Example:
        >>> found = intervals_between_checkpoints(100)
        >>> [(step + 1, length) for step, length in enumerate(found) if length][:4]
        [(22, 22), (41, 19), (57, 16), (70, 13)]
    """
    found = [0] * steps
    length = max(int(_FIRST_INTERVAL * steps), 1)
    end = length
    while end <= steps:
        found[end - 1] = length
        length = max(length - max(int(_SHORTENED_BY * steps), 1), max(int(_SHORTEST * steps), 1))
        end += length
    return found


class _State(NamedTuple):
    """Where each example is, and what decides about the length of its next steps.

    Attributes:
        current: The point, name to `[batch, ...]`.
        previous: The one before.
        gradient: The loss's at `current`.
        value: The loss at the point reached last, `[batch]`.
        top: The point of highest loss of this start.
        top_value: The loss there.
        top_gradient: Its gradient there.
        size: Length of a step, `[batch]`.
        rises: How often the loss has risen since the last checkpoint, `[batch]`.
        checked_value: `top_value` at the last checkpoint.
        was_halved: Whether steps became shorter there, `[batch]`.
    """

    current: Structure
    previous: Structure
    gradient: Structure
    value: tf.Tensor
    top: Structure
    top_value: tf.Tensor
    top_gradient: Structure
    size: tf.Tensor
    rises: tf.Tensor
    checked_value: tf.Tensor
    was_halved: tf.Tensor

    def arrive(self, moved: Structure, value: tf.Tensor, gradient: Structure) -> _State:
        """Returns the state at the next point."""
        higher = value > self.top_value
        return self._replace(
            current=moved,
            previous=self.current,
            gradient=gradient,
            value=value,
            top=_where(higher, moved, self.top),
            top_value=tf.where(higher, value, self.top_value),
            top_gradient=_where(higher, gradient, self.top_gradient),
            rises=self.rises + tf.cast(value > self.value, self.rises.dtype),
        )

    def check(self, interval: tf.Tensor, rise: float) -> _State:
        """Returns the state after a checkpoint, if there is one: some go back, and on more slowly.

        Args:
            interval: Steps since the last one; 0 for no checkpoint.
            rise: Share of them that has to raise the loss.
        """
        # Few steps end with a checkpoint, and in the others no row has to be copied.
        return tf.cond(interval > 0, lambda: self._slow_down(interval, rise), lambda: self)

    def _slow_down(self, interval: tf.Tensor, rise: float) -> _State:
        few = self.rises <= rise * tf.cast(interval, self.rises.dtype)
        stuck = ~self.was_halved & (self.top_value <= self.checked_value)
        halve = few | stuck
        return self._replace(
            current=_where(halve, self.top, self.current),
            gradient=_where(halve, self.top_gradient, self.gradient),
            size=tf.where(halve, self.size / 2, self.size),
            rises=tf.zeros_like(self.rises),
            checked_value=self.top_value,
            was_halved=halve,
        )


def _where(condition: tf.Tensor, x: Structure, y: Structure) -> Structure:
    return {name: where_example(condition, x[name], y[name]) for name in x}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class APGD(RestartedAttack):
    """Croce and Hein 2020, "Reliable evaluation of adversarial robustness", algorithm 1.

    Steps begin with length `2 * epsilon`. At checkpoints, an example whose loss has not risen often
    enough goes back to its best point and on with steps of half the length. What is raised decides
    about the attack: of the paper's, APGD-CE raises the cross-entropy, APGD-DLR the difference of
    logits ratio, and APGD-T its targeted form for one target after the other.

    Attributes:
        steps: Gradient steps of each start.
        rise: Share of an interval's steps that have to raise the loss; the paper's rho.

    Example:
        >>> attack = APGD(epsilon=0.1, steps=10)
        >>> x = {"a": tf.constant([[1.0]])}
        >>> adversarial = attack(lambda x: -((x["a"][:, 0] - 1.03) ** 2), x)
        >>> abs(float(adversarial["a"][0, 0]) - 1.03) < 0.02
        True
    """

    steps: int = bounded(100, ge=1, unit="gradient steps")
    rise: float = bounded(0.75, ge=0, le=1, unit="share of the steps")

    @property
    def queries(self) -> int:
        """At the input, and from each start at every point on the way; see `Attack`."""
        return 1 + (self.restarts + 1) * (self.steps + 1)

    def climb(self, loss: Loss, x: Structure, start: Structure, best: Best) -> Best:
        """Takes the steps from a start; see `RestartedAttack`."""
        value, fooled, gradient = value_and_gradient(loss, start)
        intervals = tf.constant(intervals_between_checkpoints(self.steps))
        # Of the input's dtype: the loss's may be too coarse for a length.
        zero = tf.zeros_like(value, wide_dtype(x.values()))
        move, project = self.region.stepping(x), self.region.projection(x)
        state = _State(
            current=start,
            previous=start,
            gradient=gradient,
            value=value,
            top=start,
            top_value=value,
            top_gradient=gradient,
            size=zero + 2 * self.epsilon,
            rises=zero,
            checked_value=value,
            was_halved=tf.ones_like(fooled),
        )

        def step(i: tf.Tensor, state: _State, *so_far: Any) -> tuple[Any, ...]:
            moved = _advance(move, project, state, tf.where(i == 0, 1.0, _NEW))
            value, fooled, gradient = value_and_gradient(loss, moved)
            better = Best(*so_far).update(moved, value, fooled)
            after = state.arrive(moved, value, gradient).check(intervals[i], self.rise)
            return i + 1, after, better.x, better.loss, better.fooled

        better = best.update(start, value, fooled)
        _, _, *so_far = tf.while_loop(
            some_stand,
            step,
            (tf.constant(0), state, better.x, better.loss, better.fooled),
            maximum_iterations=self.steps,
        )
        return Best(*so_far)


def _advance(move: Step, project: Projection, state: _State, new: tf.Tensor) -> Structure:
    """Returns the next point: partly a step up, partly the step before once more."""
    current, previous = state.current, state.previous
    stepped = move(current, state.gradient, state.size)

    def combine(now: tf.Tensor, up: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
        share = tf.cast(new, now.dtype)
        return now + share * (up - now) + (1 - share) * (now - before)

    return project(
        {name: combine(current[name], stepped[name], previous[name]) for name in current}
    )
