"""Reading and writing tf.Examples and folders, with TensorFlow alone (no TFX, no Beam)."""

from nsl_tfx.io.parsing import parsing_spec, read_schema
from nsl_tfx.io.records import matching_files, read_examples, read_records, write_records
from nsl_tfx.io.staging import staged

__all__ = [
    "matching_files",
    "parsing_spec",
    "read_examples",
    "read_records",
    "read_schema",
    "staged",
    "write_records",
]
