"""Corruptions of images whose values lie between 0 and 1.

Severities follow ImageNet-C (Hendrycks and Dietterich 2019) where a number does not depend on the
image's size; lengths are shares of the shorter side, as ImageNet-C's pixels would be too many for a
small image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from nsl_tfx.configs import CorruptionName
from nsl_tfx.robustness.faults import row_draws
from nsl_tfx.robustness.faults.row_draws import Seeds

Images = NDArray[Any]
"""`[rows, height, width, channels]`, float32 or float64."""

_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation
_BLUR = (0.02, 0.035, 0.05, 0.075, 0.1)  # standard deviation, of the side
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # what is left of it
_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # what is added
_SHIFT = (0.04, 0.08, 0.12, 0.16, 0.2)  # of the side
_OCCLUSION = (0.2, 0.3, 0.4, 0.5, 0.6)  # side of the square, of the side
_PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)  # cells to a pixel, along a side
_GRAY = 0.5


def add_noise(images: Images, severity: int, seeds: Seeds) -> Images:
    """Adds Gaussian noise, the same at each severity but for its size."""
    noise = row_draws.normal(seeds, images.shape[1:])
    return images + _NOISE[severity - 1] * noise.astype(images.dtype)


def blur(images: Images, severity: int, seeds: Seeds) -> Images:
    """Convolves with a Gaussian; beyond the edge an image goes on with its last pixel."""
    width = _BLUR[severity - 1] * _side(images)
    return scipy.ndimage.gaussian_filter(images, (0, width, width, 0), mode="nearest")


def lower_contrast(images: Images, severity: int, seeds: Seeds) -> Images:
    """Moves every pixel towards the mean of its image and channel."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return mean + (images - mean) * _CONTRAST[severity - 1]


def brighten(images: Images, severity: int, seeds: Seeds) -> Images:
    """Adds the same to every pixel."""
    return images + _BRIGHTNESS[severity - 1]


def shift(images: Images, severity: int, seeds: Seeds) -> Images:
    """Moves an image in a random direction, between pixels too, its last pixels repeated.

    Whole pixels alone would be too coarse for the severities of a small image.
    """
    angle = 2 * np.pi * row_draws.uniform(seeds)
    length = _SHIFT[severity - 1] * _side(images)
    moved = _shift_along(images, length * np.sin(angle), axis=1)
    return _shift_along(moved, length * np.cos(angle), axis=2)


def occlude(images: Images, severity: int, seeds: Seeds) -> Images:
    """Hides a square anywhere behind gray; a more severe one covers a milder one."""
    side = max(1, round(_OCCLUSION[severity - 1] * _side(images)))
    place = row_draws.uniform(seeds, (2,))

    def within(axis: int) -> NDArray[np.bool_]:
        size = images.shape[1 + axis]
        # The same share of the room at each severity: squares lie within one another.
        first = np.floor(place[:, axis] * (size - side + 1))[:, None]
        return (np.arange(size) >= first) & (np.arange(size) < first + side)

    hidden = within(0)[:, :, None, None] & within(1)[:, None, :, None]
    return np.where(hidden, images.dtype.type(_GRAY), images)


def pixelate(images: Images, severity: int, seeds: Seeds) -> Images:
    """Puts the mean of the pixels of a cell in the place of each."""
    for axis in (1, 2):
        size = images.shape[axis]
        cells = max(1, round(_PIXELATE[severity - 1] * size))
        cell = np.arange(size) * cells // size
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        counts = np.diff(first, append=size).reshape([-1 if i == axis else 1 for i in range(4)])
        means = np.add.reduceat(images, first, axis=axis) / counts
        images = np.take(means, cell, axis=axis).astype(images.dtype)
    return images


CORRUPTIONS: dict[CorruptionName, Callable[[Images, int, Seeds], Images]] = {
    CorruptionName.GAUSSIAN_NOISE: add_noise,
    CorruptionName.BLUR: blur,
    CorruptionName.CONTRAST: lower_contrast,
    CorruptionName.BRIGHTNESS: brighten,
    CorruptionName.SHIFT: shift,
    CorruptionName.OCCLUSION: occlude,
    CorruptionName.PIXELATE: pixelate,
}
"""From images, a severity from 1 to 5 and seeds of the rows to images, which may exceed [0, 1]."""


def _side(images: Images) -> int:
    return min(images.shape[1:3])


def _shift_along(images: Images, lengths: NDArray[np.float64], axis: int) -> Images:
    """Moves each image by its own length, in pixels, linear between pixels."""
    size = images.shape[axis]
    place = np.clip(np.arange(size) - lengths[:, None], 0, size - 1)
    before = np.minimum(place.astype(np.int64), size - 2)
    shape = (len(images), *(size if i == axis else 1 for i in (1, 2)), 1)
    share = (place - before).reshape(shape).astype(images.dtype)
    left, right = (
        np.take_along_axis(images, (before + i).reshape(shape), axis=axis) for i in range(2)
    )
    return left * (1 - share) + right * share
