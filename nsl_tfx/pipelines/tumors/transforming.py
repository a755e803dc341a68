"""What Transform makes of a row; the pushed model does the same to what it is sent."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from nsl_tfx.pipelines.tumors.config import COLUMNS, LARGEST


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns the features of transformed examples.

    Each of `COLUMNS` `[batch, 1]` is in standard deviations from its mean, at most `LARGEST` to
    either side; a missing value is 0, the mean. `id` and `label` are passed on.

    Args:
        inputs: `COLUMNS`, `id` and `label`, one value an example; columns may miss some.
    """
    outputs = {name: _standardized(inputs[name]) for name in COLUMNS}
    return {**outputs, **{name: tf.reshape(inputs[name], [-1, 1]) for name in ("id", "label")}}


def _standardized(column: Any) -> tf.Tensor:
    # Before missing values are filled in, so that they count in neither mean nor deviation.
    scores = tft.scale_to_z_score(column)
    if isinstance(scores, tf.SparseTensor):
        one_each = tf.SparseTensor(scores.indices, scores.values, [scores.dense_shape[0], 1])
        scores = tf.sparse.to_dense(one_each, default_value=0.0)
    return tf.reshape(tf.clip_by_value(scores, -LARGEST, LARGEST), [-1, 1])
