"""What can be asked before a pipeline is compiled, without loading TFX."""

from __future__ import annotations

import importlib.util
import re

JSON = ".json"
_YAML = (".yaml", ".yml")
# Host, path, tag and digest, as far as a slip of the keyboard is seen; registries know the rest.
_IMAGE = re.compile(r"[A-Za-z0-9][\w.\-/:@]*")


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


def check_image(image: str | None) -> None:
    """Raises ValueError for what cannot be a container image's name; None is the default's."""
    if image is not None and not _IMAGE.fullmatch(image):
        raise ValueError(
            "Expected image to be the name of a container image, such as "
            f"ghcr.io/somebody/project:1.0. Received: {image!r}."
        )
