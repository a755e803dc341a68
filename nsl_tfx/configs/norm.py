"""The norms in which perturbations are measured."""

from __future__ import annotations

from nsl_tfx.configs.base import Choice


class NormType(Choice):
    """A norm in which a perturbation's size is measured."""

    L1 = "l1"
    L2 = "l2"
    INFINITY = "infinity"
