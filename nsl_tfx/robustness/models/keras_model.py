"""A Keras model as it is in memory, for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.robustness.models.model import ModelUnderTest
from nsl_tfx.robustness.models.signatures import UnusableModelError

# What a graph puts between a softmax and the model's output without changing it.
_PASSED_THROUGH = ("Identity", "Cast")


def from_keras(
    model: keras.Model,
    features: tuple[str, ...],
    inputs: Mapping[str, tf.TensorSpec] | None = None,
) -> ModelUnderTest:
    """Makes a function from features to logits of a Keras model, which stays as it is.

    It is called for inference. A softmax at its end is left out, because attacks need logits; and a
    single logit, whether or not a sigmoid follows, becomes the second of two, the first being 0.

    Args:
        model: A functional, sequential or subclassed model. One that takes a single tensor is given
            the only feature, whatever its input is called.
        features: The features to attack.
        inputs: Shape and dtype of each input; needed where a subclassed model takes others than
            `features`, or not as float32 of any shape.

    Raises:
        UnusableModelError: The inputs are not known, or not one output `[batch, classes]` comes
            back; the latter when the model is called.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
        >>> under_test = from_keras(network, ("x",))
        >>> under_test.inputs["x"].shape.as_list()
        [None, 2]
    """
    # What this package wraps for training is the model itself as soon as it is asked.
    model = getattr(model, "base_model", model)
    symbolic = getattr(model, "inputs", None)
    if symbolic:
        pack, found = _symbolic(model, features)
    else:
        pack, found = _subclassed(model, features, inputs)

    # Not traced here: a model may see shapes only with the first batch.
    @tf.function(autograph=False)
    def function(values: dict[str, tf.Tensor]) -> tf.Tensor:
        return _logits(model(pack(values), training=False))

    return ModelUnderTest(function, dict(inputs or found), model)


_Pack = Callable[[dict[str, tf.Tensor]], Any]


def _symbolic(model: Any, features: tuple[str, ...]) -> tuple[_Pack, dict[str, tf.TensorSpec]]:
    # A Sequential has `input` too, but takes no list.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    if isinstance(structure, (list, tuple)) and len(structure) == 1:
        # Functional models take the tensor as well as the list.
        structure = structure[0]
    if isinstance(structure, keras.KerasTensor):
        name = features[0] if len(features) == 1 else structure.name
        return lambda values: values[name], {name: _spec(structure)}
    if isinstance(structure, Mapping):
        found = {name: _spec(one) for name, one in structure.items()}
        return lambda values: {name: values[name] for name in found}, found
    found = {one.name: _spec(one) for one in structure}
    return lambda values: [values[name] for name in found], found


def _subclassed(
    model: Any, features: tuple[str, ...], inputs: Mapping[str, tf.TensorSpec] | None
) -> tuple[_Pack, dict[str, tf.TensorSpec]]:
    shapes = (model.get_build_config() or {}).get("input_shape") if model.built else None
    if shapes is None and inputs is None:
        raise UnusableModelError(
            f"The model {model.name!r} was never called, so its inputs are not known; call it on a "
            "batch first."
        )
    by_name = shapes if isinstance(shapes, Mapping) else {}
    others = sorted({*by_name} - {*features})
    if others and {*features} <= {*by_name} and inputs is None:
        raise UnusableModelError(
            f"The model {model.name!r} also takes {', '.join(others)}, whose dtype a subclassed "
            "model does not tell; pass nsl_tfx.robustness.from_keras(model, features, "
            'inputs={"name": tf.TensorSpec([None, ...], dtype), ...}) instead.'
        )
    if isinstance(shapes, Mapping) or (shapes is None and len(inputs or ()) > 1):
        known = {name: tf.TensorSpec([None, *shape[1:]]) for name, shape in by_name.items()}
        names = list(inputs or known)
        return lambda values: {name: values[name] for name in names}, known
    if len(features) != 1 and inputs is None:
        raise UnusableModelError(
            f"The model {model.name!r} takes a single tensor, so it has one feature to attack, not "
            f"{', '.join(features)}; name one."
        )
    (name,) = inputs or features
    return lambda values: values[name], {name: tf.TensorSpec([None, *(shapes or ())[1:]])}


def _spec(tensor: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _logits(output: Any) -> tf.Tensor:
    if isinstance(output, Mapping) and "logits" in output:
        output = output["logits"]
    flat = tf.nest.flatten(output)
    if len(flat) != 1 or flat[0].shape.rank != 2 or not flat[0].dtype.is_floating:
        found = ", ".join(f"{one.dtype.name} {one.shape}" for one in flat)
        raise UnusableModelError(
            "Expected a model with one output of logits [batch, classes], or one that is called "
            f"logits. Received: {found}; make a keras.Model of the inputs and that output."
        )
    (scores,) = flat
    origin = scores
    while origin.op.type in _PASSED_THROUGH:
        origin = origin.op.inputs[0]
    binary = scores.shape[1] == 1
    if origin.op.type == ("Sigmoid" if binary else "Softmax"):
        scores = origin.op.inputs[0]
    scores = tf.cast(scores, tf.float32)
    return tf.concat([tf.zeros_like(scores), scores], axis=1) if binary else scores
