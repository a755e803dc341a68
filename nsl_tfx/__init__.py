"""Neural Structured Learning on Keras 3, and the TFX components around it.

Importing this package costs nothing: every name below is loaded at its first use, so that a
configuration or the command line's help never pays for TensorFlow, Beam or TFX.

Example:
    >>> import nsl_tfx as nsl
    >>> nsl.configs.make_adv_reg_config(multiplier=0.2).multiplier
    0.2
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nsl_tfx.version import __version__

if TYPE_CHECKING:
    from nsl_tfx import (
        attacks,
        components,
        configs,
        estimator,
        graph,
        io,
        keras,
        lib,
        metadata,
        pipelines,
        robustness,
        tools,
        trainer,
    )
    from nsl_tfx.components.artifacts import NeighborGraph, RobustnessEvaluation

_MODULES = (
    "attacks",
    "components",
    "configs",
    "estimator",
    "graph",
    "io",
    "keras",
    "lib",
    "metadata",
    "pipelines",
    "robustness",
    "tools",
    "trainer",
)
# Kubeflow resolves an artifact's type name as an import path of two segments, so both artifact
# classes have to be reachable from the top of the package.
_ARTIFACTS = ("NeighborGraph", "RobustnessEvaluation")

__all__ = [
    "NeighborGraph",
    "RobustnessEvaluation",
    "__version__",
    "attacks",
    "components",
    "configs",
    "estimator",
    "graph",
    "io",
    "keras",
    "lib",
    "metadata",
    "pipelines",
    "robustness",
    "tools",
    "trainer",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"nsl_tfx.{name}")
    if name in _ARTIFACTS:
        return getattr(importlib.import_module("nsl_tfx.components.artifacts"), name)
    raise AttributeError(f"module 'nsl_tfx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
