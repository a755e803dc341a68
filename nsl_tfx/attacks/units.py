"""Coordinates in which a ball that reaches farther along some elements reaches the same in all."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from nsl_tfx.attacks.columns import Columns
from nsl_tfx.lib.casting import to_dtype
from nsl_tfx.lib.perturbation import Region, Structure, per_feature

# How far beyond a bound coordinates may lie, as a factor: some units in float32's last place.
_BEYOND = 1 + 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """Coordinates around an input in which a ball of its own radius by element is an even one.

    A table's columns are one vector there; see `Columns`.

    Attributes:
        columns: Which features that are.
        x: The input in its own units; it is 0 in these coordinates.
        scale: The size of their unit, name to what broadcasts to `x`.
        box: Holds the bounds of valid values in their own units.
        low: Lower bounds in these coordinates, by name where there are any.
        high: Upper bounds, likewise.
        mask: 0 for what never changes, by name where there is any.
    """

    columns: Columns
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
        columns = Columns.of(x)
        given = per_feature(scale, x)
        by_feature = {
            name: to_dtype(given.get(name, 1.0), value.dtype) for name, value in x.items()
        }
        mask = per_feature(region.mask, x)
        masks = {
            name: to_dtype(mask.get(name, 1.0), unit.dtype) * tf.cast(unit > 0, unit.dtype)
            for name, unit in by_feature.items()
            # A pass over the input in each step: only where there is something to it.
            if name in mask or _may_be_zero(unit)
        }
        low = columns.join_setting(per_feature(region.low, x), -math.inf)
        high = columns.join_setting(per_feature(region.high, x), math.inf)
        joined, size = columns.join(x), columns.join_setting(by_feature, 1.0)

        def bounds(values: Structure) -> Structure:
            # Rounding may not keep a point off its bound; `point` takes off what is too much.
            return {
                name: _BEYOND * tf.math.divide_no_nan(value - joined[name], size[name])
                for name, value in values.items()
            }

        return cls(
            columns=columns,
            x=joined,
            scale=size,
            box=Region(low=low, high=high),
            low=bounds(low),
            high=bounds(high),
            mask=columns.join_setting(masks, 1.0),
        )

    @property
    def middle(self) -> Structure:
        """Returns where the input is."""
        return {name: tf.zeros_like(value) for name, value in self.x.items()}

    def point(self, moved: Structure) -> Structure:
        """Returns the point as features, inside the box; its gradient is the scale."""
        there = {name: value + moved[name] * self.scale[name] for name, value in self.x.items()}
        inside = self.box.clip(there)
        return self.columns.split(
            {name: value + tf.stop_gradient(inside[name] - value) for name, value in there.items()}
        )


def _may_be_zero(scale: tf.Tensor) -> bool:
    """Whether an element is 0, as far as that is known before it runs.

    Where it is not, the gradient by these coordinates is 0 there all the same.
    """
    known = tf.get_static_value(scale)
    return known is not None and not bool(np.all(known > 0))
