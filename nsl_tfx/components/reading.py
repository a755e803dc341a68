"""Reading Examples artifacts the way all components of this package do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfx.components.util import examples_utils
from tfx.types import artifact_utils
from tfx.utils import json_utils

from nsl_tfx.graph.examples.feature_names import absent_feature, feature_names
from nsl_tfx.io.beam_records import ReadRecordBlocks
from nsl_tfx.io.records import find_files
from nsl_tfx.io.tfrecords import RecordBlock, read_record_blocks

_PAYLOAD_FORMAT = "FORMAT_TF_EXAMPLE"
_FILE_FORMAT = "tfrecords_gzip"


def split_names(examples: Any) -> list[str]:
    """Returns the splits of an Examples artifact.

    Raises:
        ValueError: Its payload is no tf.Example, or its files are no gzipped TFRecords.
    """
    received = (
        examples_utils.get_payload_format_string(examples),
        examples_utils.get_file_format(examples),
    )
    if received != (_PAYLOAD_FORMAT, _FILE_FORMAT):
        raise ValueError(
            f"Expected examples of payload format {_PAYLOAD_FORMAT} and file format "
            f"{_FILE_FORMAT}. Received: {received[0]} and {received[1]}."
        )
    pattern = examples_utils.CUSTOM_SPLIT_PATTERN_PROPERTY_NAME
    if examples.has_custom_property(pattern):
        return list(json_utils.loads(examples.get_string_custom_property(pattern)))
    return list(artifact_utils.decode_split_names(examples.split_names))


def check_splits(wanted: Sequence[str], available: Sequence[str], where: str) -> None:
    """Raises ValueError where a wanted split is not there; `where` names the setting."""
    absent = [split for split in wanted if split not in available]
    if absent:
        raise ValueError(
            f"Expected {where} to name splits of the examples: {', '.join(available)}. "
            f"Received: {', '.join(absent)}."
        )


def split_files(examples: Any, split: str) -> list[str]:
    """Returns the files of one split of an Examples artifact that `split_names` takes, sorted.

    Raises:
        FileNotFoundError: There is none.
    """
    found = [find_files(one, _files_of(split)) for one in _patterns(examples, split)]
    return sorted({file for files in found for file in files})


def check_labels(examples: Any, feature: str | None, info: Mapping[str, Any]) -> None:
    """Looks whether a label that was asked for is one that examples have.

    All files are read again, but only where no node of the graph has a label.

    Args:
        examples: The Examples artifact, one that `split_names` takes.
        feature: The feature of the label; None where none was asked for.
        info: The content of `graph.json`.

    Raises:
        ValueError: No example of any split has the feature.
    """
    agreement = info["metrics"].get("label_agreement")
    if feature is None or not agreement or agreement["labeled_nodes"]:
        return
    first: RecordBlock | None = None
    for split in split_names(examples):
        for block in (one for file in split_files(examples, split) for one in _blocks(file)):
            if feature in feature_names(block):
                return
            first = first or block
    if first is not None:
        raise absent_feature(feature, first, "Name another label_feature, or none.")


def _blocks(file: str) -> Iterator[RecordBlock]:
    return (block for block in read_record_blocks(file) if block[2])


class ReadSplit(ReadRecordBlocks):
    """Reads one split's records in blocks, strictly: a file that was cut off is an error.

    Element type: `nsl_tfx.io.RecordBlock`; `nsl_tfx.io.beam_records.DecodeFeatures` decodes them.

    Args:
        examples: The Examples artifact, one that `split_names` takes.
        split: The split's name.

    Raises:
        FileNotFoundError: The split has no file; raised before the pipeline runs.
        ValueError: A file is cut off, damaged or no TFRecord file; raised while the pipeline runs.
    """

    def __init__(self, examples: Any, split: str):
        super().__init__(_patterns(examples, split), what=_files_of(split))


def _patterns(examples: Any, split: str) -> list[str]:
    return list(examples_utils.get_split_file_patterns([examples], split))


def _files_of(split: str) -> str:
    return f"files of the split {split!r}"
