"""What Transform makes of a sentence; the pushed model does the same to what it is sent."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from nsl_tfx.pipelines.reviews.config import BUCKETS


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns the features of transformed examples.

    `words` `[batch, BUCKETS]` holds each word's TF-IDF, at the place of its hash: how often it is
    in the sentence, and how rare elsewhere; it has length 1, or 0 without words. `id` and `label`
    are passed on; the label of an example that has none is -1.

    Args:
        inputs: `id`, `text` and `label`, one value an example; `label` may be missing.
    """
    text = tf.strings.lower(tf.reshape(inputs["text"], [-1]))
    tokens = tf.strings.split(tf.strings.regex_replace(text, r"[^\p{L}\p{N}']+", " "))
    # Hashed, and not looked up in a vocabulary: Transform would go over the examples for that, and
    # once more for TF-IDF; and in TFX 1.16, beside the Beam of today, it fails at the second time.
    hashes = tft.hash_strings(tokens.to_sparse(), BUCKETS)
    found, weights = tft.tfidf(hashes, BUCKETS)
    places = tf.stack([found.indices[:, 0], found.values], axis=1)
    words = tf.scatter_nd(places, weights.values, [tf.size(text, tf.int64), BUCKETS])
    return {
        "id": tf.reshape(inputs["id"], [-1, 1]),
        "words": tf.reshape(tf.math.l2_normalize(words, axis=1), [-1, BUCKETS]),
        "label": _label(inputs["label"]),
    }


def _label(label: Any) -> tf.Tensor:
    """Returns labels `[batch, 1]`, of which some examples may have none."""
    if isinstance(label, tf.SparseTensor):
        one_each = tf.SparseTensor(label.indices, label.values, [label.dense_shape[0], 1])
        label = tf.sparse.to_dense(one_each, default_value=-1)
    return tf.reshape(label, [-1, 1])
