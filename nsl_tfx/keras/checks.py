"""What a user may get wrong in a call, found before TensorFlow does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nsl_tfx.configs import AdvNeighborConfig
from nsl_tfx.configs.base import Config, require_config
from nsl_tfx.lib.features import Features


def check_base_model(model: Any) -> None:
    """Raises TypeError where a model is none of Keras 3."""
    if isinstance(model, keras.Model):
        return
    cure = ""
    if any(kind.__name__ == "Model" for kind in type(model).__mro__):
        cure = " It looks like one of Keras 2: unset TF_USE_LEGACY_KERAS, or build it with `keras`."
    raise TypeError(
        f"Expected base_model to be a keras.Model. Received: {model!r} "
        f"(a {type(model).__module__}.{type(model).__name__}).{cure}"
    )


def check_config(name: str, value: Any, kind: type[Config]) -> None:
    """Raises TypeError where a setting is neither None nor of its kind."""
    if value is not None:
        require_config(name, value, kind)


def check_names(argument: str, names: Any) -> None:
    """Raises TypeError where names are given otherwise than as a list of strings, or None."""
    if names is None:
        return
    listed = isinstance(names, Iterable) and not isinstance(names, (str, bytes, Mapping))
    if not listed or not all(isinstance(name, str) for name in names):
        cure = f" Write {argument}=({names!r},)." if isinstance(names, str) else ""
        raise TypeError(
            f"Expected {argument} as a list or tuple of names. Received: {names!r} "
            f"(a {type(names).__name__}).{cure}"
        )


def check_strength(strength: float, terms: tuple[str, ...] | None, known: tuple[str, ...]) -> None:
    """Raises ValueError where a strength is negative, or is meant for terms that there are not."""
    if not 0 <= strength < float("inf"):
        raise ValueError(f"Expected strength >= 0, and finite. Received: {strength!r}.")
    check_names("terms", terms)
    unknown = [name for name in terms or () if name not in known]
    if unknown:
        raise ValueError(
            f"Expected terms among those of this model: {', '.join(known) or 'none'}. Received: "
            f"{', '.join(unknown)}."
        )


def check_named(x: Any) -> None:
    """Raises ValueError where features come without names, by which neighbors' are found."""
    if not isinstance(x, Mapping):
        raise ValueError(
            "Expected features by name, a dict that holds the neighbors' too, for the graph term. "
            f"Received: a {type(x).__name__}."
        )


def check_labels(y: Any, predictions: Any, sample_weight: Any) -> None:
    """Checks what the loss by the labels is made of.

    Args:
        y: The labels.
        predictions: The outputs, `[batch, ...]`.
        sample_weight: None, or weights: `[batch]`, `[batch, 1]`, or one for each step of an output.

    Raises:
        ValueError: There are no labels, or the weights are of another shape.
    """
    if y is None:
        raise ValueError(
            "Expected labels, as fit(x, y) or as a dataset of (features, labels). Received: y=None."
        )
    # Arrays, tensors and Keras's symbolic tensors each have shapes of their own kind.
    outputs = [tf.TensorShape(output.shape) for output in tf.nest.flatten(predictions)]
    for weight in tf.nest.flatten(sample_weight):
        if weight is None or any(_weighs(tf.TensorShape(weight.shape), o) for o in outputs):
            continue
        raise ValueError(
            "Expected sample_weight of shape [batch] or [batch, 1], or with one weight for each "
            f"step of an output. Received: shape {weight.shape}, for outputs of shape "
            f"{', '.join(map(str, outputs))}."
        )


def check_movable(features: Features, attacks: Mapping[str, AdvNeighborConfig]) -> None:
    """Checks that there is something to perturb, and that masks and bounds fit it.

    Args:
        features: The input, taken apart.
        attacks: The settings by the term that they belong to.

    Raises:
        ValueError: All features are integers, strings, sparse or ragged; or a mask or bound names
            no feature, asks for one that cannot be perturbed, or is of a shape that does not fit.
    """
    if not features.dense:
        kinds = [
            f"{name if name is not None else 'the input'} ({_kind(value)})"
            for name, value in features.other.items()
        ]
        raise ValueError(
            "Expected at least one dense floating feature to perturb. Received: "
            f"{', '.join(kinds) or 'none'}. Cast pixels and other numbers to float32; train "
            "embeddings of words or categories inside a model that takes the embedded features."
        )
    for term, config in attacks.items():
        for field in ("feature_mask", "clip_value_min", "clip_value_max"):
            setting = features.named(getattr(config, field))
            _check_setting(f"{term}: AdvNeighborConfig.{field}", setting, features)


def _check_setting(where: str, setting: Any, features: Features) -> None:
    if setting is None:
        return
    if not isinstance(setting, Mapping):
        setting = dict.fromkeys(features.dense, setting)
    known = {**features.dense, **features.other}
    for name, value in setting.items():
        if name not in known:
            raise ValueError(
                f"Expected {where} to name features of the input: {', '.join(map(str, known))}. "
                f"Received: {name!r}."
            )
        if value is None:
            continue
        if name in features.dense:
            _check_broadcasts(f"{where}[{name!r}]", value, features.dense[name].shape)
        elif not where.endswith("feature_mask") or np.any(np.asarray(value) != 0):
            raise ValueError(
                f"Expected {where} to name floating features. Received: {name!r}, which cannot be "
                f"perturbed ({_kind(features.other[name])}). Cast it to float32, or leave it out."
            )


def _check_broadcasts(where: str, value: Any, shape: tf.TensorShape) -> None:
    given = value.shape if tf.is_tensor(value) else tf.TensorShape(np.shape(value))
    try:
        fits = tf.broadcast_static_shape(given, shape).is_compatible_with(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"Expected {where} of a shape that broadcasts to the feature's, {shape}. Received: "
            f"shape {given}."
        )


def _weighs(weight: tf.TensorShape, output: tf.TensorShape) -> bool:
    """Says whether weights have one number for each loss of an output, where that is known."""
    if weight.rank is None or output.rank is None:
        return True
    sizes = weight.as_list()
    while len(sizes) > 1 and sizes[-1] in (1, None):
        sizes = sizes[:-1]
    losses = output.as_list()[: max(output.rank - 1, 1)]
    return 1 <= len(sizes) <= len(losses) and all(
        own is None or its is None or own == its for own, its in zip(sizes, losses, strict=False)
    )


def _kind(value: Any) -> str:
    if isinstance(value, tf.SparseTensor):
        return "sparse"
    if isinstance(value, tf.RaggedTensor):
        return "ragged"
    return "missing" if value is None else str(value.dtype.name)
