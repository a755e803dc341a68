"""The model under test: a SavedModel's function from dense features to logits."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

SIGNATURE = "raw_features"
LOGITS = "logits"

_EXPORT = (
    f'export the model with a signature "{SIGNATURE}" from dense features by name to '
    f'{{"{LOGITS}": [batch, classes]}}; nsl_tfx.trainer.run_fn does, and so does '
    f'keras.export.ExportArchive.add_endpoint("{SIGNATURE}", ...)'
)


class UnusableModelError(ValueError):
    """A model that cannot be attacked through its gradients; the text says why and the cure."""


@dataclasses.dataclass(frozen=True)
class ModelUnderTest:
    """A differentiable function from features to logits.

    Attributes:
        function: Takes a dict of tensors `[batch, ...]` by feature name and returns logits
            `[batch, classes]`.
        inputs: Each feature's shape and dtype, the batch axis first.
        owner: Kept as long as this object: a loaded SavedModel owns the variables, and its
            signature alone does not keep them alive.

    Example:
        >>> model = ModelUnderTest(
        ...     lambda features: features["a"] @ tf.constant([[1.0, -1.0]]),
        ...     {"a": tf.TensorSpec([None, 1], tf.float32)},
        ... )
        >>> model.function({"a": tf.constant([[2.0]])}).numpy().tolist()
        [[2.0, -2.0]]
    """

    function: Callable[[dict[str, tf.Tensor]], tf.Tensor]
    inputs: Mapping[str, tf.TensorSpec]
    owner: Any = None

    @property
    def batch_size(self) -> int | None:
        """The number of rows that every call must have; None when any number does."""
        sizes = {spec.shape[0] for spec in self.inputs.values()} - {None}
        return sizes.pop() if sizes else None

    def check_attackable(self, features: tuple[str, ...]) -> None:
        """Checks that an attacker can change these features.

        Raises:
            ValueError: A feature is not an input of the model, or is not floating.
        """
        absent = [name for name in features if name not in self.inputs]
        if absent:
            raise ValueError(
                f"Expected RobustnessConfig.features among the model's inputs: "
                f"{', '.join(sorted(self.inputs))}. Received: {', '.join(absent)}."
            )
        for name in features:
            dtype = self.inputs[name].dtype
            if not dtype.is_floating:
                raise ValueError(
                    "Expected RobustnessConfig.features of a floating dtype: a gradient exists for "
                    f"no other. Received: {name!r} of dtype {dtype.name}; leave it out, and it "
                    "stays as it is in each example."
                )


def load_model(path: str) -> ModelUnderTest:
    """Loads a SavedModel for attack: its signature `raw_features`, not Keras' `load_model`.

    A signature works for models of any origin, and its gradients by the features are exact.

    Args:
        path: The SavedModel's folder.

    Raises:
        OSError: No SavedModel is there.
        UnusableModelError: The signature is missing, or is not one from dense features to logits.
    """
    loaded = tf.saved_model.load(os.fspath(path))
    if SIGNATURE not in loaded.signatures:
        found = ", ".join(sorted(loaded.signatures)) or "none"
        raise UnusableModelError(
            f'The model has no signature "{SIGNATURE}" (found: {found}), so its gradients cannot '
            f"be reached; {_EXPORT}."
        )
    signature = loaded.signatures[SIGNATURE]
    inputs = dict(signature.structured_input_signature[1])
    _check_outputs(signature.structured_outputs)

    return ModelUnderTest(lambda features: signature(**features)[LOGITS], inputs, loaded)


def _check_outputs(outputs: Any) -> None:
    if not isinstance(outputs, Mapping) or LOGITS not in outputs:
        found = ", ".join(sorted(outputs)) if isinstance(outputs, Mapping) else str(outputs)
        raise UnusableModelError(
            f'The signature "{SIGNATURE}" has no output "{LOGITS}" (found: {found}); {_EXPORT}.'
        )
    spec = outputs[LOGITS]
    if not spec.dtype.is_floating:
        raise UnusableModelError(
            f'The output "{LOGITS}" has dtype {spec.dtype.name}: classes have no gradient; '
            f"{_EXPORT}."
        )
    shape = spec.shape
    if shape.rank is not None and (shape.rank != 2 or shape[1] == 1):
        raise UnusableModelError(
            f'The output "{LOGITS}" has shape {shape.as_list()}, not [batch, classes] with two '
            "classes or more; give a model of one logit a second, constant 0."
        )
