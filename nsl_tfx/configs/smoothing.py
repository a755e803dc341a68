"""What randomized smoothing certifies, and how surely."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Config, bounded


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SmoothingConfig(Config):
    """Settings of a certificate by randomized smoothing (Cohen et al. 2019).

    Attributes:
        sigma: The noise's standard deviation, in units of the input feature.
        selection: Draws of each example that choose its class.
        samples: Draws that bound the class's probability; the paper takes 100,000, which certifies
            larger radii.
        alpha: Probability, for each example, that its certificate is wrong.

    Example:
        >>> SmoothingConfig(sigma=0.25).samples
        1000
    """

    sigma: float = bounded(gt=0, unit="input units")
    selection: int = bounded(100, ge=1, unit="draws")
    samples: int = bounded(1000, ge=1, unit="draws")
    alpha: float = bounded(0.001, gt=0, lt=1, unit="probability")
