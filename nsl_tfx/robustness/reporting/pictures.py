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
from nsl_tfx.robustness.reporting.changes import Change, largest_changes
from nsl_tfx.robustness.result import Fragile


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
    """Draws an example: the first changed feature that looks like an image, or else a table."""
    images = paint(fragile, config)
    if images is not None:
        original, twin, difference = map(_png, images)
        return Picture(fragile, original, twin, difference)
    return Picture(fragile, changes=largest_changes(fragile.original, fragile.adversarial, config))


def paint(fragile: Fragile, config: RobustnessConfig) -> tuple[NDArray[np.uint8], ...] | None:
    """Returns an example, its twin and the difference as pixels `[height, width, 3]`.

    They are of the first changed feature that looks like an image; None where none does.
    """
    for name in config.features:
        before = as_image(fragile.original[name])
        after = as_image(fragile.adversarial[name])
        if before is not None and after is not None and (before != after).any():
            low, high = _range(name, before, after, config)
            return (
                _gray(before, low, high),
                _gray(after, low, high),
                _two_colours(after - before),
            )
    return None


def _range(
    name: str, before: NDArray[Any], after: NDArray[Any], config: RobustnessConfig
) -> tuple[float, float]:
    """Returns what is black and what is white: the outermost bounds, or else the values'."""
    low = config.of_feature(config.clip_value_min, name)
    high = config.of_feature(config.clip_value_max, name)
    least = float(np.min([before, after] if low is None else low))
    most = float(np.max([before, after] if high is None else high))
    return least, most if most > least else least + 1


def _gray(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = np.clip((image - low) / (high - low), 0, 1)
    return np.round(255 * np.broadcast_to(scaled, (*scaled.shape[:2], 3))).astype(np.uint8)


def _two_colours(difference: NDArray[Any]) -> NDArray[np.uint8]:
    """White where nothing changed, red where it rose, blue where it fell."""
    change = difference.mean(axis=2)
    largest = float(np.abs(change).max())
    strength = change / largest if largest else change
    rise, fall = np.maximum(strength, 0)[..., None], np.maximum(-strength, 0)[..., None]
    white, red, blue = np.array([255.0] * 3), np.array([178, 24, 43.0]), np.array([33, 102, 172.0])
    colours = white + rise * (red - white) + fall * (blue - white)
    return np.round(colours).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> str:
    data = tf.io.encode_png(pixels).numpy()
    return "data:image/png;base64," + base64.b64encode(data).decode()
