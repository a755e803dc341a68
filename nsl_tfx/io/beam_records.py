"""Beam transforms from TFRecord files to blocks of records, and on to Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io.decoding import declared_types, decode_features
from nsl_tfx.io.records import find_files
from nsl_tfx.io.tfrecords import (
    BYTES_IN_BLOCK,
    RECORDS_IN_BLOCK,
    RecordBlock,
    read_record_blocks,
)

_TYPES = "types"
_MAIN = "main"
_KINDS = {"large_binary": "bytes", "float": "floats", "int64": "integers"}


class ReadRecordBlocks(beam.PTransform):
    """Reads TFRecord files, gzipped or not, as blocks of records in no order.

    One worker reads a file from its start to its end, many read many files. Beam's own reader loses
    the rest of a gzip stream that was cut off; this one fails.

    Element type: `RecordBlock`.

    Args:
        patterns: Globs of the files; each must match at least one.
        what: What the files are, for the error where a glob matches none.
        max_records: Records of a block.
        max_bytes: Bytes of a block's records.

    Raises:
        FileNotFoundError: A glob matches no file; raised before the pipeline runs.
        ValueError: A file is cut off, damaged or no TFRecord file; raised while the pipeline runs.
    """

    def __init__(
        self,
        patterns: str | Sequence[str],
        what: str = "TFRecord files",
        max_records: int = RECORDS_IN_BLOCK,
        max_bytes: int = BYTES_IN_BLOCK,
    ):
        super().__init__()
        patterns = [patterns] if isinstance(patterns, str) else list(patterns)
        self._files = sorted({file for one in patterns for file in find_files(one, what)})
        self._limits = (max_records, max_bytes)

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read, *self._limits)
        )


class DecodeFeatures(beam.PTransform):
    """Decodes named features, and refuses one whose type differs between blocks.

    Element types: `RecordBlock` to (`RecordBlock`, `pyarrow.RecordBatch`): the records as they
    came, and a row of columns for each; see `nsl_tfx.io.decoding.decode_features`.

    Args:
        features: Names of the features.
        schema: Describes the examples; without it types are as found.

    Raises:
        ValueError: The schema lacks a feature; raised before the pipeline runs. A record is no
            tf.Example, or a feature's type is not the same everywhere; raised while it runs.
    """

    def __init__(self, features: Iterable[str], schema: schema_pb2.Schema | None = None):
        super().__init__()
        self._features = tuple(dict.fromkeys(features))
        self._schema = None
        if schema is not None:
            declared_types(schema, self._features)
            named = [one for one in schema.feature if one.name in self._features]
            self._schema = schema_pb2.Schema(feature=named).SerializeToString()

    def expand(self, blocks: Any) -> Any:
        """Applies the transform."""
        decoded = blocks | "Decode" >> beam.ParDo(
            _Decode(self._features, self._schema)
        ).with_outputs(_TYPES, main=_MAIN)
        _ = (
            decoded[_TYPES]
            | "FirstOfEachType" >> beam.CombinePerKey(min)
            | "ByFeature" >> beam.Map(_by_feature)
            | "GroupTypes" >> beam.GroupByKey()
            | "CheckTypes" >> beam.Map(_check_types)
        )
        return decoded[_MAIN]


class _Decode(beam.DoFn):
    def __init__(self, features: Sequence[str], schema: bytes | None):
        self._features = features
        self._serialized = schema
        self._schema: schema_pb2.Schema | None = None

    def setup(self) -> None:
        if self._serialized is not None:
            self._schema = schema_pb2.Schema.FromString(self._serialized)

    def process(self, block: RecordBlock) -> Iterator[Any]:
        batch = decode_features(block, self._features, self._schema)
        yield block, batch
        if self._schema is None:
            for field in batch.schema:
                if not pa.types.is_null(field.type):
                    kind = _KINDS[str(field.type.value_type)]
                    yield TaggedOutput(_TYPES, ((field.name, kind), (block[0], block[1])))


def _by_feature(
    first: tuple[tuple[str, str], tuple[str, int]],
) -> tuple[str, tuple[str, str, int]]:
    (feature, kind), (file, record) = first
    return feature, (kind, file, record)


def _check_types(types: tuple[str, Iterable[tuple[str, str, int]]]) -> None:
    feature, found = types
    kinds = sorted(found)
    if len(kinds) > 1:
        listed = " and ".join(f"{kind} after record {n} of {file}" for kind, file, n in kinds)
        raise ValueError(
            f"Expected values of one type in the feature {feature!r}. Received: {listed}. Write "
            "the feature with one type, or give the Schema, so that an example that does not fit "
            "is named."
        )


def _read(path: str, max_records: int, max_bytes: int) -> Iterator[RecordBlock]:
    return read_record_blocks(path, max_records, max_bytes)
