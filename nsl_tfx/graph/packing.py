"""Neighbors written into serialized tf.Examples."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, GraphNeighborConfig
from nsl_tfx.graph.wire import (
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
# Where the pieces of a packed example come from, in an order of them: its own features, its number
# of neighbors, and then, in turn, a neighbor's features and the weight of the edge to it.
_OWN, _NUMBER, _FIRST_NEIGHBOR = 0, 1, 2


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
        # By the layouts of an example and its neighbors: source, first and last of its features.
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
        split = self._splitter.split
        own = split(record)
        others = [split(neighbor) for neighbor in neighbors]
        while len(self._headers) < len(others):
            self._add_place()
        parts: list[bytes] = []
        append = parts.append
        for source, first, last in self._order((own.layout, *[one.layout for one in others])):
            if source >= _FIRST_NEIGHBOR:
                place, is_weight = divmod(source - _FIRST_NEIGHBOR, 2)
                if is_weight:
                    append(self._weight_headers[place])
                    append(weights[place])
                    continue
                neighbor, features, _ = others[place]
                headers = self._headers[place]
                for header, begin in features[first:last]:
                    text = headers.get(header)
                    append(self._new_header(place, header) if text is None else text)
                    append(neighbor[begin : begin + header.size])
            elif source == _OWN:
                append(_slice(own, first, last))
            else:
                append(_number_of_neighbors(len(others)))
        return frame_features(parts)

    def project(self, record: bytes) -> bytes:
        """Returns a serialized tf.Example with only the features of it that are carried.

        Raises:
            ValueError: The record is no tf.Example.
        """
        split = self._splitter.split(record)
        if self._features is None:
            return split.record
        carried = enumerate(split.layout.names)
        return frame_features(
            [_slice(split, at, at + 1) for at, name in carried if name in self._features]
        )

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
        """Returns the runs of features, each of one source, in which all names ascend."""
        order = self._orders.get(layouts)
        if order is None:
            if len(self._orders) >= _MAX_KNOWN:
                self._orders.clear()
            order = self._orders[layouts] = self._plan_order(layouts)
        return order

    def _plan_order(self, layouts: tuple[Layout, ...]) -> list[tuple[int, int, int]]:
        named = [(name, _OWN, at) for at, name in enumerate(layouts[0].names)]
        named.append((NUM_NEIGHBORS_FEATURE.encode(), _NUMBER, 0))
        for place, layout in enumerate(layouts[1:]):
            source = _FIRST_NEIGHBOR + 2 * place
            named.append((self._names.weight_name(place).encode(), source + 1, 0))
            named += [
                (self._new_name(place, name), source, at)
                for at, name in enumerate(layout.names)
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
        >>> from nsl_tfx.graph.wire import Splitter
        >>> packed = pack_example(b"", [(0.5, b"")], GraphNeighborConfig())
        >>> Splitter().split(packed).layout.names
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
    for row in rows:
        begin, end = bounds[row], bounds[row + 1]
        yield packer.pack(
            records[row],
            [records[place] for place in places[begin:end]],
            [numbers[4 * edge : 4 * edge + 4] for edge in range(begin, end)],
        )


def name_clash(name: str) -> ValueError:
    """Returns the error that a new feature's name is taken."""
    return ValueError(
        f"Expected no feature named {name!r}, which a neighbor's feature is to be called. "
        "Rename the feature, choose another prefix or suffix in AugmentConfig.neighbors, or do "
        "not augment examples twice."
    )


def _slice(split: Split, first: int, last: int) -> bytes:
    """Returns the entries of consecutive features."""
    header, begin = split.features[first]
    last_header, last_begin = split.features[last - 1]
    return split.record[begin - header.width : last_begin + last_header.size]


@functools.lru_cache
def _number_of_neighbors(number: int) -> bytes:
    """Returns the entry of the feature that says how many neighbors an example has."""
    value = b"\x1a" + _sized(b"\x0a" + _sized(encode_varint(number)))
    return entry_header(NUM_NEIGHBORS_FEATURE.encode(), len(value)) + value


def _sized(content: bytes) -> bytes:
    return encode_varint(len(content)) + content
