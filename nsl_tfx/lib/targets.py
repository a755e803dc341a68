"""Which class an attack aims at."""

from __future__ import annotations

import tensorflow as tf

from nsl_tfx.configs import AdvTargetConfig, AdvTargetType


def get_target_indices(
    logits: tf.Tensor, labels: tf.Tensor, adv_target_config: AdvTargetConfig
) -> tf.Tensor:
    """Returns a class for each example.

    Args:
        logits: `[batch, classes]`.
        labels: `[batch]`, returned as they are for `GROUND_TRUTH`.
        adv_target_config: Which class, and the seed of the random choice.

    Returns:
        `[batch]`, int32 except for the labels themselves.

    Example:
        >>> config = AdvTargetConfig(target_method="second")
        >>> get_target_indices([[0.1, 0.7, 0.2]], [1], config).numpy().tolist()
        [2]
    """
    logits = tf.convert_to_tensor(logits)
    method = adv_target_config.target_method
    if method is AdvTargetType.SECOND:
        return tf.math.top_k(logits, k=2).indices[:, 1]
    if method is AdvTargetType.LEAST:
        return tf.argmin(logits, axis=-1, output_type=tf.int32)
    if method is AdvTargetType.RANDOM:
        shape, seed = tf.shape(logits), int(adv_target_config.random_seed)
        return tf.random.uniform(shape[:1], maxval=shape[1], dtype=tf.int32, seed=seed)
    return tf.convert_to_tensor(labels)
