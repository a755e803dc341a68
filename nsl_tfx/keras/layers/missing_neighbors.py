"""Inputs for the neighbors' features, made after the examples' own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, GraphNeighborConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.keras.layers.weight_dtype import check_weight_dtype
from nsl_tfx.lib import strip_neighbor_features


def make_missing_neighbor_inputs(
    neighbor_config: GraphNeighborConfig,
    inputs: Mapping[str, Any],
    weight_dtype: Any = tf.float32,
) -> dict[str, Any]:
    """Makes the neighbors' inputs that a functional model still lacks.

    `NL_num_nbrs`, which counts an example's neighbors, is no feature that neighbors have. Where
    only some features are, give those alone: `{name: inputs[name] for name in feature_names}`.

    Args:
        neighbor_config: How neighbors' features are named, and how many there are.
        inputs: Name to `keras.Input`, `[batch, ...]`: the examples' own features, and those of the
            neighbors' inputs that there are already. Stays as it is.
        weight_dtype: Of the edge weights.

    Returns:
        A new dict of the absent inputs alone, to be merged with `inputs`: each neighbor's features,
        of the shape, dtype and kind (dense, sparse, ragged) of the example's, and its weight
        `[batch, 1]`.

    Raises:
        TypeError: `neighbor_config` is no GraphNeighborConfig, or `inputs` no dict of inputs.
        ValueError: A neighbor's feature would bear the name of its edge weight, or `weight_dtype`
            is not floating.

    Example:
        >>> inputs = {"x": keras.Input((3,), name="x")}
        >>> missing = make_missing_neighbor_inputs(GraphNeighborConfig(max_neighbors=1), inputs)
        >>> {name: tensor.shape for name, tensor in missing.items()}
        {'NL_nbr_0_x': (None, 3), 'NL_nbr_0_weight': (None, 1)}
    """
    config = require_config("neighbor_config", neighbor_config, GraphNeighborConfig)
    dtype = check_weight_dtype(weight_dtype)
    shared = find_shared_features(config, inputs)
    for name, value in shared.items():
        if not keras.utils.is_keras_tensor(value):
            kind = type(value).__name__
            raise TypeError(f"Expected inputs[{name!r}] to be a keras.Input. Received: a {kind}.")
    made = {}
    batch = next((value.shape[0] for value in shared.values()), None)
    for i in range(config.max_neighbors):
        for feature, own in shared.items():
            name = config.feature_name(i, feature)
            if name not in inputs:
                made[name] = keras.Input(batch_shape=own.shape, name=name, **describe_kind(own))
        name = config.weight_name(i)
        if name not in inputs:
            made[name] = keras.Input((1,), batch_size=batch, name=name, dtype=dtype)
    return made


def find_shared_features(
    config: GraphNeighborConfig,
    inputs: Mapping[str, Any],
    feature_names: Collection[str] | None = None,
) -> dict[str, Any]:
    """Returns those of the examples' own features that neighbors have too.

    Args:
        config: How neighbors' features are named.
        inputs: Features by name, neighbors' among them.
        feature_names: Names of the features to return; all when None, except the count of
            neighbors.

    Raises:
        TypeError: `inputs` is no dict.
        ValueError: The examples lack one of `feature_names`, or a neighbor's feature would bear
            the name of its edge weight.
    """
    if not isinstance(inputs, Mapping):
        raise TypeError(
            f"Expected inputs as a dict of features by name. Received: a {type(inputs).__name__}."
        )
    own = strip_neighbor_features(inputs, config)
    names = [name for name in own if name != NUM_NEIGHBORS_FEATURE]
    if feature_names is not None:
        absent = [name for name in feature_names if name not in own]
        if absent:
            raise ValueError(
                f"Expected feature_names among the examples' features: {', '.join(own)}. "
                f"Received also: {', '.join(absent)}."
            )
        names = [name for name in own if name in feature_names]
    for name in names:
        if config.feature_name(0, name) == config.weight_name(0):
            raise ValueError(
                f"Expected no feature whose name on a neighbor, {config.weight_name(0)!r}, is the "
                f"edge weight's. Received: {name!r}. Rename it, or choose another weight_suffix."
            )
    return {name: own[name] for name in names}


def describe_kind(tensor: Any) -> dict[str, Any]:
    """Returns a symbolic tensor's dtype and kind, as arguments of `keras.Input`."""
    kind = {"dtype": tensor.dtype, "sparse": tensor.sparse}
    # Older Keras has no symbolic ragged tensors, and does not take the argument.
    return {**kind, "ragged": True} if getattr(tensor, "ragged", False) else kind
