"""Serialized tf.Examples, taken apart by what many of them have in common."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from nsl_tfx.io.wire.framing import FIRST, MORE, SECOND, frame_features
from nsl_tfx.io.wire.messages import normalize

# What is remembered, of each kind, before all of it is forgotten: this bounds its memory.
_MAX_KNOWN = 1 << 14
# Arrangements of examples of one size: three features can be written in six orders.
_MAX_OF_SIZE = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What stands before a feature's value; one object for all features that are alike in it.

    Attributes:
        name: The feature's name.
        size: Bytes of the value.
        text: The header itself.
        width: Bytes of `text`.
    """

    name: bytes
    size: int
    text: bytes
    width: int


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """Which features an example has; one object for all examples that are alike in it.

    Attributes:
        names: Their names, ascending.
    """

    names: tuple[bytes, ...]


class Arrangement:
    """Where features lie in an example; one object for many examples that are alike in that.

    Attributes:
        start: What stands before the features.
        features: The header of each, and where its value begins, in the order of the names.
        layout: Which features these are.
        marks: The headers and where they begin, in the order that they are written in.
        moves: Where the features' entries begin and end, in the order of the names; None where they
            are written in that order.
        canonical: The arrangement of the same features in the order of the names.
        uses: How many examples were found to have it, beside the first.
        plans: What users derived from it, by a key of theirs.
    """

    __slots__ = ("canonical", "features", "layout", "marks", "moves", "plans", "start", "uses")

    def __init__(self, start: bytes, features: Sequence[tuple[Header, int]], layout: Layout):
        self.start = start
        self.features = features
        self.layout = layout
        self.marks = [(header.text, begin - header.width) for header, begin in features]
        self.moves: list[tuple[int, int]] | None = None
        self.canonical = self
        self.uses = 0
        self.plans: dict[Any, Any] = {}

    def fits(self, record: bytes) -> bool:
        """Tells whether an example of the right size is arranged so."""
        if not record.startswith(self.start):
            return False
        for text, begin in self.marks:  # noqa: SIM110 - `all` takes twice as long
            if not record.startswith(text, begin):
                return False
        return True


class Split(NamedTuple):
    """A tf.Example, taken apart.

    Attributes:
        record: The example, serialized, in canonical form.
        arrangement: Where its features lie.
    """

    record: bytes
    arrangement: Arrangement

    @property
    def features(self) -> Sequence[tuple[Header, int]]:
        """The header of each feature, and where its value begins in `record`."""
        return self.arrangement.features

    @property
    def layout(self) -> Layout:
        """Which features these are."""
        return self.arrangement.layout

    def value(self, name: bytes) -> bytes | None:
        """Returns a feature's value, serialized; None where the feature is absent."""
        for header, begin in self.arrangement.features:
            if header.name == name:
                return self.record[begin : begin + header.size]
        return None


class Splitter:
    """Finds the features of serialized tf.Examples.

    Example:
        >>> from nsl_tfx.io.wire import join_features
        >>> split = Splitter().split(join_features([(b"y", b"two"), (b"x", b"one")]))
        >>> split.arrangement.layout.names, split.value(b"y")
        ((b'x', b'y'), b'two')
    """

    def __init__(self) -> None:
        # By the start of an entry up to the end of its name.
        self._headers: dict[bytes, Header] = {}
        self._layouts: dict[tuple[bytes, ...], Layout] = {}
        # By the example's size: the writers of examples arrange equal ones differently.
        self._recent: dict[int, list[Arrangement]] = {}
        self._recent_names = 0

    def split(self, record: bytes) -> Split:
        """Takes an example apart, and makes it canonical first.

        Raises:
            ValueError: The record is no tf.Example.
        """
        for arrangement in self._recent.get(len(record), ()):
            if arrangement.fits(record):
                arrangement.uses += 1
                return _move(record, arrangement)
        found = self._find(record)
        if found is None:
            record = normalize(record)
            found = self._find(record)
            assert found is not None, "what is normalized can be taken apart"
        return _move(record, self._arrange(record, found))

    def _arrange(self, record: bytes, found: list[tuple[Header, int]]) -> Arrangement:
        names = tuple([header.name for header, _ in found])
        start = record[: found[0][1] - found[0][0].width] if found else b""
        if all(map(operator.lt, names, names[1:])):
            layout = self._layouts.get(names)
            if layout is None:
                layout = _remember(self._layouts, names, Layout(names))
            result = Arrangement(start, found, layout)
        else:
            ascending = sorted(found, key=lambda one: one[0].name)
            moves = [(begin - header.width, begin + header.size) for header, begin in ascending]
            canonical = frame_features([record[begin:end] for begin, end in moves])
            after = self.split(canonical).arrangement
            result = Arrangement(start, after.features, after.layout)
            result.marks = [(header.text, begin - header.width) for header, begin in found]
            result.moves = moves
            result.canonical = after
        self._remember_arrangement(len(record), result)
        return result

    def _remember_arrangement(self, size: int, arrangement: Arrangement) -> None:
        self._recent_names += len(arrangement.layout.names) + 1
        if self._recent_names > _MAX_KNOWN:
            self._recent.clear()
            self._recent_names = len(arrangement.layout.names) + 1
        same_size = self._recent.setdefault(size, [])
        if len(same_size) >= _MAX_OF_SIZE:
            same_size.pop(0)
        same_size.append(arrangement)

    def _find(self, record: bytes) -> list[tuple[Header, int]] | None:
        """Returns the features in their order; None where the record is written in an odd way."""
        try:
            return self._scan(record)
        except (IndexError, UnicodeDecodeError):
            return None

    def _scan(self, record: bytes) -> list[tuple[Header, int]] | None:
        size = len(record)
        if not size:
            return []
        position, end = _span(record, 0, FIRST)
        if end != size:
            return None
        known = self._headers
        features = []
        while position < size:
            # The entry's length has one byte or two in most entries, the name's has one.
            name = position + (4 if record[position + 1] < MORE else 5)
            start = record[position : name + record[name - 1]]
            header = known.get(start)
            if header is None or not record.startswith(header.text, position):
                header = _read_header(record, position)
                _remember(known, start, header)
            begin = position + header.width
            features.append((header, begin))
            position = begin + header.size
        if position != size or len({header.name for header, _ in features}) < len(features):
            return None
        return features


def _move(record: bytes, arrangement: Arrangement) -> Split:
    """Returns an example that has the arrangement, in canonical form."""
    if arrangement.moves is None:
        return Split(record, arrangement)
    parts = [arrangement.start, *[record[begin:end] for begin, end in arrangement.moves]]
    return Split(b"".join(parts), arrangement.canonical)


def _read_header(record: bytes, position: int) -> Header:
    """Returns the header of the entry that begins at `position`.

    Raises:
        IndexError: The entry is written in an odd way, or none.
        UnicodeDecodeError: Its name is no text.
    """
    inside, end = _span(record, position, FIRST)
    name_begin, name_end = _span(record, inside, FIRST)
    begin, value_end = _span(record, name_end, SECOND)
    if not value_end == end <= len(record):
        raise IndexError
    name = record[name_begin:name_end]
    name.decode()
    return Header(name, end - begin, record[position:begin], begin - position)


def _span(record: bytes, position: int, tag: int) -> tuple[int, int]:
    """Returns where a field's content begins and ends.

    Raises:
        IndexError: It has another tag, or its length is not written in the shortest way.
    """
    if record[position] != tag:
        raise IndexError
    position += 1
    byte = record[position]
    length, shift = byte & 0x7F, 0
    while byte & MORE:
        position += 1
        shift += 7
        byte = record[position]
        length |= (byte & 0x7F) << shift
    if shift and not byte:
        raise IndexError
    position += 1
    return position, position + length


def _remember(known: dict[Any, Any], key: Any, value: Any) -> Any:
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = value
    return value
