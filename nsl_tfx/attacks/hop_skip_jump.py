"""HopSkipJump: walks along the boundary between decisions, which are all that it sees."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import (
    Attack,
    Best,
    Loss,
    improve_repeatedly,
    some_stand,
    value_and_decision,
    where_example,
)
from nsl_tfx.configs import NormType
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import draws, norms
from nsl_tfx.lib.casting import expand_like
from nsl_tfx.lib.perturbation import Structure

# Random starts of one walk: each may lie twice as far away as the one before, so that the last fill
# any box.
_STARTS = 20


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HopSkipJump(Attack):
    """Chen et al. 2020, "HopSkipJumpAttack: a query-efficient decision-based attack", algorithm 2.

    Sees of the loss only which examples are fooled. A random point that fools is drawn to the
    boundary; random probes around it tell by their decisions which way leads deeper into what
    fools; after a step that way the boundary is nearer. An example is done when a point within
    epsilon fools; where none does, it stays as it is.

    Where a walk ends depends on the class that it starts in, so two find more than one of twice the
    length. For the infinity norm `RayS` finds more.

    Attributes:
        walks: Walks, each from random points of its own.
        steps: Steps along the boundary in each walk.
        probes: Random probes at a walk's first step; at step `t` they are `sqrt(t)` times as many.
        halvings: How often an interval is halved to find the boundary, and a step to stay where it
            fools. Probes lie farther away the fewer these are.

    Raises:
        ValueError: The norm is L1.
        TypeError: The loss does not say which examples are fooled.

    Example:
        >>> def loss(x):
        ...     total = tf.reduce_sum(x["a"], axis=1)
        ...     return total, total > 0.35
        >>> attack = HopSkipJump(epsilon=0.2, norm="l2", walks=1, steps=5)
        >>> found = attack(loss, {"a": tf.zeros([1, 4])})
        >>> bool(tf.reduce_sum(found["a"]) > 0.35)
        True
    """

    walks: int = bounded(2, ge=1, unit="walks")
    steps: int = bounded(14, ge=1, unit="steps")
    probes: int = bounded(40, ge=1, unit="random probes")
    halvings: int = bounded(10, ge=1, unit="halvings")

    def check(self) -> None:
        """Raises ValueError where the norm is L1."""
        super().check()
        if self.norm is NormType.L1:
            raise ValueError(
                "Expected HopSkipJump.norm to be 'l2' or 'infinity', for which the paper has "
                f"projections to the boundary. Received: {self.norm.value!r}."
            )

    @property
    def queries(self) -> int:
        """At the input, at starts and probes, and wherever something is halved; see `Attack`."""
        searches = (1 + 2 * self.steps) * self.halvings
        return 1 + self.walks * (_STARTS + searches + sum(self._probes()))

    def _probes(self) -> list[int]:
        return [int(self.probes * math.sqrt(step)) for step in range(1, self.steps + 1)]

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the first point found in the ball that fools; see `Attack`."""
        boundary = _Boundary(self, loss, x)
        probes = tf.constant(self._probes())

        def walk(number: tf.Tensor, best: Best) -> Best:
            key = draws.fold_in(seed, number)
            far = boundary.start(draws.fold_in(key, self.steps))
            delta, best = boundary.reach(far, best)

            def step(i: tf.Tensor, delta: Structure, *so_far: Any) -> tuple[Any, ...]:
                up = boundary.direction(delta, probes[i], draws.fold_in(key, i))
                moved = boundary.step(delta, up, i + 1)
                nearer, best = boundary.reach(moved, Best(*so_far))
                return i + 1, nearer, best.x, best.loss, best.fooled

            _, _, *so_far = tf.while_loop(
                some_stand,
                step,
                (tf.constant(0), delta, best.x, best.loss, best.fooled),
                maximum_iterations=self.steps,
            )
            return Best(*so_far)

        return improve_repeatedly(self.walks, Best(x, *value_and_decision(loss, x)), walk)


@dataclasses.dataclass(frozen=True, eq=False)
class _Boundary:
    """The boundary around an input, as far as questions show it.

    A perturbation of 0 means that none is known that fools.
    """

    attack: HopSkipJump
    loss: Loss
    x: Structure

    def ask(self, delta: Structure) -> tuple[Structure, tf.Tensor, tf.Tensor]:
        """Returns the point in the box, the loss there, and whether it fools."""
        point = self.attack.region.clip({name: self.x[name] + delta[name] for name in self.x})
        return point, *value_and_decision(self.loss, point)

    def ask_inside(self, delta: Structure) -> tuple[Structure, tf.Tensor]:
        """Returns the perturbation that the box leaves, and whether it fools."""
        point, _, fooled = self.ask(delta)
        return {name: point[name] - self.x[name] for name in self.x}, fooled

    def start(self, seed: tf.Tensor) -> Structure:
        """Returns random perturbations that fool."""
        region = self.attack.region

        def draw(i: tf.Tensor, delta: Structure, fools: tf.Tensor) -> tuple[Any, ...]:
            radius = self.attack.epsilon * 2.0 ** tf.cast(i, tf.float32)
            drawn = norms.random_in_norm_ball(self.x, radius, region.norm, draws.fold_in(seed, i))
            moved, fooled = self.ask_inside(region.apply_mask(drawn))
            return i + 1, _where(fooled & ~fools, moved, delta), fools | fooled

        none = tf.zeros_like(self.size(self.x), tf.bool)
        _, delta, _ = tf.while_loop(
            lambda *_: True,
            draw,
            (tf.constant(0), _zeros(self.x), none),
            maximum_iterations=_STARTS,
        )
        return delta

    def reach(self, delta: Structure, best: Best) -> tuple[Structure, Best]:
        """Moves perturbations that fool towards the input as far as they still do.

        A point found within epsilon goes to the best.
        """
        epsilon, size = self.attack.epsilon, self.size(delta)
        fools = size > self.size(_zeros(delta))

        def halve(i: tf.Tensor, low: tf.Tensor, high: tf.Tensor, *so_far: Any) -> tuple[Any, ...]:
            # Nearer than epsilon nothing needs to be found.
            middle = tf.minimum(tf.maximum((low + high) / 2, epsilon), high)
            point, value, fooled = self.ask(self.shorten(delta, middle))
            inside = fooled & fools & (middle <= epsilon)
            best = Best(*so_far).update_where_fooled(point, value, inside)
            low, high = tf.where(fooled, low, middle), tf.where(fooled, middle, high)
            return i + 1, low, high, best.x, best.loss, best.fooled

        _, _, nearest, *so_far = tf.while_loop(
            some_stand,
            halve,
            (tf.constant(0), tf.zeros_like(size), size, best.x, best.loss, best.fooled),
            maximum_iterations=self.attack.halvings,
        )
        return self.shorten(delta, nearest), Best(*so_far)

    def shorten(self, delta: Structure, size: tf.Tensor) -> Structure:
        """Returns the nearest perturbations of a size `[batch]`, as the paper's projection."""
        if self.attack.norm is NormType.INFINITY:
            sizes = {name: expand_like(tf.cast(size, v.dtype), v) for name, v in delta.items()}
            return {
                name: tf.clip_by_value(v, -sizes[name], sizes[name]) for name, v in delta.items()
            }
        return _times(tf.minimum(tf.math.divide_no_nan(size, self.size(delta)), 1), delta)

    def direction(self, delta: Structure, count: tf.Tensor, seed: tf.Tensor) -> Structure:
        """Returns the step of norm 1 that leads into what fools (equation 16 of the paper)."""
        region = self.attack.region
        elements = tf.add_n([tf.reduce_prod(tf.shape(v)[1:]) for v in delta.values()])
        size = self.size(delta)
        # Far enough to be told from how exactly the boundary is known: an element moves by as much
        # in the infinity norm, the whole by the root of the elements' number in L2.
        reach = size * tf.sqrt(tf.cast(elements, size.dtype)) * 2.0**-self.attack.halvings

        def probe(
            i: tf.Tensor, hits: tf.Tensor, fooling: Structure, every: Structure
        ) -> tuple[Any, ...]:
            drawn = region.apply_mask(norms.random_normal(delta, draws.fold_in(seed, i)))
            length = norms.example_norm(drawn, NormType.L2)
            probed = _plus(delta, _times(tf.math.divide_no_nan(reach, length), drawn))
            moved, fooled = self.ask_inside(probed)
            # The box may have shortened it.
            moved = {name: moved[name] - delta[name] for name in delta}
            hit = tf.cast(fooled, size.dtype)
            return i + 1, hits + hit, _plus(fooling, _times(hit, moved)), _plus(every, moved)

        _, hits, fooling, every = tf.while_loop(
            lambda i, *_: i < count,
            probe,
            (tf.constant(0), tf.zeros_like(size), _zeros(delta), _zeros(delta)),
        )
        share = hits / tf.cast(count, size.dtype)
        # Where all decide alike, they speak for or against their mean.
        weight = tf.where(share == 0, 1.0, tf.where(share == 1, 0.0, share))
        return region.direction(_plus(fooling, _times(-tf.cast(weight, size.dtype), every)))

    def step(self, delta: Structure, up: Structure, number: tf.Tensor) -> Structure:
        """Returns perturbations one step on, halved until it fools; where it never does, as is."""
        size = self.size(delta)
        length = size / tf.sqrt(tf.cast(number, size.dtype))

        def halve(
            i: tf.Tensor, length: tf.Tensor, best: Structure, done: tf.Tensor
        ) -> tuple[Any, ...]:
            moved, fooled = self.ask_inside(_plus(delta, _times(length, up)))
            return i + 1, length / 2, _where(fooled & ~done, moved, best), done | fooled

        _, _, moved, _ = tf.while_loop(
            lambda *_: True,
            halve,
            (tf.constant(0), length, delta, tf.zeros_like(size, tf.bool)),
            maximum_iterations=self.attack.halvings,
        )
        return moved

    def size(self, delta: Structure) -> tf.Tensor:
        return norms.example_norm(delta, self.attack.norm)


def _zeros(x: Structure) -> Structure:
    return {name: tf.zeros_like(value) for name, value in x.items()}


def _plus(x: Structure, y: Structure) -> Structure:
    return {name: x[name] + y[name] for name in x}


def _times(factor: tf.Tensor, x: Structure) -> Structure:
    """Returns rows of `x` times a factor `[batch]`."""
    return {name: expand_like(tf.cast(factor, v.dtype), v) * v for name, v in x.items()}


def _where(condition: tf.Tensor, x: Structure, y: Structure) -> Structure:
    return {name: where_example(condition, x[name], y[name]) for name in x}
