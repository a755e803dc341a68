"""Reading and writing tf.Examples, files and folders, without TFX.

Names are loaded at their first use: most need TensorFlow, but reading local TFRecords does not.
Modules are imported by their users: `decoding` (Arrow) and `beam_records` (Beam); `wire`, a
tf.Example's bytes; `storage`, a file's bytes, and `publishing`, so that it appears whole.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsl_tfx.io.parsing import parsing_spec, read_schema
    from nsl_tfx.io.records import matching_files, read_examples, read_records, write_records
    from nsl_tfx.io.staging import staged
    from nsl_tfx.io.tfrecords import RecordBlock, read_record_blocks

_MODULES = {
    "RecordBlock": "tfrecords",
    "matching_files": "records",
    "parsing_spec": "parsing",
    "read_examples": "records",
    "read_record_blocks": "tfrecords",
    "read_records": "records",
    "read_schema": "parsing",
    "staged": "staging",
    "write_records": "records",
}

__all__ = [
    "RecordBlock",
    "matching_files",
    "parsing_spec",
    "read_examples",
    "read_record_blocks",
    "read_records",
    "read_schema",
    "staged",
    "write_records",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"nsl_tfx.io.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'nsl_tfx.io' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
