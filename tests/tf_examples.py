"""tf.Examples out of Python's values, and back."""

import tensorflow as tf


def make_example(**features) -> bytes:
    """A serialized tf.Example; the values of a feature are bytes, floats or integers."""
    example = tf.train.Example()
    for name, values in features.items():
        feature = example.features.feature[name]
        for value in values:
            if isinstance(value, bytes):
                feature.bytes_list.value.append(value)
            elif isinstance(value, float):
                feature.float_list.value.append(value)
            else:
                feature.int64_list.value.append(value)
    return example.SerializeToString()


def values_of(record: bytes) -> dict[str, list]:
    """The values of each feature of a serialized tf.Example."""
    features = tf.train.Example.FromString(record).features.feature
    return {
        name: [*one.bytes_list.value, *one.float_list.value, *one.int64_list.value]
        for name, one in features.items()
    }
