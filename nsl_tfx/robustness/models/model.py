"""The model under test: a function from features to logits."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.robustness.models.records import RECORD, put_floats
from nsl_tfx.robustness.models.signatures import UnusableModelError, choose_signature, inputs_of

__all__ = ["ModelUnderTest", "UnusableModelError", "load_model"]


@dataclasses.dataclass(frozen=True)
class ModelUnderTest:
    """A function from features to logits, differentiable where attacks shall use gradients.

    Attributes:
        function: Takes a dict of tensors `[batch, ...]` by feature name and returns logits
            `[batch, classes]`.
        inputs: Each feature's shape and dtype, the batch axis first. The one called `RECORD`, where
            there is one, is the whole example, serialized.
        owner: Kept as long as this object: a loaded SavedModel owns the variables, and its
            signature alone does not keep them alive.
        note: What was chosen for the user, in words; empty where there was no choice.
        labels_only: Whether the function returns classes `[batch]`, and no logits.

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
    note: str = ""
    labels_only: bool = False

    @property
    def batch_size(self) -> int | None:
        """The number of rows that every call must have; None when any number does."""
        sizes = {spec.shape[0] for spec in self.inputs.values()} - {None}
        return sizes.pop() if sizes else None

    def with_classes(self, classes: int) -> ModelUnderTest:
        """Returns a model that gives logits, if this one tells classes alone.

        They are 1 for the class, else 0. Numbers beyond `classes` share one more logit: such a
        class is never right, whichever it is.

        Args:
            classes: How many classes labels may name.

        Example:
            >>> spec = {"a": tf.TensorSpec([None, 1], tf.float32)}
            >>> model = ModelUnderTest(
            ...     lambda features: tf.argmax(features["a"], axis=1), spec, labels_only=True
            ... )
            >>> model.with_classes(1).function({"a": tf.zeros([1, 1])}).numpy().tolist()
            [[1.0, 0.0]]
        """
        if not self.labels_only:
            return self

        def function(values: dict[str, tf.Tensor]) -> tf.Tensor:
            found = tf.cast(tf.reshape(self.function(values), [-1]), tf.int64)
            known = tf.where((found >= 0) & (found < classes), found, classes)
            return tf.one_hot(known, classes + 1)

        return dataclasses.replace(self, function=function, labels_only=False)

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


def load_model(path: str | os.PathLike[str], features: tuple[str, ...] = ()) -> ModelUnderTest:
    """Loads a SavedModel for attack.

    Its signature `raw_features`, from dense features to `logits`, is taken where there is one. Else
    one of another name that takes the features and gives scores, through whose gradients it is
    attacked, too. Of a model that takes serialized tf.Examples only, the features are changed
    within those: no gradient flows, and attacks that need none are left. The last resort are
    signatures that tell no scores, but the class alone. `note` says which it was.

    Args:
        path: The SavedModel's folder.
        features: The features to attack; any float inputs when empty.

    Raises:
        OSError: No SavedModel is there.
        ValueError: The features are no inputs of the model.
        UnusableModelError: No signature fits.
    """
    loaded = tf.saved_model.load(os.fspath(path))
    chosen = choose_signature(loaded.signatures, features)
    signature = loaded.signatures[chosen.signature]
    specs = inputs_of(signature)

    def ask(arguments: Mapping[str, tf.Tensor]) -> tf.Tensor:
        named = {chosen.arguments[name]: value for name, value in arguments.items()}
        return signature(**named)[chosen.output]

    if RECORD in chosen.arguments:
        # What the examples hold is not said by the model; the data tell the shapes.
        inputs = {name: tf.TensorSpec(None, tf.float32) for name in features}
        inputs[RECORD] = specs[chosen.arguments[RECORD]]

        def function(values: dict[str, tf.Tensor]) -> tf.Tensor:
            changed = {name: values[name] for name in features}
            return ask({RECORD: put_floats(values[RECORD], changed)})
    else:
        inputs = {name: specs[argument] for name, argument in chosen.arguments.items()}

        def function(values: dict[str, tf.Tensor]) -> tf.Tensor:
            return ask({name: values[name] for name in chosen.arguments})

    return ModelUnderTest(function, inputs, loaded, chosen.note, chosen.labels_only)
