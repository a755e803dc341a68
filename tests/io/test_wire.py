"""The wire format, against the protobuf library, over every way to write an example."""

import random
import warnings

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.graph.joining.packing import Packer, pack_example
from nsl_tfx.io.wire import (
    Splitter,
    encode_varint,
    join_features,
    read_single,
    read_values,
    splitting,
)

NAMES = GraphNeighborConfig(max_neighbors=3)


def field(tag: int, content: bytes, padding: int = 0) -> bytes:
    """A field that has a length, which may be written longer than it has to be."""
    length = encode_varint(len(content))
    if padding:
        length = length[:-1] + bytes([length[-1] | 0x80]) + b"\x80" * (padding - 1) + b"\x00"
    return bytes([tag]) + length + content


FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=4)
INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)
BYTES = st.lists(st.binary(max_size=5), max_size=3)
UNKNOWN = st.sampled_from([b"", b"", b"\x78\x07", field(0x7A, b"?")])


@st.composite
def features(draw) -> bytes:
    """A Feature's bytes, in one of the ways that they may be written."""
    kind = draw(st.sampled_from(["none", "bytes", "floats", "integers", "unpacked", "two lists"]))
    feature = tf.train.Feature()
    if kind == "bytes":
        feature.bytes_list.value.extend(draw(BYTES))
    elif kind == "floats":
        feature.float_list.value.extend(draw(FLOATS))
    elif kind == "integers":
        feature.int64_list.value.extend(draw(INTEGERS))
    elif kind == "unpacked":
        values = draw(st.lists(st.integers(0, 300), max_size=3))
        return field(0x1A, b"".join(b"\x08" + encode_varint(value) for value in values))
    elif kind == "two lists":
        one = field(0x1A, field(0x0A, encode_varint(draw(st.integers(0, 300)))))
        return one + one
    return feature.SerializeToString() + draw(UNKNOWN)


TEXTS = st.sampled_from(["", "a", "id", "weight", "x" * 130, "é", "NL_nbr_0_id", "z"])


@st.composite
def entries(draw) -> bytes:
    """An entry of the map: a name and a value, either of which may be missing or come later."""
    padding = draw(st.sampled_from([0, 0, 0, 1, 3]))
    name = field(0x0A, draw(TEXTS).encode(), padding)
    value = field(0x12, draw(features()))
    parts = draw(
        st.sampled_from(
            [[name, value]] * 6
            + [[value, name], [name], [value], [], [name, value, value], [name, name, value]]
        )
    )
    return field(0x0A, b"".join(parts) + draw(UNKNOWN))


@st.composite
def examples(draw) -> bytes:
    """An Example's bytes, as odd as they may be."""
    groups = draw(st.lists(st.lists(entries(), max_size=4), max_size=2))
    written = [field(0x0A, b"".join(group) + draw(UNKNOWN)) for group in groups]
    return b"".join(written) + draw(UNKNOWN)


def features_of(record: bytes) -> dict[str, bytes]:
    """What an example holds, by name; without what no tf.Example has."""
    result = {}
    for name, feature in tf.train.Example.FromString(record).features.feature.items():
        feature.DiscardUnknownFields()
        result[name] = feature.SerializeToString(deterministic=True)
    return result


def packed_by_protobuf(record, neighbors, names, carried):
    """The definition: every value parsed and written anew."""
    example = tf.train.Example.FromString(record)
    result = example.features.feature
    taken = list(result)
    added = {"NL_num_nbrs": tf.train.Feature()}
    added["NL_num_nbrs"].int64_list.value.append(len(neighbors))
    taken += list(added)
    for index, (weight, neighbor) in enumerate(neighbors):
        name = names.weight_name(index)
        taken.append(name)
        added[name] = tf.train.Feature()
        added[name].float_list.value.append(weight)
        for key, feature in tf.train.Example.FromString(neighbor).features.feature.items():
            if carried is None or key in carried:
                taken.append(names.feature_name(index, key))
                added[names.feature_name(index, key)] = feature
    if len(set(taken)) < len(taken):
        return None
    for name, feature in added.items():
        result[name].CopyFrom(feature)
    return features_of(example.SerializeToString())


@given(
    examples(),
    st.lists(st.tuples(st.floats(width=32, allow_nan=False), examples()), max_size=3),
    st.sampled_from([None, ("a", "id"), ("a", "weight", "é"), ()]),
)
def test_packing_equals_protobuf(record, neighbors, carried):
    expected = packed_by_protobuf(record, neighbors, NAMES, carried)
    packer = Packer(NAMES, carried)
    weights = [np.float32(weight).tobytes() for weight, _ in neighbors]
    data = [neighbor for _, neighbor in neighbors]
    if expected is None:
        with pytest.raises(ValueError, match="Expected no feature named"):
            packer.pack(record, data, weights)
        return
    packed = packer.pack(record, data, weights)
    assert features_of(packed) == expected
    assert packer.pack(record, data, weights) == packed
    # A neighbor may be projected before it is packed.
    assert packer.pack(record, [packer.project(one) for one in data], weights) == packed


@given(st.lists(examples(), min_size=1, max_size=6))
def test_splitting_finds_what_protobuf_finds(records):
    splitter = Splitter()
    for record in [*records, *records]:
        split = splitter.split(record)
        found = {
            header.name.decode(): tf.train.Feature.FromString(split.value(header.name))
            for header, _ in split.arrangement.features
        }
        for feature in found.values():
            feature.DiscardUnknownFields()
        assert {
            name: one.SerializeToString(deterministic=True) for name, one in found.items()
        } == features_of(record)
        # What is canonical stays as it is, and what is equal is canonical in the same bytes.
        assert splitter.split(split.record).record is split.record
        assert list(split.arrangement.layout.names) == sorted(split.arrangement.layout.names)


@given(st.binary(max_size=40))
def test_any_bytes_are_an_example_or_an_error(record):
    try:
        # Protobuf 3.20 warns of some damage, and takes what comes before it.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = features_of(record)
    except (DecodeError, SystemError):
        expected = None
    try:
        split = Splitter().split(record)
        found = features_of(split.record)
    except (ValueError, DecodeError):
        # Values are not read, so a damaged one shows where it is used.
        found = None
    assert found == expected


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05abc", b"\x0a\x80", b"\xff" * 9, b"junk"])
def test_what_is_no_example_is_an_error(data):
    with pytest.raises(ValueError, match=r"a serialized tf\.Example. Received \d+ bytes"):
        Splitter().split(data)


def test_a_name_that_is_no_text_is_an_error():
    with pytest.raises(ValueError, match=r"a serialized tf\.Example"):
        Splitter().split(join_features([(b"\xff", b"")]))


def test_order_of_features_does_not_matter():
    forward = join_features([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])
    backward = join_features([(b"c", b"3"), (b"a", b"1"), (b"b", b"2")])
    splitter = Splitter()
    assert splitter.split(backward).record == splitter.split(forward).record == forward
    neighbors = [(0.5, forward)]
    assert pack_example(backward, neighbors, NAMES) == pack_example(forward, neighbors, NAMES)


def test_equal_sizes_and_names_are_told_apart():
    # All of one size: a layout that is remembered by it must be looked at again.
    records = [
        join_features([(b"a", b"123"), (b"b", b"1")]),
        join_features([(b"a", b"1"), (b"b", b"123")]),
        join_features([(b"c", b"1"), (b"d", b"123")]),
        join_features([(b"abcdefgh", b"123")]),
    ]
    assert len({len(record) for record in records[:3]}) == 1
    splitter = Splitter()
    for record in records * 2:
        split = splitter.split(record)
        assert split.record == record
        assert [split.value(name) for name in split.arrangement.layout.names] == [
            Splitter().split(record).value(name) for name in split.arrangement.layout.names
        ]
    assert splitter.split(records[1]).value(b"b") == b"123"


def test_many_that_are_alike_are_packed_as_few(monkeypatch):
    rng = random.Random(0)
    names = [b"a", b"b", b"c", b"d"]
    records = []
    for number in range(300):
        pairs = [(name, bytes([number % 256]) * 3) for name in names]
        rng.shuffle(pairs)
        records.append(join_features(pairs))
    splitter, packer = Splitter(), Packer(NAMES)
    for number, record in enumerate(records):
        assert splitter.split(record).record == Splitter().split(record).record
        neighbors = [(0.5, records[number - 1]), (0.25, records[number - 2])]
        weights = [np.float32(weight).tobytes() for weight, _ in neighbors]
        packed = packer.pack(record, [one for _, one in neighbors], weights)
        assert packed == pack_example(record, neighbors, NAMES)
    assert len(splitter._recent[len(records[0])]) == splitting._MAX_OF_SIZE


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(splitting, "_MAX_KNOWN", 8)
    splitter = Splitter()
    for size in range(100):
        record = join_features([(b"%d" % size, bytes(size))])
        assert splitter.split(record).value(b"%d" % size) == bytes(size)
    known = [one for one in vars(splitter).values() if isinstance(one, dict)]
    assert all(len(one) <= 8 for one in known)
    assert len(known) == 3


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 16380, 16384, 70000])
def test_lengths_of_any_size(size):
    record = join_features([(b"x", field(0x0A, field(0x0A, bytes(size))))])
    assert read_single(Splitter().split(record).value(b"x")) == bytes(size)
    packed = pack_example(record, [(1.0, record)] * 2, NAMES)
    feature = tf.train.Example.FromString(packed).features.feature["NL_nbr_1_x"]
    assert feature.bytes_list.value[0] == bytes(size)


def feature(**values) -> bytes:
    result = tf.train.Feature()
    for kind, given_values in values.items():
        getattr(result, f"{kind}_list").value.extend(given_values)
    return result.SerializeToString()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", None),
        (feature(bytes=[]), None),
        (feature(bytes=[b""]), b""),
        (feature(bytes=[b"\xff\x00"]), b"\xff\x00"),
        (feature(bytes=[b"x" * 200]), b"x" * 200),
        (feature(int64=[-7]), b"-7"),
        (feature(int64=[2**62]), b"4611686018427387904"),
        (b"\x1a\x02\x08\x05", b"5"),
    ],
)
def test_single_values(value, expected):
    assert read_single(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (feature(bytes=[b"a", b"b"]), "at most one value. Received: 2"),
        (feature(float=[0.5]), r"Received: 0.5 \(a float\)"),
        (b"\x0a\x05abc", "They are damaged"),
    ],
)
def test_what_is_no_single_value(value, message):
    with pytest.raises(ValueError, match=message):
        read_single(value)


@given(BYTES)
def test_values_are_read(values):
    assert read_values(feature(bytes=values)) == values
