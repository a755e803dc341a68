"""Whether the package kfp is here, asked without loading TFX."""

from __future__ import annotations

import importlib.util


def check_kfp() -> None:
    """Raises ModuleNotFoundError where kfp, which TFX compiles with, is not installed."""
    if importlib.util.find_spec("kfp") is None:
        raise ModuleNotFoundError(
            "Expected the package kfp, with which TFX compiles pipelines for Kubeflow. It is not "
            'installed: pip install "nsl-tfx[kfp]", in an environment with Python 3.10 or 3.11, '
            "since TFX offers it below 3.12 alone.",
            name="kfp",
        )
