"""Taking a batch of augmented examples apart, as a layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.keras.layers.missing_neighbors import describe_kind, find_shared_features
from nsl_tfx.keras.layers.weight_dtype import check_weight_dtype
from nsl_tfx.lib import strip_neighbor_features, unpack_neighbor_features


@keras.saving.register_keras_serializable(package="nsl_tfx")
class NeighborFeatures(keras.layers.Layer):
    """Separates the examples' features from their neighbors'.

    The layer regroups features and computes nothing, so the dtype policy does not concern it: each
    feature leaves it in the dtype in which it came, strings included. What follows casts as its own
    policy says. Under `mixed_float16` a cast here would turn the number 70000 into infinity for
    good, and small weights into missing neighbors.

    Args:
        neighbor_config: How neighbors' features are named, and how many there are; none by default.
        feature_names: The features that neighbors have; those of the examples that are not among
            them are left out. By default all of the examples', of which `NL_num_nbrs`, the count of
            neighbors, is not asked of neighbors.
        weight_dtype: Floating dtype of the edge weights; the one in which they come by default.
        **kwargs: Keras's `name`, `dtype` and `trainable`.

    Raises:
        TypeError: `neighbor_config` is no GraphNeighborConfig, or `feature_names` is one string.
        ValueError: `weight_dtype` is not floating.

    Example:
        >>> from nsl_tfx.keras.layers import make_missing_neighbor_inputs
        >>> config = GraphNeighborConfig(max_neighbors=2)
        >>> inputs = {"x": keras.Input((3,), name="x")}
        >>> inputs |= make_missing_neighbor_inputs(config, inputs)
        >>> own, theirs, weights = NeighborFeatures(config)(inputs, keep_rank=False)
        >>> own["x"].shape, theirs["x"].shape, weights.shape
        ((None, 3), (None, 2, 3), (None, 2, 1))
    """

    def __init__(
        self,
        neighbor_config: GraphNeighborConfig | None = None,
        feature_names: Collection[str] | None = None,
        weight_dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if isinstance(feature_names, str):
            raise TypeError(
                f"Expected feature_names as a list of names. Received: {feature_names!r}. "
                f"Pass [{feature_names!r}]."
            )
        config = GraphNeighborConfig() if neighbor_config is None else neighbor_config
        self.neighbor_config = require_config("neighbor_config", config, GraphNeighborConfig)
        self.feature_names = None if feature_names is None else tuple(feature_names)
        self.weight_dtype = None if weight_dtype is None else check_weight_dtype(weight_dtype)

    def call(
        self, inputs: Mapping[str, Any], keep_rank: bool = True
    ) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Separates the features.

        Args:
            inputs: Name to a dense, sparse or ragged tensor `[batch, ...]`; the edge weights dense,
                `[batch, 1]` or `[batch]`.
            keep_rank: Whether neighbors are laid out as more rows rather than along an axis of
                their own.

        Returns:
            The examples' own features. The neighbors' features `[batch * max_neighbors,
            ...]`, example by example, and the edge weights `[batch * max_neighbors, 1]`, 0 where a
            neighbor is missing; without `keep_rank` `[batch, max_neighbors, ...]` and `[batch,
            max_neighbors, 1]`.

        Raises:
            TypeError: `inputs` is no dict.
            ValueError: A neighbor's feature or weight is absent, or not like the example's; the
                examples lack one of `feature_names`; or a neighbor's feature bears the name of its
                edge weight.
        """
        shared = self._find_shared(inputs)
        own = strip_neighbor_features(inputs, self.neighbor_config)
        relevant = {
            name: value for name, value in inputs.items() if name in shared or name not in own
        }
        _, neighbors, weights = unpack_neighbor_features(relevant, self.neighbor_config, keep_rank)
        if self.weight_dtype is not None:
            weights = tf.cast(weights, self.weight_dtype)
        return self._named(own), neighbors, weights

    def compute_output_spec(
        self, inputs: Mapping[str, Any], keep_rank: bool = True
    ) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Returns the outputs' shapes, dtypes and kinds, as symbolic tensors.

        Keras would find them by a trace, in which ragged tensors are dense and sparse ones lose
        their shape.
        """
        config, count = self.neighbor_config, self.neighbor_config.max_neighbors
        shared = self._find_shared(inputs)
        own = {
            name: _spec(value, value.shape)
            for name, value in self._named(strip_neighbor_features(inputs, config)).items()
        }
        if count == 0:
            dtype = self.weight_dtype or "float32"
            return own, {}, keras.KerasTensor((0, 1) if keep_rank else (0, 0, 1), dtype)
        neighbors = {}
        for name, value in shared.items():
            parts = [inputs[config.feature_name(i, name)] for i in range(count)]
            _check_alike(name, value, parts)
            neighbors[name] = _spec(parts[0], _stack_shapes(parts, keep_rank))
        parts = [_weight_column(inputs[config.weight_name(i)]) for i in range(count)]
        shape = _stack_shapes(parts, keep_rank)
        return own, neighbors, keras.KerasTensor(shape, self.weight_dtype or parts[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's settings as plain JSON values."""
        return {
            **super().get_config(),
            "neighbor_config": self.neighbor_config.to_dict(),
            "feature_names": None if self.feature_names is None else list(self.feature_names),
            "weight_dtype": self.weight_dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NeighborFeatures:
        """Makes the layer that `get_config` described."""
        neighbor_config = GraphNeighborConfig.from_dict(config["neighbor_config"])
        return super().from_config({**config, "neighbor_config": neighbor_config})

    def _named(self, own: dict[str, Any]) -> dict[str, Any]:
        """Returns the features that `feature_names` names; all where there is none."""
        names = self.feature_names
        return own if names is None else {n: value for n, value in own.items() if n in names}

    def _find_shared(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the features that neighbors have, having seen that each neighbor has them."""
        config = self.neighbor_config
        shared = find_shared_features(config, inputs, self.feature_names)
        wanted = [
            name
            for i in range(config.max_neighbors)
            for name in (*(config.feature_name(i, own) for own in shared), config.weight_name(i))
        ]
        absent = [name for name in wanted if name not in inputs]
        if absent:
            # No KeyError: Keras adds lines to a layer's errors, which that one shows escaped.
            raise ValueError(
                f"Expected the neighbor features {', '.join(wanted)}. Missing: "
                f"{', '.join(absent)}. In a functional model merge the inputs that are missing: "
                "inputs | make_missing_neighbor_inputs(neighbor_config, inputs). Elsewhere lower "
                "max_neighbors, or name in feature_names the features that neighbors have."
            )
        return shared


def _check_alike(name: str, own: Any, parts: list[Any]) -> None:
    """Raises ValueError where neighbors' inputs cannot be stacked; what is called checks itself."""
    # Neighbors among themselves have one dtype; the example's may be another.
    kind = {**describe_kind(own), "dtype": parts[0].dtype}
    for i, part in enumerate(parts):
        # A sparse tensor is as wide as its longest row, which says nothing of another's width.
        alike = (
            len(part.shape) == len(own.shape)
            if own.sparse
            else tf.TensorShape(part.shape[1:]).is_compatible_with(own.shape[1:])
        )
        if not alike or describe_kind(part) != kind:
            raise ValueError(
                f"Expected feature {name!r} of neighbor {i} like the example's: {own}. "
                f"Received: {part}."
            )


def _weight_column(weight: Any) -> Any:
    """Returns what a neighbor's weights `[batch, 1]` or `[batch]` become, `[batch, 1]`."""
    dense = not weight.sparse and not getattr(weight, "ragged", False)
    if not dense or weight.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"Expected a neighbor's weights dense, [batch, 1] or [batch]. Received: {weight}."
        )
    return keras.KerasTensor((weight.shape[0], 1), weight.dtype)


def _stack_shapes(parts: list[Any], keep_rank: bool) -> tuple[int | None, ...]:
    shape = tf.TensorShape(parts[0].shape)
    for part in parts[1:]:
        shape = shape.most_specific_compatible_shape(part.shape)
    batch, *rest = shape.as_list()
    if not keep_rank:
        return (batch, len(parts), *rest)
    return (None if batch is None else batch * len(parts), *rest)


def _spec(like: Any, shape: tuple[int | None, ...]) -> Any:
    return keras.KerasTensor(shape, **describe_kind(like))
