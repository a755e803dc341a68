"""Fragile examples beside their adversarial twins: as pictures, or as a table of changes."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.images import as_image
from nsl_tfx.robustness.result import Fragile

_MOST_CHANGES = 6


@dataclasses.dataclass(frozen=True)
class Change:
    """One element of a feature, before and after."""

    name: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """How far it moved."""
        return self.after - self.before


@dataclasses.dataclass(frozen=True)
class Picture:
    """A fragile example as the report shows it.

    Attributes:
        fragile: The example.
        original: A PNG as data URI; empty where no feature looks like an image.
        adversarial: Its twin, likewise.
        difference: What was added (red) and taken off (blue), the strongest change in full colour.
        changes: The elements that changed the most; empty where there are pictures.
    """

    fragile: Fragile
    original: str = ""
    adversarial: str = ""
    difference: str = ""
    changes: tuple[Change, ...] = ()


def draw(fragile: Fragile, config: RobustnessConfig) -> Picture:
    """Draws an example: its first feature that looks like an image, or else a table."""
    for name in config.features:
        before = as_image(fragile.original[name])
        after = as_image(fragile.adversarial[name])
        if before is not None and after is not None:
            low, high = _range(before, after, config)
            return Picture(
                fragile,
                _png(_gray(before, low, high)),
                _png(_gray(after, low, high)),
                _png(_two_colours(after - before)),
            )
    return Picture(fragile, changes=_largest_changes(fragile))


def _range(
    before: NDArray[Any], after: NDArray[Any], config: RobustnessConfig
) -> tuple[float, float]:
    low, high = config.clip_value_min, config.clip_value_max
    low = float(min(before.min(), after.min())) if low is None else low
    high = float(max(before.max(), after.max())) if high is None else high
    return low, high if high > low else low + 1


def _gray(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = np.clip((image - low) / (high - low), 0, 1)
    return np.round(255 * np.broadcast_to(scaled, (*scaled.shape[:2], 3))).astype(np.uint8)


def _two_colours(difference: NDArray[Any]) -> NDArray[np.uint8]:
    """White where nothing changed, red where it rose, blue where it fell."""
    change = difference.mean(axis=2)
    strength = change / max(float(np.abs(change).max()), 1e-12)
    rise, fall = np.maximum(strength, 0)[..., None], np.maximum(-strength, 0)[..., None]
    white, red, blue = np.array([255.0] * 3), np.array([178, 24, 43.0]), np.array([33, 102, 172.0])
    colours = white + rise * (red - white) + fall * (blue - white)
    return np.round(colours).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> str:
    data = tf.io.encode_png(pixels).numpy()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _largest_changes(fragile: Fragile) -> tuple[Change, ...]:
    changes = []
    for name, value in fragile.original.items():
        before = np.ravel(value).astype(np.float64)
        after = np.ravel(fragile.adversarial[name]).astype(np.float64)
        single = len(before) == 1
        changes += [
            Change(name if single else f"{name}[{i}]", float(before[i]), float(after[i]))
            for i in range(len(before))
        ]
    changes = [change for change in changes if change.difference]
    changes.sort(key=lambda change: -abs(change.difference))
    return tuple(changes[:_MOST_CHANGES])
