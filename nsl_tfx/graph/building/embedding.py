"""Embeddings of examples by a SavedModel, made on the way to the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from apache_beam.utils.shared import Shared
from numpy.typing import NDArray

from nsl_tfx.configs import EmbeddingModelConfig
from nsl_tfx.graph.building.blocks import EMBEDDING_COLUMN
from nsl_tfx.io import RecordBlock

_USUAL_OUTPUT = "embeddings"


class EmbeddingModel:
    """A SavedModel's signature that makes a vector of each example.

    Every call has the same number of examples, the last ones repeated where there are fewer:
    TensorFlow compiles once, and a vector does not depend on how many others are made with it.

    Args:
        path: The SavedModel's folder.
        config: Which signature is called, and with what.

    Raises:
        ValueError: The folder holds no SavedModel, or its signature does not fit the config.
    """

    def __init__(self, path: str, config: EmbeddingModelConfig):
        self._config = config
        # What `load` returns owns the variables: without it they are gone.
        self._model = _load(path)
        signatures = self._model.signatures
        if config.signature not in signatures:
            raise ValueError(
                f"Expected EmbeddingModelConfig.signature to name a signature of {path}: "
                f"{', '.join(signatures) or 'it has none'}. Received: {config.signature!r}."
            )
        self._call = signatures[config.signature]
        self._inputs = _match_inputs(self._call.structured_input_signature[1], config)
        self._output = _choose_output(self._call.structured_outputs, config)

    def embed(self, block: RecordBlock, batch: pa.RecordBatch) -> pa.Array:
        """Returns a list of float32 for each row; null where a row lacks a feature of the model.

        Args:
            block: The records, which are passed whole where the config names no features.
            batch: Their features, a row a record.

        Raises:
            ValueError: A feature does not fit the signature's input, or the output is no matrix.
        """
        rows, inputs = self._read(block, batch)
        if not len(rows):
            return pa.nulls(batch.num_rows, pa.large_list(pa.float32()))
        size = self._config.batch_size
        parts = []
        for begin in range(0, len(rows), size):
            part = {name: values[begin : begin + size] for name, values in inputs.items()}
            parts.append(self._embed_part(part, min(size, len(rows) - begin)))
        vectors = np.concatenate(parts)
        lengths = np.zeros(batch.num_rows, np.int64)
        lengths[rows] = vectors.shape[1]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1)))

    def _read(
        self, block: RecordBlock, batch: pa.RecordBatch
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
        """Returns the rows that have all features, and the signature's inputs for these."""
        if self._config.features is None:
            (name,) = self._inputs
            return np.arange(len(block[2])), {name: np.array(block[2], object)}
        columns = {
            name: batch.column(batch.schema.get_field_index(feature))
            for name, (feature, _) in self._inputs.items()
        }
        has_all = np.ones(batch.num_rows, bool)
        for column in columns.values():
            has_all &= _lengths(column) > 0
        rows = np.flatnonzero(has_all)
        if not len(rows):
            return rows, {}
        inputs = {
            name: _to_input(columns[name].take(pa.array(rows)), *self._inputs[name])
            for name in columns
        }
        return rows, inputs

    def _embed_part(self, inputs: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.float32]:
        size = self._config.batch_size
        filled = {
            name: np.concatenate([values, np.repeat(values[-1:], size - count, axis=0)])
            for name, values in inputs.items()
        }
        tensors = {name: tf.constant(values) for name, values in filled.items()}
        vectors = self._call(**tensors)[self._output].numpy()
        if vectors.ndim != 2 or len(vectors) != size:
            raise ValueError(
                f"Expected the output {self._output!r} of the embedding model to be of shape "
                f"[{size}, dimension]. Received: {list(vectors.shape)}. Name another one in "
                "EmbeddingModelConfig.output, or pool it in the model."
            )
        return vectors[:count].astype(np.float32)


class EmbedExamples(beam.DoFn):
    """Adds the column of embeddings to (`RecordBlock`, `pyarrow.RecordBatch`).

    Args:
        path: The SavedModel's folder.
        config: How it is called.
    """

    def __init__(self, path: str, config: EmbeddingModelConfig):
        super().__init__()
        self._path = path
        self._config = config
        self._shared = Shared()

    def setup(self) -> None:
        """Loads the model, once a process."""
        self._model = self._shared.acquire(lambda: EmbeddingModel(self._path, self._config))

    def process(
        self, element: tuple[RecordBlock, pa.RecordBatch]
    ) -> Iterator[tuple[RecordBlock, pa.RecordBatch]]:
        """Embeds one block."""
        block, batch = element
        columns = [*batch.columns, self._model.embed(block, batch)]
        names = [*batch.schema.names, EMBEDDING_COLUMN]
        # What follows needs the records' place only.
        yield (block[0], block[1], []), pa.RecordBatch.from_arrays(columns, names=names)


def _load(path: str) -> Any:
    try:
        return tf.saved_model.load(path)
    except OSError as error:
        raise ValueError(
            f"Expected a SavedModel in {path}. Received: {error}. Give the folder that holds "
            "saved_model.pb."
        ) from error


def _match_inputs(
    specs: Mapping[str, Any], config: EmbeddingModelConfig
) -> dict[str, tuple[str, Any]]:
    """Returns the feature and the specification of each input of the signature."""
    if config.features is None:
        if len(specs) != 1 or next(iter(specs.values())).dtype != tf.string:
            raise ValueError(
                f"Expected the signature {config.signature!r} to take serialized examples, as one "
                f"input of strings. Received: {_shown(specs)}. Name the features that it takes in "
                "EmbeddingModelConfig.features."
            )
        return {name: ("", spec) for name, spec in specs.items()}
    if len(specs) == len(config.features) == 1:
        return {name: (config.features[0], spec) for name, spec in specs.items()}
    if set(specs) != set(config.features):
        raise ValueError(
            f"Expected EmbeddingModelConfig.features to name the inputs of the signature "
            f"{config.signature!r}: {_shown(specs)}. Received: {', '.join(config.features)}."
        )
    return {name: (name, spec) for name, spec in specs.items()}


def _choose_output(outputs: Mapping[str, Any], config: EmbeddingModelConfig) -> str:
    wanted = config.output
    if wanted is None:
        wanted = next(iter(outputs)) if len(outputs) == 1 else _USUAL_OUTPUT
    if wanted not in outputs:
        raise ValueError(
            f"Expected EmbeddingModelConfig.output to name an output of the signature "
            f"{config.signature!r}: {_shown(outputs)}. Received: {config.output!r}."
        )
    return str(wanted)


def _shown(specs: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} ({spec.dtype.name} {spec.shape})" for name, spec in sorted(specs.items())
    )


def _lengths(column: pa.Array) -> NDArray[np.int64]:
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)


def _to_input(column: pa.Array, feature: str, spec: Any) -> NDArray[Any]:
    """Returns a feature's values in the shape that an input wants, `[rows, ...]`."""
    lengths: Sequence[int] = np.unique(_lengths(column)).tolist()
    flat = column.flatten()
    values = (
        np.array(flat.to_pylist(), object)
        if spec.dtype == tf.string
        else flat.to_numpy(zero_copy_only=False)
    )
    inner = spec.shape[1:] if spec.shape.rank is not None else None
    try:
        if len(lengths) > 1:
            raise ValueError(f"of {lengths[0]} to {lengths[-1]} values")
        if spec.dtype != tf.string and values.dtype.kind not in "fiu":
            raise ValueError(f"of {flat.type}")
        if spec.dtype != tf.string:
            values = values.astype(spec.dtype.as_numpy_dtype)
        shape = [-1 if size is None else size for size in inner] if inner is not None else [-1]
        if shape.count(-1) > 1:
            raise ValueError("for an input of several open dimensions")
        return values.reshape([len(column), *shape])
    except ValueError as error:
        raise ValueError(
            f"Expected the feature {feature!r} to fit the embedding model's input "
            f"{spec.dtype.name} {spec.shape}. Received it {error}."
        ) from None
