"""What can be asked before a pipeline is compiled, without loading TFX."""

from __future__ import annotations

import importlib.util

JSON = ".json"
_YAML = (".yaml", ".yml")


def check_kfp() -> None:
    """Raises ModuleNotFoundError where kfp, which TFX compiles with, is not installed."""
    if importlib.util.find_spec("kfp") is None:
        raise ModuleNotFoundError(
            "Expected the package kfp, with which TFX compiles pipelines for Kubeflow. It is not "
            'installed: pip install "nsl-tfx[kfp]", in an environment with Python 3.10 or 3.11, '
            "since TFX offers it below 3.12 alone.",
            name="kfp",
        )


def check_file_name(path: str) -> None:
    """Raises ValueError for a file whose name does not say which form it is to have."""
    if not path.endswith((*_YAML, JSON)):
        raise ValueError(
            "Expected a file whose name ends in .yaml, .yml or .json, by which its form is chosen. "
            f"Received: {path!r}."
        )
