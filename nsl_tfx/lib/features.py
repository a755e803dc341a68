"""A model's input as tensors by name, whatever container it came in."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """An input, taken apart into what can be perturbed and what cannot.

    Attributes:
        dense: Floating dense tensors by name (their position in a list, None for a lone tensor).
        other: Integers, strings, sparse and ragged tensors and None, likewise.
        container: `dict`, `list` or `tf.Tensor`: what the input was.
    """

    dense: dict[Any, tf.Tensor]
    other: dict[Any, Any]
    container: type

    @classmethod
    def of(cls, features: Any) -> Features:
        """Takes an input apart: a tensor, or a dict, list or tuple of tensors.

        Raises:
            TypeError: A container lies inside another one.
        """
        named: dict[Any, Any]
        container: type
        if isinstance(features, Mapping):
            named, container = dict(features), dict
        elif isinstance(features, (list, tuple)):
            named, container = dict(enumerate(features)), list
        else:
            named, container = {None: features}, tf.Tensor
        dense: dict[Any, tf.Tensor] = {}
        other: dict[Any, Any] = {}
        for name, value in named.items():
            if isinstance(value, (Mapping, list, tuple)):
                raise TypeError(
                    "Expected features as a tensor, or a flat dict or list of tensors. Received "
                    f"feature {name!r} as a {type(value).__name__}."
                )
            if value is None or isinstance(value, (tf.SparseTensor, tf.RaggedTensor)):
                other[name] = value
                continue
            tensor = tf.convert_to_tensor(value)
            (dense if tensor.dtype.is_floating else other)[name] = tensor
        return cls(dense, other, container)

    def replace(self, dense: Mapping[Any, tf.Tensor]) -> Any:
        """Puts the input together again with other dense tensors, in its own kind of container."""
        together = {**dense, **self.other}
        if self.container is dict:
            return together
        if self.container is list:
            return [together[index] for index in range(len(together))]
        return together[None]

    def named(self, setting: Any) -> Any:
        """Returns a setting by feature name, where it came as a list that matches the input."""
        if self.container is list and isinstance(setting, (list, tuple)):
            return dict(enumerate(setting))
        return setting

    def hold(self, names: Container[Any]) -> Features:
        """Returns the same input, of which some features cannot be perturbed."""
        held = {name: value for name, value in self.dense.items() if name in names}
        dense = {name: value for name, value in self.dense.items() if name not in held}
        return Features(dense, {**self.other, **held}, self.container)


def batch_size(features: Any) -> tf.Tensor:
    """Returns the number of rows of an input, in any container; an int32 scalar."""
    first = next(value for value in tf.nest.flatten(features) if value is not None)
    if isinstance(first, tf.SparseTensor):
        return tf.cast(first.dense_shape[0], tf.int32)
    if isinstance(first, tf.RaggedTensor):
        return tf.cast(first.nrows(), tf.int32)
    return tf.shape(first)[0]
