"""A table's columns side by side, so that an attack on thirty costs as much as one on a vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.lib.casting import to_dtype
from nsl_tfx.lib.perturbation import Structure


@dataclasses.dataclass(frozen=True, eq=False)
class Columns:
    """Which features are held as one: scalars and vectors of one dtype.

    A graph has some operations for every feature and every kind of step, and TensorFlow takes
    milliseconds to make one and microseconds to call it, however few numbers it computes. Images
    and sequences stay as they are, since their shape tells what is near to what.

    Attributes:
        x: The features, name to `[batch, ...]`.
        groups: The names that are held as one, by the name that stands for them.
    """

    x: Structure
    groups: dict[str, tuple[Any, ...]]

    @classmethod
    def of(cls, x: Structure) -> Columns:
        """Returns the groups of two features and more."""
        alike: dict[str, list[Any]] = {}
        for name, value in x.items():
            if value.shape.rank == 1 or (value.shape.rank == 2 and value.shape[1] is not None):
                # No feature has such a name: those are texts that a person wrote.
                alike.setdefault(f"\0{value.dtype.name}", []).append(name)
        return cls(x, {k: tuple(names) for k, names in alike.items() if len(names) > 1})

    def join(self, values: Structure) -> Structure:
        """Returns all features, `[batch, ...]` by name, those of a group as `[batch, elements]`."""
        joined = {
            name: tf.concat([_as_column(values[member]) for member in members], axis=1)
            for name, members in self.groups.items()
        }
        return {**self._alone(values), **joined}

    def join_setting(self, values: Mapping[Any, Any], default: float) -> Structure:
        """Returns what broadcasts to features, by name; of a group where it says it of any.

        Args:
            values: Numbers or arrays that broadcast to their features.
            default: Stands for a feature of a group that has none.
        """
        found = {
            name: to_dtype(value, self.x[name].dtype) for name, value in self._alone(values).items()
        }
        for joined, names in self.groups.items():
            if any(name in values for name in names):
                found[joined] = tf.concat(
                    [self._broadcast(name, values.get(name, default)) for name in names], 1
                )
        return found

    def split(self, values: Structure) -> Structure:
        """Returns the features that `join` took."""
        found = self._alone(values)
        for joined, names in self.groups.items():
            shapes = [self.x[name].shape for name in names]
            widths = [shape[1] if shape.rank == 2 else 1 for shape in shapes]
            parts = tf.split(values[joined], widths, axis=1)
            for name, shape, part in zip(names, shapes, parts, strict=True):
                found[name] = part if shape.rank == 2 else part[:, 0]
        return {name: found[name] for name in self.x}

    def _alone(self, values: Mapping[Any, Any]) -> dict[Any, Any]:
        joined = {name for names in self.groups.values() for name in names} | set(self.groups)
        return {name: value for name, value in values.items() if name not in joined}

    def _broadcast(self, name: Any, value: Any) -> tf.Tensor:
        like = self.x[name]
        return _as_column(tf.broadcast_to(to_dtype(value, like.dtype), tf.shape(like)))


def _as_column(value: tf.Tensor) -> tf.Tensor:
    return value if value.shape.rank == 2 else value[:, tf.newaxis]
