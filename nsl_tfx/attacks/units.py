"""Coordinates in which a ball that reaches farther along some elements reaches the same in all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from nsl_tfx.lib.casting import to_dtype
from nsl_tfx.lib.perturbation import Region, Structure, per_feature

# How far beyond a bound coordinates may lie, as a factor: some units in float32's last place.
_BEYOND = 1 + 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """Coordinates around an input in which a ball of its own radius by element is an even one.

    Attributes:
        x: The input, which is 0 there.
        scale: The size of their unit, name to what broadcasts to the feature.
        box: Holds the bounds of a valid feature in its own units.
        low: Lower bounds in these coordinates, by name where there are any.
        high: Upper bounds, likewise.
        mask: 0 for what never changes, by name where there is any.
    """

    x: Structure
    scale: Structure
    box: Region
    low: Structure
    high: Structure
    mask: Structure

    @classmethod
    def around(cls, x: Structure, scale: Any, region: Region) -> Units:
        """Returns the coordinates around an input.

        Args:
            x: The input, name to `[batch, ...]`.
            scale: Their unit, a number or what broadcasts to a feature, or a dict of them by name.
            region: The box, and what never changes.
        """
        given = per_feature(scale, x)
        size = {name: to_dtype(given.get(name, 1.0), value.dtype) for name, value in x.items()}

        def bound(setting: Any) -> Structure:
            # Rounding may not keep a point off its bound; `point` takes off what is too much.
            return {
                name: _BEYOND
                * tf.math.divide_no_nan(to_dtype(value, x[name].dtype) - x[name], size[name])
                for name, value in per_feature(setting, x).items()
            }

        mask = per_feature(region.mask, x)
        return cls(
            x=x,
            scale=size,
            box=region,
            low=bound(region.low),
            high=bound(region.high),
            # A pass over the input in each step: only where there is something to it.
            mask={
                name: to_dtype(mask.get(name, 1.0), unit.dtype) * tf.cast(unit > 0, unit.dtype)
                for name, unit in size.items()
                if name in mask or _may_be_zero(unit)
            },
        )

    def point(self, moved: Structure) -> Structure:
        """Returns the point of the input's own space, inside the box; its gradient is the scale."""
        there = {name: value + moved[name] * self.scale[name] for name, value in self.x.items()}
        inside = self.box.clip(there)
        return {
            name: value + tf.stop_gradient(inside[name] - value) for name, value in there.items()
        }


def _may_be_zero(scale: tf.Tensor) -> bool:
    """Whether an element is 0, as far as that is known before it runs.

    Where it is not, the gradient by these coordinates is 0 there all the same.
    """
    known = tf.get_static_value(scale)
    return known is not None and not bool(np.all(known > 0))
