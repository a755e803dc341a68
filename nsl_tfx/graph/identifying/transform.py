"""Beam transform that gives every example an id.

Files are read twice: first for a digest of each example, then, once it is known which of them have
copies, for the examples themselves. So the examples need not pass between workers before they are
written, a million copies of one are a million digests, and what a worker holds is the digests of
a part of the data set, or what concerns the copies in one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import TaggedOutput
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import ExistingIds, IdentifyConfig
from nsl_tfx.graph.examples.writing import Row
from nsl_tfx.graph.identifying.content import Content, ContentReader
from nsl_tfx.graph.identifying.copies import TO_BE_GIVEN, number_copies
from nsl_tfx.graph.identifying.identity import (
    DIGEST_BYTES,
    digest_content,
    digest_id,
    make_id,
    read_id,
    undo_id,
)
from nsl_tfx.io.records import total_bytes
from nsl_tfx.io.tfrecords import read_record_blocks

COUNTS = ("examples", "ids_given", "duplicates", "integer_ids")
"""What is counted; see `IdentifyExamples`."""

# The number of a file and its path: files are numbered by split, then by name.
_File = tuple[int, str]

_COUNTS = "counts"
_MAIN = "main"
_DIGEST = np.dtype((">u8", DIGEST_BYTES // 8))
# Digests that one worker compares at once come from about so many bytes of files.
_BYTES_IN_PART = 32 << 20
_MAX_PARTS = 4096
# Digests that are collected before they are sent.
_ROWS_IN_MESSAGE = 1 << 18


class IdentifyExamples(beam.PTransform):
    """Reads splits' files and gives each example without an id one of its own.

    A new id is made of the example's content; see `nsl_tfx.graph.identifying.identity`. Of examples
    with equal content the first has that id as it is, and the others one that ends in `-1`, `-2`
    and so on; first come those of the split that is named first. An id that an example brought
    along is not given a second time.

    Element types: none to `Row` and (name, count). The counts may come in parts, which add up:
        examples: Examples read.
        ids_given: Those that got an id.
        duplicates: Those whose id ends in a number: others hold the same.
        integer_ids: Those that brought along an integer as their id.

    Args:
        files: Paths of each split's files, by split.
        config: The id's feature, and what becomes of ids that are there already.

    Raises:
        ValueError: An example's id is no id, or two examples brought along the same; the message
            names file and record. Raised while the pipeline runs.
    """

    def __init__(self, files: Mapping[str, Sequence[str]], config: IdentifyConfig):
        super().__init__()
        listed = [(split, path) for split, paths in files.items() for path in sorted(paths)]
        self._splits = [split for split, _ in listed]
        self._paths = [path for _, path in listed]
        self._config = config
        self._num_parts = min(_MAX_PARTS, 1 + total_bytes(self._paths) // _BYTES_IN_PART)

    def expand(self, pipeline: Any) -> Any:
        """Applies the transform; returns (rows, counts)."""
        files = (
            pipeline
            | "Files" >> beam.Create(list(enumerate(self._paths)))
            | "Spread" >> beam.Reshuffle()
        )
        digests = files | "Digest" >> beam.FlatMap(
            _digest_file, self._config, self._num_parts
        ).with_outputs(_COUNTS, main=_MAIN)
        numbers = (
            digests[_MAIN]
            | "GroupParts" >> beam.GroupByKey()
            | "Number" >> beam.FlatMap(_number_part).with_outputs(_COUNTS, main=_MAIN)
        )
        rows = (
            (files | "EveryFile" >> beam.Map(_every_file), numbers[_MAIN])
            | "FilesAndNumbers" >> beam.Flatten()
            | "GroupFiles" >> beam.GroupByKey()
            | "Identify" >> beam.FlatMap(_identify_file, self._paths, self._splits, self._config)
        )
        counts = (digests[_COUNTS], numbers[_COUNTS]) | "Counts" >> beam.Flatten()
        return rows, counts


def check_one_type(
    counts: Mapping[str, int], schema: schema_pb2.Schema | None, config: IdentifyConfig
) -> None:
    """Raises ValueError where ids are integers in some examples, or in the Schema, and else bytes.

    Args:
        counts: The sums of `COUNTS`.
        schema: The Schema of the examples with their ids.
        config: The id's feature.
    """
    integers, examples = counts["integer_ids"], counts["examples"]
    features = [] if schema is None else schema.feature
    declared = [one.type for one in features if one.name == config.id_feature]
    found = [schema_pb2.INT] * bool(integers) + [schema_pb2.BYTES] * (integers < examples)
    if len({*declared, *found}) > 1:
        names = " and ".join(schema_pb2.FeatureType.Name(kind) for kind in declared)
        raise ValueError(
            f"Expected ids of one type in the feature {config.id_feature!r}. Received: integers in "
            f"{integers} of {examples} examples, bytes in the others, {counts['ids_given']} of "
            f"which got theirs now{f', and a Schema that declares {names}' if names else ''}. Turn "
            "them into bytes, or replace all of them with IdentifyConfig(existing='replace')."
        )


# What passes between the steps. Of a part of the digests: file, rows in it, digests, numbers.
_Digests = tuple[int, NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]
# Of a file: rows in it, ascending, and their numbers; or a row whose id is also that of another
# file's row.
_Numbers = tuple[NDArray[np.int64], NDArray[np.int64]]
_Clash = tuple[int, int, int]


def _read_examples(
    path: str, config: IdentifyConfig
) -> Iterator[tuple[int, bytes, Content, bytes | int | None]]:
    """Yields each example's place in its file, its record, its content, and its id if it has one.

    Raises:
        ValueError: The file is damaged, or an example's id is no id or unwanted.
    """
    read = ContentReader(config.id_feature).read
    for _, first, records in read_record_blocks(path):
        for row, record in enumerate(records, first):
            try:
                content = read(record)
                identity = None if content.identity is None else _existing_id(content, config)
            except ValueError as error:
                raise ValueError(
                    f"{error} in {_where(path, row)}. Mend that example, or leave its file out."
                ) from None
            yield row, record, content, identity


def _digest_file(file: _File, config: IdentifyConfig, num_parts: int) -> Iterator[Any]:
    number, path = file
    digests = bytearray()
    numbers: list[int] = []
    start = given = integers = 0
    for _, _, content, identity in _read_examples(path, config):
        if identity is None:
            digests += digest_content(content)
            numbers.append(TO_BE_GIVEN)
            given += 1
        else:
            text = _as_bytes(identity)
            # An id that was made here before takes part in the numbering of what it is made of.
            digest, copy = undo_id(config.prefix, text) or (digest_id(text), 0)
            digests += digest
            numbers.append(copy)
            integers += isinstance(identity, int)
        if len(numbers) >= _ROWS_IN_MESSAGE:
            yield from _split_digests(number, start, digests, numbers, num_parts)
            start += len(numbers)
            digests, numbers = bytearray(), []
    yield from _split_digests(number, start, digests, numbers, num_parts)
    counts = {"examples": start + len(numbers), "ids_given": given, "integer_ids": integers}
    for count in counts.items():
        yield TaggedOutput(_COUNTS, count)


def _as_bytes(identity: bytes | int) -> bytes:
    return b"%d" % identity if isinstance(identity, int) else identity


def _existing_id(content: Content, config: IdentifyConfig) -> bytes | int | None:
    if config.existing is ExistingIds.REPLACE:
        return None
    identity = read_id(content, config.id_feature)
    if identity is not None and config.existing is ExistingIds.ERROR:
        raise ValueError(
            f"Expected no id in the feature {config.id_feature!r}, because of "
            f"IdentifyConfig.existing='error'. Received: {identity!r}"
        )
    return identity


def _split_digests(
    file: int, start: int, digests: bytearray, numbers: list[int], num_parts: int
) -> Iterator[tuple[int, _Digests]]:
    keys = np.frombuffer(bytes(digests), _DIGEST).astype(np.uint64)
    values = np.array(numbers, np.int64)
    parts = keys[:, 0] % np.uint64(num_parts)
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        yield int(part), (file, start + rows, keys[rows], values[rows])


def _number_part(group: tuple[int, Iterable[_Digests]]) -> Iterator[Any]:
    # Sorted, so that copies are numbered by file and row, in whatever order they came.
    messages = sorted(group[1], key=lambda one: (one[0], one[1][0]))
    files = np.concatenate([np.full(len(one[1]), one[0]) for one in messages])
    rows, keys, before = (np.concatenate([one[i] for one in messages]) for i in (1, 2, 3))
    numbers, pairs = number_copies(keys, before)
    for other, row in pairs[:1]:
        yield int(files[row]), (int(rows[row]), int(files[other]), int(rows[other]))
    told = np.flatnonzero((before == TO_BE_GIVEN) & (numbers > 0))
    yield TaggedOutput(_COUNTS, ("duplicates", len(told)))
    for file in np.unique(files[told]):
        here = told[files[told] == file]
        yield int(file), (rows[here], numbers[here])


def _every_file(file: _File) -> tuple[int, None]:
    return file[0], None


def _identify_file(
    group: tuple[int, Iterable[_Numbers | _Clash | None]],
    paths: Sequence[str],
    splits: Sequence[str],
    config: IdentifyConfig,
) -> Iterator[Row]:
    file, messages = group
    path, split = paths[file], splits[file]
    numbers: dict[int, int] = {}
    clashes = []
    for message in messages:
        if message is not None and len(message) == 3:
            clashes.append(message)
        elif message is not None:
            numbers.update(zip(message[0].tolist(), message[1].tolist(), strict=True))
    clash = min(clashes, default=None)
    write = ContentReader(config.id_feature).write
    for row, record, content, identity in _read_examples(path, config):
        if clash is not None and row == clash[0]:
            raise ValueError(
                f"Expected every id once. Received {identity!r} in {_where(path, row)} and in "
                f"{_where(paths[clash[1]], clash[2])}. Give one of them another id, or replace "
                "all ids with IdentifyConfig(existing='replace')."
            )
        if identity is None:
            new = make_id(config.prefix, digest_content(content), numbers.get(row, 0))
            yield split, new, write(content, new)
        else:
            yield split, _as_bytes(identity), record


def _where(path: str, row: int) -> str:
    return f"record {row} (counted from 0) of {path}"
