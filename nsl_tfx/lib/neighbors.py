"""Taking the neighbors' features out of a batch of augmented examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.configs.base import require_config

Features = dict[str, Any]


def strip_neighbor_features(
    features: Mapping[str, Any], neighbor_config: GraphNeighborConfig
) -> Features:
    """Returns the features that belong to the examples themselves.

    Args:
        features: Name to `[batch, ...]`.
        neighbor_config: Its prefix marks neighbors' features.

    Example:
        >>> list(strip_neighbor_features({"a": 1, "NL_nbr_0_a": 2}, GraphNeighborConfig()))
        ['a']
    """
    require_config("neighbor_config", neighbor_config, GraphNeighborConfig)
    prefix = neighbor_config.prefix
    return {name: value for name, value in features.items() if not name.startswith(prefix)}


def unpack_neighbor_features(
    features: Mapping[str, Any], neighbor_config: GraphNeighborConfig, keep_rank: bool = True
) -> tuple[Features, Features, tf.Tensor]:
    """Separates examples from their neighbors.

    Args:
        features: Name to a dense, sparse or ragged tensor `[batch, ...]`. Every feature without
            the prefix needs its counterpart for each of `max_neighbors` neighbors, and each
            neighbor its weight, dense `[batch, 1]` or `[batch]`. Sparse and ragged features
            cannot be unpacked under XLA, which has no kernels for it.
        neighbor_config: How neighbors' features are named, and how many there are.
        keep_rank: Whether neighbors are laid out as more rows rather than along an axis of their
            own.

    Returns:
        The examples' features. The neighbors' features, `[batch * max_neighbors, ...]`, example by
        example (row `b * max_neighbors + i` is neighbor `i` of example `b`), or without `keep_rank`
        `[batch, max_neighbors, ...]`. The edge weights, `[batch * max_neighbors, 1]` or
        `[batch, max_neighbors, 1]`, 0 where a neighbor is missing.

    Raises:
        KeyError: A neighbor's feature or weight is absent.
        ValueError: A neighbor's feature is of another shape, dtype or kind than the example's.

    Example:
        >>> config = GraphNeighborConfig(max_neighbors=1)
        >>> x = {"a": [[1.0]], "NL_nbr_0_a": [[2.0]], "NL_nbr_0_weight": [[0.5]]}
        >>> own, theirs, weights = unpack_neighbor_features(x, config)
        >>> float(theirs["a"][0, 0]), float(weights[0, 0])
        (2.0, 0.5)
    """
    own = {
        name: _as_tensor(value)
        for name, value in strip_neighbor_features(features, neighbor_config).items()
    }
    if neighbor_config.max_neighbors == 0:
        return own, {}, tf.zeros([0, 1] if keep_rank else [0, 0, 1])
    blocks, weights = neighbor_blocks(features, own, neighbor_config)
    neighbors = {name: _stack([block[name] for block in blocks], keep_rank) for name in own}
    stacked_weights = tf.stack([tf.reshape(weight, [-1, 1]) for weight in weights], axis=1)
    if keep_rank:
        stacked_weights = tf.reshape(stacked_weights, [-1, 1])
    return own, neighbors, stacked_weights


def neighbor_blocks(
    features: Mapping[str, Any], own: Mapping[str, Any], neighbor_config: GraphNeighborConfig
) -> tuple[list[Features], list[tf.Tensor]]:
    """Returns the features of each neighbor number apart, by their own names, and its weights.

    Args:
        features: As in `unpack_neighbor_features`.
        own: The examples' features whose counterparts are taken.
        neighbor_config: How neighbors' features are named, and how many there are.

    Returns:
        For each neighbor number its features, name to `[batch, ...]`; and its edge weights,
        `[batch, 1]` or `[batch]`, as they came.

    Raises:
        KeyError: A neighbor's feature or weight is absent.
        ValueError: A neighbor's feature is of another shape, dtype or kind than the example's, or a
            weight is not one number an example.
    """
    count = neighbor_config.max_neighbors
    names = [neighbor_config.weight_name(i) for i in range(count)]
    weights = _take(features, names)
    for name, weight in zip(names, weights, strict=True):
        _check_weight(name, weight)
    blocks: list[Features] = [{} for _ in range(count)]
    for feature, value in own.items():
        parts = _take(features, [neighbor_config.feature_name(i, feature) for i in range(count)])
        _check_alike(feature, _as_tensor(value), parts)
        for block, part in zip(blocks, parts, strict=True):
            block[feature] = part
    return blocks, weights


def _take(features: Mapping[str, Any], names: list[str]) -> list[Any]:
    absent = [name for name in names if name not in features]
    if absent:
        raise KeyError(
            f"Expected the neighbor features {', '.join(names)}. Missing: {', '.join(absent)}. "
            f"Received: {', '.join(map(str, features))}. Lower max_neighbors, or augment the "
            "examples with this feature."
        )
    return [_as_tensor(features[name]) for name in names]


def _check_weight(name: str, weight: Any) -> None:
    dense = not isinstance(weight, (tf.SparseTensor, tf.RaggedTensor))
    if not dense or not any(weight.shape.is_compatible_with(s) for s in ([None], [None, 1])):
        raise ValueError(
            f"Expected neighbor weight {name!r} as one number an example, dense [batch, 1] or "
            f"[batch]. Received: {type(weight).__name__} of shape {weight.shape}."
        )


def _as_tensor(value: Any) -> Any:
    if isinstance(value, (tf.SparseTensor, tf.RaggedTensor)):
        return value
    return tf.convert_to_tensor(value)


def _check_alike(name: str, own: Any, parts: list[Any]) -> None:
    for i, part in enumerate(parts):
        sparse = isinstance(own, tf.SparseTensor)
        # A sparse tensor is as wide as its longest row, which says nothing of another's width.
        alike = (
            part.shape.rank == own.shape.rank
            if sparse
            else part.shape[1:].is_compatible_with(own.shape[1:])
        )
        alike = alike and part.dtype == own.dtype
        if isinstance(part, tf.SparseTensor) != sparse or not alike:
            raise ValueError(
                f"Expected feature {name!r} of neighbor {i} like the example's: "
                f"{type(own).__name__} of {own.dtype.name} and shape {own.shape}. Received: "
                f"{type(part).__name__} of {part.dtype.name} and shape {part.shape}."
            )


def _stack(parts: list[Any], keep_rank: bool) -> Any:
    """Stacks `[batch, ...]` tensors to `[batch, parts, ...]`; with `keep_rank` as more rows."""
    if isinstance(parts[0], tf.SparseTensor):
        expanded = [tf.sparse.expand_dims(part, 1) for part in parts]
        stacked = tf.sparse.concat(1, expanded, expand_nonconcat_dims=True)
        if not keep_rank:
            return stacked
        rows = tf.reduce_prod(stacked.dense_shape[:2], keepdims=True)
        return tf.sparse.reshape(stacked, tf.concat([rows, stacked.dense_shape[2:]], axis=0))
    stacked = tf.stack(parts, axis=1)
    if not keep_rank:
        return stacked
    if isinstance(stacked, tf.RaggedTensor):
        return stacked.merge_dims(0, 1)
    return tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], axis=0))
