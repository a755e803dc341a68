"""Where an attack may go, and the steps that make the most of it in the L1 norm."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import NormType
from nsl_tfx.lib.casting import join_features, split_features
from nsl_tfx.lib.norms import example_norm
from nsl_tfx.lib.perturbation import Region, Step, Structure, length_for


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Reach(Region):
    """A region whose L1 steps and L1 projection know of the box.

    The steepest step of the L1 ball moves one element alone, even one at its bound, so that nothing
    moves. And a projection to the ball alone is undone where the box cuts it (Croce and Hein 2021,
    "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers").

    A step in the L1 norm goes instead towards the point of ball and box that is the highest on a
    linear loss, as Frank and Wolfe 1956, "An algorithm for quadratic programming", do. So it needs
    no projection, and on a linear loss steps of any length end at the optimum.
    """

    def place(self, x: Structure, delta: Structure) -> Structure:
        """Returns the sum, moved into ball and box: in the L1 norm to the nearest point of both."""
        if not self._is_l1:
            return super().place(x, delta)
        low, high = self._room(x)
        moved = project_into_both(join_features(delta), low, high, self.radius)
        return self._add(x, moved)

    def step(self, x: Structure, current: Structure, gradient: Structure, size: Any) -> Structure:
        """Returns the point one step of length `size` further up, in the ball around `x`."""
        if not self._is_l1 or not gradient:
            return super().step(x, current, gradient, size)
        return {**current, **self.stepping(x)(current, gradient, size)}

    def stepping(self, x: Structure) -> Step:
        """Returns what takes one step further up, in the ball around `x`."""
        if not self._is_l1:
            return super().stepping(x)

        def step(current: Structure, gradient: Structure, size: Any) -> Structure:
            end, rises = self._highest({name: x[name] for name in gradient}, gradient)
            way = {name: value - current[name] for name, value in end.items()}
            length = example_norm(way, NormType.L1)
            share = tf.minimum(tf.math.divide_no_nan(length_for(size, length), length), 1)
            # A flat loss is no reason to go back to the middle.
            share = tf.where(rises, share, tf.zeros_like(share))
            return self.clip({k: current[k] + length_for(share, v) * v for k, v in way.items()})

        return step

    @property
    def _is_l1(self) -> bool:
        return self.norm is NormType.L1 and not math.isinf(self.radius)

    def _highest(self, x: Structure, gradient: Structure) -> tuple[Structure, tf.Tensor]:
        """Returns the point highest on a linear loss, and whether that is higher than `x`."""
        weights = join_features(self.usable(gradient))
        low, high = self._room(x)
        moved = fill_greedily(weights, low, high, self.radius)
        return self._add(x, moved), tf.reduce_any(weights != 0, axis=1)

    def _room(self, x: Structure) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns how far each element may move down and up, `[batch, elements]`."""
        unbounded = {
            name: tf.fill(tf.shape(v), tf.cast(math.inf, v.dtype)) for name, v in x.items()
        }
        rows = join_features(x)
        low = join_features(self.clip({name: -value for name, value in unbounded.items()}))
        high = join_features(self.clip(unbounded))
        return tf.maximum(rows - low, 0), tf.maximum(high - rows, 0)

    def _add(self, x: Structure, delta: tf.Tensor) -> Structure:
        moved = split_features(delta, x)
        return self.clip({name: value + moved[name] for name, value in x.items()})


def fill_greedily(weights: tf.Tensor, down: tf.Tensor, up: tf.Tensor, radius: float) -> tf.Tensor:
    """Finds the change of the highest inner product with the weights in an L1 ball and a box.

    That of a knapsack whose contents can be divided: the element of the largest weight moves as far
    as it may, then the next, until the radius is used up.

    Args:
        weights: `[batch, elements]`.
        down: How far each element may decrease, at least 0; may be infinite.
        up: How far it may increase.
        radius: Of the ball.

    Example:
        >>> down, up = tf.constant([[1.0, 1.0, 1.0]]), tf.constant([[0.25, 1.0, 1.0]])
        >>> fill_greedily(tf.constant([[3.0, -2.0, 1.0]]), down, up, 0.75).numpy().tolist()
        [[0.25, -0.5, 0.0]]
    """
    room = tf.where(weights > 0, up, tf.where(weights < 0, down, tf.zeros_like(down)))
    room = tf.minimum(room, tf.cast(radius, room.dtype))
    order = tf.argsort(tf.abs(weights), axis=1, direction="DESCENDING")
    # Sums of thousands of small numbers leave the ball visibly in float32.
    wide = tf.cast(tf.gather(room, order, batch_dims=1), tf.float64)
    left = tf.maximum(radius - tf.cumsum(wide, axis=1, exclusive=True), 0)
    moved = tf.cast(tf.minimum(wide, left), weights.dtype)
    return tf.sign(weights) * tf.gather(moved, tf.argsort(order, axis=1), batch_dims=1)


def project_into_both(delta: tf.Tensor, down: tf.Tensor, up: tf.Tensor, radius: float) -> tf.Tensor:
    """Finds the nearest point of an L1 ball and a box around 0.

    That is `min(max(|delta| - t, 0), room)` with the signs of `delta`, where the threshold `t` is
    the lowest that keeps to the ball (Croce and Hein 2021, proposition 2.1). The norm falls with
    `t` along straight lines between the places where an element leaves its bound or becomes 0.

    Args:
        delta: `[batch, elements]`.
        down: How far each element may decrease, at least 0; may be infinite.
        up: How far it may increase.
        radius: Of the ball.

    Example:
        >>> down, up = tf.constant([[1.0, 1.0, 1.0]]), tf.constant([[0.5, 2.0, 2.0]])
        >>> project_into_both(tf.constant([[3.0, -1.0, 0.5]]), down, up, 1.0).numpy().tolist()
        [[0.5, -0.5, 0.0]]
    """
    size = tf.cast(tf.abs(delta), tf.float64)
    room = tf.cast(tf.where(delta > 0, up, down), tf.float64)
    leaves = tf.maximum(size - room, 0)
    places = tf.concat([leaves, size], axis=1)
    steeper = tf.concat([tf.ones_like(size), -tf.ones_like(size)], axis=1)
    order = tf.argsort(places, axis=1)
    places = tf.gather(places, order, batch_dims=1)
    # How many elements shrink beyond each place, and so the norm at each.
    slope = tf.cumsum(tf.gather(steeper, order, batch_dims=1), axis=1)
    fall = slope[:, :-1] * (places[:, 1:] - places[:, :-1])
    total = tf.reduce_sum(tf.minimum(size, room), axis=1, keepdims=True)
    norm = total - tf.pad(tf.cumsum(fall, axis=1), [[0, 0], [1, 0]])
    last = tf.reduce_sum(tf.cast(norm > radius, tf.int32), axis=1, keepdims=True) - 1
    at = tf.maximum(last, 0)
    excess = tf.gather(norm, at, batch_dims=1) - radius
    threshold = tf.gather(places, at, batch_dims=1) + tf.math.divide_no_nan(
        excess, tf.gather(slope, at, batch_dims=1)
    )
    threshold = tf.where(last < 0, tf.zeros_like(threshold), threshold)
    shrunk = tf.minimum(tf.maximum(size - threshold, 0), room)
    return tf.sign(delta) * tf.cast(shrunk, delta.dtype)
