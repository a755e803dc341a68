"""What a user's Transform module holds: a sentence as the words that are in it."""

import tensorflow as tf
import tensorflow_transform as tft

WORDS = 300


def preprocessing_fn(inputs):
    words = tf.strings.split(tf.reshape(inputs["text"], [-1]))
    numbers = tft.compute_and_apply_vocabulary(
        words.to_sparse(), top_k=WORDS, default_value=WORDS, vocab_filename="words"
    )
    dense = tf.sparse.to_dense(numbers, default_value=WORDS)
    bag = tf.reduce_max(tf.one_hot(dense, WORDS + 1), axis=1)[:, :WORDS]
    label = inputs["label"]
    if isinstance(label, tf.SparseTensor):  # some examples have none
        one_each = tf.SparseTensor(label.indices, label.values, [label.dense_shape[0], 1])
        label = tf.sparse.to_dense(one_each, default_value=-1)
    return {
        "id": tf.reshape(inputs["id"], [-1, 1]),
        "bag": tf.reshape(tf.math.l2_normalize(bag, axis=1), [-1, WORDS]),
        "label": tf.reshape(label, [-1, 1]),
    }
