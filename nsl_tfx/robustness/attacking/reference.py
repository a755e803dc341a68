"""What all parts of an evaluation share: taken from all examples, before they are parted."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.attacking.runner import content_seeds
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples

# Whether an attack works at all shows on few examples: of 256 that survive by chance at 10 %, the
# Wilson interval spans 4 points to either side. And so many rows give a median.
_FEW = 256


@dataclasses.dataclass(frozen=True)
class Reference:
    """What is known about all examples.

    Attributes:
        total: How many there are.
        probed: The numbers of those on which the attacks themselves are tested.
        pool: The model's inputs of some, for corruptions that need typical values.
        low: Lower end of the values of each attacked feature: its bound, or where there is none the
            smallest value of the examples.
        high: Upper end, likewise.
    """

    total: int
    probed: NDArray[np.int64]
    pool: Arrays
    low: Arrays
    high: Arrays

    @classmethod
    def of(cls, examples: Examples, config: RobustnessConfig) -> Reference:
        """Returns what an evaluation of these examples shares."""
        threat = Threat.of(config)
        # By content, so that it does not matter how the files are sorted.
        drawn = content_seeds([examples.features[name] for name in examples.features])[:, 0]
        order = np.argsort(drawn, kind="stable")
        pool = np.sort(order[-_FEW:])
        values = {name: examples.features[name].astype(np.float64) for name in config.features}
        return cls(
            len(examples),
            np.sort(order[:_FEW]),
            {name: value[pool] for name, value in examples.features.items()},
            {name: threat.low.get(name, np.asarray(v.min())) for name, v in values.items()},
            {name: threat.high.get(name, np.asarray(v.max())) for name, v in values.items()},
        )

    @property
    def has_range(self) -> bool:
        """Whether some attacked feature has more than one value."""
        return any(bool((self.high[name] > low).any()) for name, low in self.low.items())
