"""Neighbors written into serialized tf.Examples."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, GraphNeighborConfig
from nsl_tfx.io.wire import (
    Arrangement,
    Header,
    Layout,
    Split,
    Splitter,
    encode_varint,
    entry_header,
    frame_features,
)

# What stands before the 4 bytes of a feature's single float.
_FLOAT = b"\x12\x06\x0a\x04"
_MAX_KNOWN = 1 << 14
# Where the pieces of a packed example come from: its own features, its neighbors in turn with the
# weights of the edges to them, and last its number of neighbors.
_OWN = 0
# What is derived from an arrangement is kept with it once this many examples have had it.
_USES_TO_KEEP = 64

# A header, and where the value that follows it begins and ends; at -1 the edge's weight follows.
_Pieces = list[tuple[bytes, int, int]]


class Packer:
    """Writes neighbors' features into examples.

    The result is canonical: its bytes depend on what it holds alone. Values are copied, not read.

    Args:
        names: How the new features are named.
        features: The features of a neighbor that are carried along, as far as it has them; all when
            None.
    """

    def __init__(self, names: GraphNeighborConfig, features: Sequence[str] | None = None):
        self._names = names
        self._features = None if features is None else frozenset(one.encode() for one in features)
        self._splitter = Splitter()
        self.split = self._splitter.split
        # By the layouts of an example and its neighbors: source, first and last of its pieces.
        self._orders: dict[tuple[Layout, ...], list[tuple[int, int, int]]] = {}
        # For each place among the neighbors: a neighbor's header to the one that is written.
        self._headers: list[dict[Header, bytes]] = []
        self._weight_headers: list[bytes] = []

    def pack(self, record: bytes, neighbors: Sequence[bytes], weights: Sequence[bytes]) -> bytes:
        """Returns a serialized tf.Example with its neighbors' features beside its own.

        Args:
            record: The example, serialized.
            neighbors: Each neighbor, serialized, best first.
            weights: Each edge's weight, as the bytes of a little-endian float32.

        Raises:
            ValueError: A record is no tf.Example, the example already has a feature of a new name,
                or two new names are equal.
        """
        return self.join([self.split(record), *map(self.split, neighbors)], weights)

    def join(self, splits: Sequence[Split], weights: Sequence[bytes]) -> bytes:
        """Returns what `pack` does, of what was taken apart by `split` before.

        Args:
            splits: The example, then its neighbors.
            weights: As `pack` takes them.

        Raises:
            ValueError: As `pack`, of names.
        """
        plans = [
            one.arrangement.plans.get(place) or self._pieces(place, one.arrangement)
            for place, one in enumerate(splits, start=-1)
        ]
        plans.append([(_number_of_neighbors(len(weights)), 0, 0)])
        parts: list[bytes] = []
        append = parts.append
        for source, first, last in self._order(tuple([one.arrangement.layout for one in splits])):
            pieces = plans[source]
            record = splits[source].record if source < len(splits) else b""
            for header, begin, end in pieces if last - first == len(pieces) else pieces[first:last]:
                append(header)
                append(record[begin:end] if begin >= 0 else weights[source - 1])
        return frame_features(parts)

    def project(self, record: bytes) -> bytes:
        """Returns a serialized tf.Example with only the features of it that are carried.

        Raises:
            ValueError: The record is no tf.Example.
        """
        canonical, arrangement = self.split(record)
        if self._features is None:
            return canonical
        return frame_features(
            [
                canonical[begin - header.width : begin + header.size]
                for header, begin in arrangement.features
                if header.name in self._features
            ]
        )

    def _pieces(self, place: int, arrangement: Arrangement) -> _Pieces:
        """Returns what an example gives as neighbor number `place`, or as itself at -1."""
        pieces = self._plan_pieces(place, arrangement)
        if arrangement.uses >= _USES_TO_KEEP:
            arrangement.plans[place] = pieces
        return pieces

    def _plan_pieces(self, place: int, arrangement: Arrangement) -> _Pieces:
        if place < 0:
            return [
                (b"", begin - header.width, begin + header.size)
                for header, begin in arrangement.features
            ]
        while len(self._headers) <= place:
            self._add_place()
        headers = self._headers[place]
        return [
            (self._weight_headers[place], -1, -1),
            *[
                (headers.get(header) or self._new_header(place, header), begin, begin + header.size)
                for header, begin in arrangement.features
            ],
        ]

    def _add_place(self) -> None:
        name = self._names.weight_name(len(self._headers)).encode()
        self._headers.append({})
        self._weight_headers.append(entry_header(name, len(_FLOAT) + 4) + _FLOAT)

    def _new_header(self, place: int, header: Header) -> bytes:
        known = self._headers[place]
        if len(known) >= _MAX_KNOWN:
            known.clear()
        text = known[header] = entry_header(self._new_name(place, header.name), header.size)
        return text

    def _new_name(self, place: int, name: bytes) -> bytes:
        return self._names.feature_name(place, name.decode()).encode()

    def _order(self, layouts: tuple[Layout, ...]) -> list[tuple[int, int, int]]:
        """Returns the runs of pieces, each of one source, in which all names ascend."""
        order = self._orders.get(layouts)
        if order is None:
            if len(self._orders) >= _MAX_KNOWN:
                self._orders.clear()
            order = self._orders[layouts] = self._plan_order(layouts)
        return order

    def _plan_order(self, layouts: tuple[Layout, ...]) -> list[tuple[int, int, int]]:
        named = [(name, _OWN, at) for at, name in enumerate(layouts[0].names)]
        named.append((NUM_NEIGHBORS_FEATURE.encode(), len(layouts), 0))
        for place, layout in enumerate(layouts[1:]):
            named.append((self._names.weight_name(place).encode(), place + 1, 0))
            named += [
                (self._new_name(place, name), place + 1, at)
                for at, name in enumerate(layout.names, start=1)
                if self._features is None or name in self._features
            ]
        named.sort()
        runs: list[tuple[int, int, int]] = []
        previous = None
        for name, source, at in named:
            if name == previous:
                raise name_clash(name.decode())
            previous = name
            if runs and runs[-1][0] == source and runs[-1][2] == at:
                runs[-1] = (source, runs[-1][1], at + 1)
            else:
                runs.append((source, at, at + 1))
        return runs


def pack_example(
    record: bytes, neighbors: Sequence[tuple[float, bytes]], names: GraphNeighborConfig
) -> bytes:
    """Returns a serialized tf.Example with its neighbors' features beside its own.

    Args:
        record: The example, serialized.
        neighbors: Edge weight and serialized features of each neighbor, best first.
        names: How the new features are named.

    Raises:
        ValueError: A record is no tf.Example, the example already has a feature of a new name, or
            two new names are equal.

    Example:
        >>> from nsl_tfx.io.wire import Splitter
        >>> packed = pack_example(b"", [(0.5, b"")], GraphNeighborConfig())
        >>> Splitter().split(packed).arrangement.layout.names
        (b'NL_nbr_0_weight', b'NL_num_nbrs')
    """
    weights = [struct.pack("<f", weight) for weight, _ in neighbors]
    return Packer(names).pack(record, [features for _, features in neighbors], weights)


def project_example(record: bytes, features: Sequence[str]) -> bytes:
    """Returns a serialized tf.Example with only the named features, as far as it has them."""
    return Packer(GraphNeighborConfig(), features).project(record)


def pack_rows(
    packer: Packer,
    records: Sequence[bytes],
    rows: Iterable[int],
    first: NDArray[np.int64],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64] | NDArray[np.float32],
) -> Iterator[bytes]:
    """Yields rows with their neighbors, one at a time.

    Args:
        packer: Writes them.
        records: The examples, serialized.
        rows: Which of `records` are written, in the order of the result.
        first: Where the neighbors of each of `records` begin in `targets`; `[records + 1]`.
        targets: Neighbors as places in `records`, best first.
        weights: Of the edges to them.

    Raises:
        ValueError: As `Packer.pack`.
    """
    bounds = first.tolist()
    places = targets.tolist()
    numbers = weights.astype("<f4").tobytes()
    # An example is met several times, as itself and as a neighbor. How it lies is remembered where
    # many are alike, which costs little beside it, and else found out again.
    known: list[Split | None] = [None] * len(records)

    def split(place: int) -> Split:
        found = packer.split(records[place])
        if found.arrangement.uses >= _USES_TO_KEEP and found.record is records[place]:
            known[place] = found
        return found

    for row in rows:
        begin, end = bounds[row], bounds[row + 1]
        yield packer.join(
            [known[place] or split(place) for place in (row, *places[begin:end])],
            [numbers[4 * edge : 4 * edge + 4] for edge in range(begin, end)],
        )


def name_clash(name: str) -> ValueError:
    """Returns the error that a new feature's name is taken."""
    return ValueError(
        f"Expected no feature named {name!r}, which a neighbor's feature is to be called. "
        "Rename the feature, choose another prefix or suffix in AugmentConfig.neighbors, or do "
        "not augment examples twice."
    )


@functools.lru_cache
def _number_of_neighbors(number: int) -> bytes:
    """Returns the entry of the feature that says how many neighbors an example has."""
    value = b"\x1a" + _sized(b"\x0a" + _sized(encode_varint(number)))
    return entry_header(NUM_NEIGHBORS_FEATURE.encode(), len(value)) + value


def _sized(content: bytes) -> bytes:
    return encode_varint(len(content)) + content
