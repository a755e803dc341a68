"""From serialized tf.Examples to rows that neighbors can be joined to."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from nsl_tfx.configs import AugmentConfig
from nsl_tfx.io.tfrecords import RecordBlock
from nsl_tfx.io.wire import Splitter, read_single, read_values


class Rows(NamedTuple):
    """Examples of one split. A tuple, because Beam passes it between workers.

    Attributes:
        split: The split's name.
        ids: Of each example; empty where it has none.
        records: Each, serialized, in canonical form.
        labeled: Whether each has a label.
    """

    split: str
    ids: list[bytes]
    records: list[bytes]
    labeled: list[bool]

    def extend(self, ids: list[bytes], records: list[bytes], labeled: list[bool]) -> None:
        """Adds further examples of the split."""
        self.ids.extend(ids)
        self.records.extend(records)
        self.labeled.extend(labeled)


class RowReader:
    """Reads ids and labels of blocks of serialized tf.Examples.

    Args:
        id_feature: The feature that holds the id.
        label_feature: The feature that holds the label; None where every example counts as labeled.
        no_label: A label that means that there is none.

    Attributes:
        has_seen_label: Whether an example that was read has the label's feature, with a value or
            not.
    """

    def __init__(
        self,
        id_feature: str,
        label_feature: str | None = None,
        no_label: int | str | None = None,
    ):
        self._splitter = Splitter()
        self._id_feature = id_feature
        self._id = id_feature.encode()
        self._label = None if label_feature is None else label_feature.encode()
        self.has_seen_label = False
        self._no_label = no_label.encode() if isinstance(no_label, str) else no_label
        # Few labels differ, many examples have one.
        self._means_label = functools.lru_cache(maxsize=1 << 12)(self._is_label)

    @classmethod
    def of(cls, config: AugmentConfig) -> RowReader:
        """Returns a reader with a component's settings."""
        return cls(config.id_feature, config.label_feature, config.no_label)

    def read(self, block: RecordBlock, split: str, needs_id: bool = True) -> Rows:
        """Returns a block's rows.

        Args:
            block: The records and where they come from.
            split: The split that they belong to.
            needs_id: Whether an example without an id is an error.

        Raises:
            ValueError: A record is no tf.Example, or has no id, several, or one that is neither
                bytes nor an integer; the message names file and record.
        """
        file, first, given = block
        ids = []
        records = []
        labeled = []
        for place, record in enumerate(given):
            try:
                split_record = self._splitter.split(record)
                identity = self._read_id(split_record.value(self._id), needs_id)
                is_labeled = self._label is None or self._has_label(split_record.value(self._label))
            except ValueError as error:
                raise ValueError(f"{file}, record {first + place} (from 0): {error}") from error
            ids.append(identity)
            records.append(split_record.record)
            labeled.append(is_labeled)
        return Rows(split, ids, records, labeled)

    def _read_id(self, value: bytes | None, needs_id: bool) -> bytes:
        try:
            identity = None if value is None else read_single(value)
        except ValueError as error:
            if not needs_id:
                return b""
            raise ValueError(f"The id, feature {self._id_feature!r}: {error}") from None
        if needs_id and not identity:
            raise ValueError(
                f"Expected an id in the feature {self._id_feature!r} of every example. Received "
                "an example without one. Name the feature that holds the id, or give the "
                "examples ids first."
            )
        return identity or b""

    def _has_label(self, value: bytes | None) -> bool:
        if value is None:
            return False
        self.has_seen_label = True
        return self._means_label(value)

    def _is_label(self, value: bytes) -> bool:
        values: Sequence[object] = read_values(value)
        return bool(values) and values[0] != self._no_label
