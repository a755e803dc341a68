"""How inputs go wrong without an attacker."""

from __future__ import annotations

from nsl_tfx.configs.base import Choice

SEVERITIES = (1, 2, 3, 4, 5)
"""How strong a corruption is, from hardly visible to severe."""


class CorruptionName(Choice):
    """A common fault of inputs, in five severities.

    The first seven are for images, after Hendrycks and Dietterich 2019, "Benchmarking neural
    network robustness to common corruptions and perturbations": `GAUSSIAN_NOISE` on every pixel,
    `BLUR` by a Gaussian, a lower `CONTRAST`, a higher `BRIGHTNESS`, a `SHIFT` to any side,
    `OCCLUSION` by a gray square, and `PIXELATE`, a coarser resolution.

    The others are for any feature, value by value. `MISSING` puts the default in place of some: the
    median of reference examples, or of what is no float the most frequent value. `SWAP` takes some
    values from another reference example, so that each feature keeps its distribution and only
    what holds between features is lost. Float features alone know `SCALE_ERROR`, some values in
    another unit (10 to 1000 times too large or too small), and `ROUNDING` to ever fewer steps.
    """

    GAUSSIAN_NOISE = "gaussian_noise"
    BLUR = "blur"
    CONTRAST = "contrast"
    BRIGHTNESS = "brightness"
    SHIFT = "shift"
    OCCLUSION = "occlusion"
    PIXELATE = "pixelate"
    MISSING = "missing"
    SWAP = "swap"
    SCALE_ERROR = "scale_error"
    ROUNDING = "rounding"


class EditName(Choice):
    """What an attacker who changes few values of an example may put there.

    `MISSING` is the default: the median of reference examples, or of what is no float the most
    frequent value. `SWAP` is a value that reference examples have, `SCALE_ERROR` the same float in
    another unit, and `CATEGORY` another word of a vocabulary, for integers and text.
    """

    MISSING = "missing"
    SWAP = "swap"
    SCALE_ERROR = "scale_error"
    CATEGORY = "category"


class NeighborChange(Choice):
    """What happens to an example's neighbors in the graph.

    `DROP_ONE` and `DROP_ALL` take neighbors away; `REWIRE` puts another example's in their place.
    """

    DROP_ONE = "drop_one"
    DROP_ALL = "drop_all"
    REWIRE = "rewire"
