"""Settings of the environment that change what libraries do."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from nsl_tfx.doctor.findings import Finding, Level

_TRUE = ("1", "true", "True", "TRUE")
_TENSORFLOW = "tensorflow"


def check_keras_backend(variables: Mapping[str, str]) -> Finding:
    """Asks which backend Keras will take: by its variable, then by its file.

    Args:
        variables: The environment's.
    """
    home = variables.get("KERAS_HOME") or os.path.join(variables.get("HOME", ""), ".keras")
    file = os.path.join(home, "keras.json")
    backend, origin = _TENSORFLOW, "by default"
    if os.path.exists(file):
        try:
            with open(file, encoding="utf-8") as opened:
                backend = str(json.load(opened).get("backend", backend))
            origin = f"by {file}"
        except (OSError, ValueError, AttributeError) as error:
            return Finding(
                "Keras's backend",
                Level.WRONG,
                f"{file} cannot be read ({error})",
                f"Delete {file}; Keras makes it anew.",
            )
    if variables.get("KERAS_BACKEND"):
        backend, origin = variables["KERAS_BACKEND"], "by KERAS_BACKEND"
    if backend == _TENSORFLOW:
        return Finding("Keras's backend", Level.OK, f"{backend}, {origin}")
    return Finding(
        "Keras's backend",
        Level.WRONG,
        f"{backend}, {origin}",
        "TFX serves TensorFlow models: export KERAS_BACKEND=tensorflow",
    )


def check_legacy_keras(variables: Mapping[str, str]) -> Finding:
    """Asks whether `tf.keras` means Keras 2 from the start.

    Args:
        variables: The environment's.
    """
    value = variables.get("TF_USE_LEGACY_KERAS", "")
    if value not in _TRUE:
        return Finding("tf.keras", Level.OK, "TF_USE_LEGACY_KERAS is not set")
    return Finding(
        "tf.keras",
        Level.WARN,
        f"TF_USE_LEGACY_KERAS={value}: tf.keras is Keras 2, import keras is Keras 3",
        "Use import keras alone, or: unset TF_USE_LEGACY_KERAS",
    )


def check_protobuf_implementation(variables: Mapping[str, str]) -> Finding | None:
    """Asks whether protobuf was told to work in Python; returns None where it was not.

    Args:
        variables: The environment's.
    """
    name = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
    if variables.get(name) != "python":
        return None
    return Finding(
        "protobuf's speed",
        Level.WARN,
        f"{name}=python: examples are parsed many times slower",
        f"unset {name}",
    )


def check_beam(version: str | None) -> Finding:
    """Tells of what Beam does where a pipeline names no runner.

    Args:
        version: Beam's; None where it is not installed.
    """
    if version is None:
        return Finding("Beam's runner", Level.WRONG, "apache-beam is not installed")
    return Finding(
        "Beam's runner",
        Level.OK,
        "the default looks for a program on the network and packs TFX for each node",
        "Give pipelines of your own beam_pipeline_args="
        '["--runner=FnApiRunner", "--sdk_container_image=local"]',
    )
