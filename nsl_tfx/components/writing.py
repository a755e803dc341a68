"""Writing Examples and their Schema the way all components of this package do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.util import examples_utils
from tfx.types import artifact_utils

from nsl_tfx.components import reading
from nsl_tfx.io import storage

COUNTS_FILE = "counts.json"
"""Where a pipeline leaves what it counted, in the folder of the examples that it writes."""


def take_counts(folder: str, names: Iterable[str]) -> dict[str, int]:
    """Returns what a pipeline counted, 0 for what it did not, and removes its file.

    Args:
        folder: That of the examples.
        names: What may have been counted.
    """
    path = storage.join(folder, COUNTS_FILE)
    counts = dict.fromkeys(names, 0) | json.loads(storage.read_bytes(path))
    storage.remove(path)
    return counts


def write_schema(folder: str, schema: schema_pb2.Schema) -> None:
    """Writes the file of a Schema artifact."""
    content = text_format.MessageToString(schema).encode()
    storage.write_bytes(storage.join(folder, "schema.pbtxt"), content)


def describe_alike(written: Any, source: Any) -> None:
    """Lets an Examples artifact say of itself what the one that it was made of says.

    Args:
        written: Holds the same splits, in the same formats.
        source: One that `reading.split_names` takes.
    """
    written.split_names = artifact_utils.encode_split_names(reading.split_names(source))
    written.span = source.span
    written.version = source.version
    examples_utils.set_payload_format(written, examples_utils.get_payload_format(source))
    examples_utils.set_file_format(written, examples_utils.get_file_format(source))
