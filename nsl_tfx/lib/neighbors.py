"""Taking the neighbors' features out of a batch of augmented examples."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from nsl_tfx.configs import GraphNeighborConfig

Features = dict[str, tf.Tensor]


def strip_neighbor_features(
    features: Mapping[str, tf.Tensor], config: GraphNeighborConfig
) -> Features:
    """Returns the features that belong to the examples themselves.

    Args:
        features: Name to `[batch, ...]`.
        config: Its prefix marks neighbors' features.
    """
    return {name: value for name, value in features.items() if not name.startswith(config.prefix)}


def unpack_neighbor_features(
    features: Mapping[str, tf.Tensor], config: GraphNeighborConfig
) -> tuple[Features, Features, tf.Tensor]:
    """Separates examples from their neighbors.

    Args:
        features: Name to `[batch, ...]`. Every feature without the prefix needs its counterpart
            for each of `max_neighbors` neighbors, and each neighbor its weight `[batch, 1]`.
        config: How neighbors' features are named, and how many there are.

    Returns:
        The examples' features; the neighbors' features `[batch * max_neighbors, ...]`, example by
        example (row `b * max_neighbors + i` is neighbor `i` of example `b`); and the edge weights
        `[batch * max_neighbors, 1]`, 0 where a neighbor is missing.

    Raises:
        KeyError: A neighbor's feature or weight is absent.

    Example:
        >>> config = GraphNeighborConfig(max_neighbors=1)
        >>> x = {"a": [[1.0]], "NL_nbr_0_a": [[2.0]], "NL_nbr_0_weight": [[0.5]]}
        >>> own, theirs, weights = unpack_neighbor_features(x, config)
        >>> float(theirs["a"][0, 0]), float(weights[0, 0])
        (2.0, 0.5)
    """
    own = strip_neighbor_features(features, config)
    if config.max_neighbors == 0:
        return own, {name: value[:0] for name, value in own.items()}, tf.zeros([0, 1])
    indices = range(config.max_neighbors)
    weights = _interleave(features, [config.weight_name(i) for i in indices])
    neighbors = {
        name: _interleave(features, [config.feature_name(i, name) for i in indices]) for name in own
    }
    return own, neighbors, weights


def _interleave(features: Mapping[str, tf.Tensor], names: list[str]) -> tf.Tensor:
    """Stacks `[batch, ...]` tensors to `[batch * names, ...]`, example by example."""
    absent = [name for name in names if name not in features]
    if absent:
        raise KeyError(
            f"Expected the neighbor features {', '.join(names)}. Missing: {', '.join(absent)}. "
            "Lower max_neighbors, or augment the examples with this feature."
        )
    stacked = tf.stack([features[name] for name in names], axis=1)
    return tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], axis=0))
