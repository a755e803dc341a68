"""Where a perturbed input may lie, and the steepest step there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import AdvNeighborConfig, NormType
from nsl_tfx.lib import norms
from nsl_tfx.lib.casting import expand_like, to_dtype, wide_dtype

Structure = dict[Any, tf.Tensor]
"""Float features `[batch, ...]` by name."""

Step = Callable[[Structure, Structure, Any], Structure]
"""From a point, the gradient there and a length, a number or `[batch]`, to the next point."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """The ball around an input, cut by the box of valid features.

    Attributes:
        radius: Radius of the ball, in units of the input feature; infinite for no ball.
        norm: The ball's norm, over all features of an example together.
        low: Lower bound of a feature; numbers that broadcast to it, or a dict of them by feature
            name. Features without an entry are unbounded.
        high: Upper bound, likewise.
        mask: Multiplied with gradients and noise; 0 marks what never changes. In the same forms.
    """

    radius: Any = math.inf
    norm: NormType = NormType.INFINITY
    low: Any = None
    high: Any = None
    mask: Any = None

    @classmethod
    def of(cls, config: AdvNeighborConfig, named: Callable[[Any], Any] = lambda x: x) -> Region:
        """Returns the region that a config describes.

        Args:
            config: Ball, bounds and mask.
            named: From a setting to the same by feature name: `Features.named` of the input.
        """
        return cls(
            radius=math.inf if config.pgd_epsilon is None else config.pgd_epsilon,
            norm=config.adv_grad_norm,
            low=named(config.clip_value_min),
            high=named(config.clip_value_max),
            mask=named(config.feature_mask),
        )

    @property
    def _has_no_ball(self) -> bool:
        return isinstance(self.radius, float) and math.isinf(self.radius)

    def place(self, x: Structure, delta: Structure) -> Structure:
        """Returns `x + delta`, with `delta` moved into the ball and the sum into the box.

        Where `x` lies in the box, the result lies in the ball too: the box only shortens `delta`.
        """
        if not self._has_no_ball:
            delta = norms.project_to_ball(delta, self.radius, self.norm)
        return self.clip({name: x[name] + delta[name] for name in x})

    def projection(self, x: Structure) -> Callable[[Structure], Structure]:
        """Returns what moves points into the ball around `x` and into the box.

        For many points around the same `x`: in the infinity norm, ball and box are one interval for
        each element, which is found once. The passes over the input that this saves are much of a
        step's cost where the model is cheap.
        """
        if self._has_no_ball:
            return self.clip
        if self.norm is not NormType.INFINITY:
            return lambda points: self.place(
                {name: x[name] for name in points},
                {name: value - x[name] for name, value in points.items()},
            )
        # Of the box, what is nearest to the ball's ends: so where x lies outside the box, too.
        low, high = (
            self.clip({k: v + sign * to_dtype(self.radius, v.dtype) for k, v in x.items()})
            for sign in (-1, 1)
        )
        return lambda points: {
            name: tf.minimum(tf.maximum(value, low[name]), high[name])
            for name, value in points.items()
        }

    def clip(self, x: Structure) -> Structure:
        """Returns the features inside the box."""
        low, high = per_feature(self.low, x), per_feature(self.high, x)
        return {name: _clip(value, low.get(name), high.get(name)) for name, value in x.items()}

    def apply_mask(self, x: Structure) -> Structure:
        """Returns the features times the mask."""
        mask = per_feature(self.mask, x)
        return {
            name: value * to_dtype(mask[name], value.dtype) if name in mask else value
            for name, value in x.items()
        }

    def usable(self, gradient: Structure) -> Structure:
        """Returns the gradient times the mask, with 0 for what is not finite."""
        finite = {
            # Of equal shapes, twice as fast as tf.where, which could broadcast.
            name: tf.raw_ops.Select(
                condition=tf.math.is_finite(value), x=value, y=tf.zeros_like(value)
            )
            for name, value in gradient.items()
        }
        return self.apply_mask(finite)

    def direction(self, gradient: Structure) -> Structure:
        """Returns the step of norm 1 that raises a linear loss with this gradient the most.

        Non-finite elements count as zero. How small a gradient is does not matter: a model that is
        sure of itself has gradients far below any fixed floor, and they still point somewhere.
        """
        masked = self.usable(gradient)
        # A sign needs no scaling, and these passes over the input are much of a cheap step's cost.
        if self.norm is not NormType.INFINITY:
            masked = scale_to_unit_maximum(masked)
        return dict(norms.maximize_within_unit_norm(masked, self.norm))

    def step(self, x: Structure, current: Structure, gradient: Structure, size: Any) -> Structure:
        """Returns the point one step of length `size` further up, in the ball around `x`.

        Features without a gradient stay where they are, even outside the box.
        """
        if not gradient:
            return current
        delta = {
            name: to_dtype(size, x[name].dtype) * value
            for name, value in self.direction(gradient).items()
        }
        # The first step starts at the middle, where there is nothing to add.
        delta = {
            name: value if current[name] is x[name] else current[name] - x[name] + value
            for name, value in delta.items()
        }
        moved = self.place({name: x[name] for name in gradient}, delta)
        return {**current, **moved}

    def stepping(self, x: Structure) -> Step:
        """Returns what takes one step further up, in the ball around `x`.

        For many steps around the same `x`; see `projection`.
        """
        project = self.projection(x)

        def step(current: Structure, gradient: Structure, size: Any) -> Structure:
            return project(
                {
                    name: current[name] + length_for(size, up) * up
                    for name, up in self.direction(gradient).items()
                }
            )

        return step

    def ascend(
        self,
        x: Structure,
        start: Structure,
        size: Any,
        steps: int,
        gradient_at: Callable[..., tuple[Any, ...]],
        state: tuple[Any, ...] = (),
        go_on: Callable[..., Any] = lambda *_: True,
    ) -> tuple[Any, ...]:
        """Takes steps of length `size` uphill, each in the ball around `x`.

        Args:
            x: The middle of the ball.
            start: The first point.
            size: Length of a step, in units of the input feature.
            steps: Number of steps.
            gradient_at: From a point and the state to the gradient there and the new state.
            state: Tensors that go from step to step.
            go_on: From a point and the state to whether to take the next step.

        Returns:
            The point after the last step, and the state.
        """
        if steps == 0:
            return (start, *state)
        if steps == 1:
            gradient, *after = gradient_at(start, *state)
            return (self.step(x, start, gradient, size), *after)
        move = self.stepping(x)

        def step(current: Structure, *state: Any) -> tuple[Any, ...]:
            gradient, *after = gradient_at(current, *state)
            if not gradient:
                return (current, *after)
            return ({**current, **move(current, gradient, size)}, *after)

        # A loop of the graph: forty steps written out would be traced forty times.
        return tuple(tf.while_loop(go_on, step, (start, *state), maximum_iterations=steps))

    def random_point(self, x: Structure, radius: Any, seed: Any = None) -> Structure:
        """Returns a point of the ball of the given radius around `x`, uniform before the box."""
        noise = norms.random_in_norm_ball(x, radius, self.norm, seed)
        return self.place(x, self.apply_mask(noise))


def scale_to_unit_maximum(x: Structure) -> Structure:
    """Divides each example by its largest magnitude over all features; zeros stay zeros."""
    dtype = wide_dtype(x.values())
    wide = {name: tf.cast(value, dtype) for name, value in x.items()}
    largest = None
    for value in wide.values():
        found = tf.reduce_max(tf.abs(value), axis=tf.range(1, tf.rank(value)))
        largest = found if largest is None else tf.maximum(largest, found)
    return {
        name: tf.cast(tf.math.divide_no_nan(value, expand_like(largest, value)), x[name].dtype)
        for name, value in wide.items()
    }


def length_for(size: Any, like: tf.Tensor) -> tf.Tensor:
    """Returns a length, a number or `[batch]`, so that it multiplies a feature `[batch, ...]`."""
    size = to_dtype(size, like.dtype)
    return expand_like(size, like) if size.shape.rank == 1 else size


def per_feature(setting: Any, x: Structure) -> dict[Any, Any]:
    """Spells out a setting feature by feature: one value is meant for all of them."""
    if setting is None:
        return {}
    if isinstance(setting, Mapping):
        return {name: value for name, value in setting.items() if name in x and value is not None}
    return dict.fromkeys(x, setting)


def _clip(value: tf.Tensor, low: Any, high: Any) -> tf.Tensor:
    if low is not None:
        value = tf.maximum(value, to_dtype(low, value.dtype))
    if high is not None:
        value = tf.minimum(value, to_dtype(high, value.dtype))
    return value
