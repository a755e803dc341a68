"""Batches of features out of files, for a model that says what it takes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nsl_tfx.io.parsing import parsing_spec, read_schema
from nsl_tfx.io.tfrecords import RecordBlock, read_record_blocks
from nsl_tfx.robustness.data import NO_LABEL
from nsl_tfx.robustness.models.records import RECORD

Batch = Mapping[str, Any]

_ARRAYS = ".npz"
_DTYPES = {"float_list": tf.float32, "int64_list": tf.int64, "bytes_list": tf.string}
# What stands for the value of an example that has none, of a feature that the model does not take.
_ABSENT = {tf.float32: float("nan"), tf.int64: -1, tf.string: ""}


def batch_reader(
    files: Sequence[str],
    inputs: Mapping[str, tf.TensorSpec],
    label: str,
    batch_size: int,
    schema: str | None = None,
) -> Callable[[list[str]], Iterator[Batch]]:
    """Returns what reads the named features of files, one after the other.

    tf.Examples are parsed with the shapes and dtypes that the model takes; what it does not say,
    and features that are no input, as the first example has them.

    Args:
        files: TFRecord files of tf.Examples, gzipped or not, or `.npz` files of arrays by name.
        inputs: What the model takes.
        label: Name of the label, one integer an example.
        batch_size: Examples in a batch of TFRecords; an `.npz` file is a batch.
        schema: A Schema in text form, which then tells shapes, dtypes and what may be absent.

    Raises:
        FileNotFoundError: There is no such Schema; other errors come while reading.
    """
    described = None if schema is None else read_schema(schema)

    def read(names: list[str]) -> Iterator[Batch]:
        for file in files:
            if file.endswith(_ARRAYS):
                yield _read_arrays(file, names)
                continue
            spec: dict[str, Any] = {}
            for block in read_record_blocks(file, max_records=batch_size):
                parsed = [name for name in names if name != RECORD]
                if described is not None:
                    spec = parsing_spec(described, parsed, {label: NO_LABEL})
                else:
                    spec = spec or _spec_of(block, parsed, inputs, label)
                batch = _parse(block, spec)
                yield {**batch, RECORD: np.array(block[2], object)} if RECORD in names else batch

    return read


def float_features(file: str) -> list[str]:
    """Returns which features of the first example of a file are floats; none where it has none."""
    if file.endswith(_ARRAYS):
        arrays = _open_arrays(file)
        return [name for name in arrays.files if arrays[name].dtype.kind == "f"]
    for block in read_record_blocks(file, max_records=1):
        found = _kinds(block)
        return sorted(name for name, (kind, _) in found.items() if kind == "float_list")
    return []


def feature_names(file: str) -> list[str]:
    """Returns which features the first example of a file has; none where it has no example."""
    if file.endswith(_ARRAYS):
        return list(_open_arrays(file).files)
    for block in read_record_blocks(file, max_records=1):
        return sorted(_kinds(block))
    return []


def _spec_of(
    block: RecordBlock, names: list[str], inputs: Mapping[str, tf.TensorSpec], label: str
) -> dict[str, Any]:
    found = _kinds(block)
    _check_present(block[0], names, list(found))
    spec: dict[str, Any] = {}
    for name in names:
        kind, count = found[name]
        dtype = _DTYPES.get(kind)
        if dtype is None:
            raise ValueError(
                f"Expected values in the feature {name!r}. Received: the first example of "
                f"{block[0]} has it without any; evaluate on examples that have them."
            )
        if name == label:
            # One that is no integer is refused where all examples are looked at.
            absent = NO_LABEL if dtype == tf.int64 else None
            spec[name] = tf.io.FixedLenFeature([], dtype, absent)
        elif name in inputs:
            spec[name] = tf.io.FixedLenFeature(_shape(inputs[name], count), dtype)
        elif count == 1:
            spec[name] = tf.io.FixedLenFeature([], dtype, _ABSENT[dtype])
        else:
            spec[name] = tf.io.VarLenFeature(dtype)
    return spec


def _shape(spec: tf.TensorSpec, count: int) -> list[int]:
    """Returns one example's shape: the model's, where that is told in full."""
    own = spec.shape[1:] if spec.shape.rank is not None else spec.shape
    if own.is_fully_defined():
        return list(own.as_list())
    if own.rank == 1 or own.rank is None:
        return [count]
    sizes = own.as_list()
    known = int(np.prod([size for size in sizes if size is not None]))
    if sizes.count(None) == 1 and known and count % known == 0:
        return [count // known if size is None else size for size in sizes]
    return [count]


def _kinds(block: RecordBlock) -> dict[str, tuple[str, int]]:
    """Returns of each feature of the first example in what list it is, and how many values."""
    from google.protobuf.message import DecodeError

    try:
        example = tf.train.Example.FromString(block[2][0])
    except DecodeError:
        raise _no_example(block) from None
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind") or ""
        found[name] = (kind, len(getattr(feature, kind).value) if kind else 0)
    return found


def _parse(block: RecordBlock, spec: dict[str, Any]) -> Batch:
    file, first, records = block
    try:
        parsed: Batch = tf.io.parse_example(tf.constant(records), spec)
        return parsed
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"Expected {file} to hold tf.Examples with {_describe(spec)}. Received otherwise in "
            f"one of the records {first} to {first + len(records) - 1} (counted from 0): "
            f"{_short(error.message)} Evaluate on other examples, or write them anew."
        ) from None


def _describe(spec: dict[str, Any]) -> str:
    parts = []
    for name, one in spec.items():
        shape = "" if isinstance(one, tf.io.VarLenFeature) else f" {list(one.shape)}"
        parts.append(f"{name} ({one.dtype.name}{shape})")
    return ", ".join(parts)


def _short(message: str) -> str:
    # TensorFlow's own names of the operation are nobody's concern.
    first = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", message, flags=re.DOTALL).strip()
    return first.rstrip(".") + "."


def _no_example(block: RecordBlock) -> ValueError:
    return ValueError(
        f"Expected {block[0]} to hold serialized tf.Examples. Received: something else in record "
        f"{block[1]} (counted from 0); leave the file out, or write it anew."
    )


def _check_present(file: str, names: Sequence[str], present: Sequence[str]) -> None:
    absent = [name for name in names if name not in present]
    if absent:
        raise ValueError(
            f"Expected {file} to hold the features {', '.join(names)}. Received examples without "
            f"{', '.join(absent)}; they have {', '.join(sorted(present)) or 'none'}; name the "
            "features and the label as they are called there."
        )


def _read_arrays(file: str, names: list[str]) -> Batch:
    arrays = _open_arrays(file)
    # All of them make the tf.Examples of a model that takes those.
    wanted = arrays.files if RECORD in names else names
    _check_present(file, [name for name in names if name != RECORD], arrays.files)
    try:
        found = {name: arrays[name] for name in wanted}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _no_arrays(file, error) from None
    for name, value in found.items():
        if value.ndim == 0:
            raise ValueError(
                f"Expected arrays [examples, ...] in {file}. Received: {name!r}, a single value; "
                "write it without."
            )
    return found


def _open_arrays(file: str) -> Any:
    source: Any = file
    if "://" in file:
        with tf.io.gfile.GFile(file, "rb") as opened:
            source = io.BytesIO(opened.read())
    try:
        arrays = np.load(source, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _no_arrays(file, error) from None
    if not hasattr(arrays, "files"):
        # The file is one of numpy.save under another name.
        raise _no_arrays(file, "a single array without a name")
    return arrays


def _no_arrays(file: str, reason: Any) -> ValueError:
    return ValueError(
        f"Expected {file} to hold arrays of numbers or text by name, as numpy.savez writes them. "
        f"Received: {reason}. Write it anew."
    )
