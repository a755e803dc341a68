"""Serialized tf.Examples, for models that take nothing else.

The bytes of two protobuf messages in a row are one message that holds what both hold, and of two
entries of a map with the same key the last one counts
(https://protobuf.dev/programming-guides/encoding/#last-one-wins). So a feature of a serialized
tf.Example is changed by appending an example that has but this feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.io.wire import encode_varint, join_features

RECORD = "(serialized tf.Example)"
"""The name, among a model's inputs, of the whole example as it was read."""

# Feature's field float_list (2), and its field value (1): both are length-delimited.
_FLOAT_LIST, _VALUE = b"\x12", b"\x0a"


def put_floats(records: tf.Tensor, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns serialized tf.Examples with other values of float features; no gradient flows.

    Args:
        records: `[batch]`, serialized tf.Examples.
        features: Name to `[batch, ...]`; present features are replaced, others added.

    Example:
        >>> import tensorflow as tf
        >>> records = put_floats(tf.constant([b""]), {"a": tf.constant([[1.5, 2.0]])})
        >>> spec = {"a": tf.io.FixedLenFeature([2], tf.float32)}
        >>> tf.io.parse_example(records, spec)["a"].numpy().tolist()
        [[1.5, 2.0]]
    """
    names = [name.encode() for name in features]

    def put(own: NDArray[Any], *values: NDArray[Any]) -> NDArray[Any]:
        rows = [np.ascontiguousarray(value, "<f4").reshape(len(own), -1) for value in values]
        changed = np.empty(len(own), object)
        for i, record in enumerate(own):
            values_of_row = [_encode_floats(value[i]) for value in rows]
            changed[i] = record + join_features(zip(names, values_of_row, strict=True))
        return changed

    # TensorFlow's own encoder of protobufs needs a call for each of the five nested messages.
    changed = tf.numpy_function(put, [records, *features.values()], tf.string, stateful=False)
    return tf.ensure_shape(changed, records.shape)


def with_records(
    batches: Mapping[str, Any] | Iterable[Any],
) -> Iterator[Any]:
    """Adds to batches that lack them the serialized tf.Examples of all that they hold.

    Args:
        batches: A dict of `[batch, ...]` by feature name, or several.
    """
    for batch in [batches] if isinstance(batches, Mapping) else batches:
        if not isinstance(batch, Mapping) or RECORD in batch:
            yield batch
        else:
            yield {**batch, RECORD: serialize_rows(batch)}


def serialize_rows(batch: Mapping[str, Any]) -> NDArray[Any]:
    """Returns each row of a batch as a serialized tf.Example, `[batch]`.

    Args:
        batch: `[batch, ...]` by feature name: floats, integers, booleans, text or bytes.

    Raises:
        ValueError: A feature is of another kind.

    Example:
        >>> (record,) = serialize_rows({"a": np.array([[1.0, 2.0]]), "id": ["x"]})
        >>> tf.train.Example.FromString(record).features.feature["a"].float_list.value
        [1.0, 2.0]
    """
    columns = {name: _rows_of(value) for name, value in batch.items()}
    count = min(map(len, columns.values()), default=0)
    records = np.empty(count, object)
    for row in range(count):
        features = {name: _feature(name, values[row]) for name, values in columns.items()}
        example = tf.train.Example(features=tf.train.Features(feature=features))
        records[row] = example.SerializeToString(deterministic=True)
    return records


def _rows_of(value: Any) -> list[NDArray[Any]]:
    if isinstance(value, tf.SparseTensor):
        value = tf.RaggedTensor.from_sparse(value)
    if isinstance(value, tf.RaggedTensor):
        return [np.asarray(row) for row in value]
    value = np.asarray(value)
    # Slices are arrays: of bytes alone NumPy would cut trailing zeros off.
    return [value[row : row + 1] for row in range(len(value))]


def _feature(name: str, value: NDArray[Any]) -> tf.train.Feature:
    flat = np.ravel(value)
    kind = flat.dtype.kind
    if kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=flat))
    if kind in "iub":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=flat.astype(np.int64)))
    if kind in "OSU":
        text = [one.encode() if isinstance(one, str) else bytes(one) for one in flat.tolist()]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=text))
    raise ValueError(
        f"Expected feature {name!r} of numbers or text, as a tf.Example can hold. Received: "
        f"{flat.dtype}."
    )


def _encode_floats(values: NDArray[Any]) -> bytes:
    data = values.tobytes()
    packed = _VALUE + encode_varint(len(data)) + data
    return _FLOAT_LIST + encode_varint(len(packed)) + packed
