"""What an attacker may do to an example, in the units of the model's input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import Structure
from nsl_tfx.configs import NormType, RobustnessConfig
from nsl_tfx.lib.casting import expand_like, to_dtype

Arrays = dict[str, NDArray[Any]]

# How many spacings of neighboring numbers it takes to add a perturbation and take it off again.
_ROUNDINGS = 4


@dataclasses.dataclass(frozen=True)
class Threat:
    """The ball, up to its radius, and the box.

    Attributes:
        norm: The ball's norm.
        scale: How far it reaches along each attacked feature, in epsilons, by name.
        low: Lower bounds of valid values, by name where there are any.
        high: Upper bounds, likewise.
    """

    norm: NormType
    scale: Arrays
    low: Arrays
    high: Arrays

    @classmethod
    def of(cls, config: RobustnessConfig) -> Threat:
        """Returns the threat that a config describes."""

        def by_name(setting: Any) -> Arrays:
            values = {name: config.of_feature(setting, name) for name in config.features}
            return {k: np.asarray(v, np.float64) for k, v in values.items() if v is not None}

        even = dict.fromkeys(config.features, np.ones(()))
        return cls(
            config.norm,
            {**even, **by_name(config.feature_scale)},
            by_name(config.clip_value_min),
            by_name(config.clip_value_max),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Returns what an attack has to know, which measures changes in radii."""
        return {
            "epsilon": 1.0,
            "norm": self.norm,
            "clip_value_min": self.low or None,
            "clip_value_max": self.high or None,
            "feature_mask": self._mask or None,
        }

    @property
    def _mask(self) -> Arrays:
        """Returns 0 for what never changes, by name where there is such a thing."""
        return {k: (value > 0) * 1.0 for k, value in self.scale.items() if not value.all()}

    @property
    def moves_everything(self) -> bool:
        """Whether every element of the attacked features may change."""
        return all(bool((value > 0).all()) for value in self.scale.values())

    def reach(self, x: Structure, epsilon: tf.Tensor) -> Structure:
        """Returns the radius along each element, by name.

        Args:
            x: The attacked features, name to `[batch, ...]`.
            epsilon: `[batch]`.
        """
        return {
            name: expand_like(tf.cast(epsilon, value.dtype), value)
            * to_dtype(self.scale[name], value.dtype)
            for name, value in x.items()
        }

    def find_invalid(
        self, originals: Arrays, points: Arrays, epsilon: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Returns which rows were moved farther than an attacker may, or made not finite.

        The tolerance is what a feature's own dtype loses in adding the perturbation and taking it
        off again.

        Args:
            originals: The attacked features, name to `[rows, ...]`.
            points: What an attack made of them.
            epsilon: `[rows]`.
        """
        sizes, slack = [], []
        invalid = np.zeros(len(epsilon), bool)
        # A radius is rounded, too.
        share = max([1e-4, *(_ROUNDINGS * _spacing(value) for value in originals.values())])
        for name, original in originals.items():
            before, after = original.astype(np.float64), points[name].astype(np.float64)
            unit = _ROUNDINGS * _spacing(original)
            rounding = unit * np.maximum(1.0, _largest(before))
            outside = np.zeros(before.shape, bool)
            for bounds, sign in ((self.low, -1), (self.high, 1)):
                if name in bounds:
                    beyond = sign * (after - bounds[name])
                    outside |= ~(beyond <= _expand(rounding, before) + unit * abs(bounds[name]))
            scale = np.broadcast_to(self.scale[name], before.shape)
            moved = np.abs(after - before)
            outside |= (scale == 0) & ~(moved == 0)
            invalid |= _flat(outside).any(axis=1)
            divisor = np.where(scale == 0, 1.0, scale)
            sizes.append(_flat(np.where(scale == 0, 0.0, moved / divisor)))
            slack.append(_flat(np.broadcast_to(_expand(rounding, before) / divisor, before.shape)))
        return invalid | ~(
            self._size(np.concatenate(sizes, axis=1))
            <= epsilon * (1 + share) + self._size(np.concatenate(slack, axis=1))
        )

    def _size(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        order = {NormType.INFINITY: np.inf, NormType.L2: 2, NormType.L1: 1}[self.norm]
        return np.asarray(np.linalg.norm(rows, order, axis=1))


def _spacing(value: NDArray[Any]) -> float:
    """Returns how far the next number after 1 is; `np.finfo` knows no bfloat16."""
    return float(np.spacing(np.ones((), value.dtype)))


def _flat(value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(len(value), -1)


def _largest(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(_flat(value)).max(axis=1, initial=0.0))


def _expand(rows: NDArray[np.float64], like: NDArray[Any]) -> NDArray[np.float64]:
    return rows.reshape(-1, *[1] * (like.ndim - 1))
