"""What makes the contents of two tf.Examples equal, against the protobuf library."""

import itertools

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.graph.identifying.content import Content, ContentReader
from nsl_tfx.graph.identifying.identity import digest_content


def field(number, content):
    """A field with a length, of fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def example(*entries):
    """A tf.Example written by hand, with its features in the given order."""
    return field(1, b"".join(field(1, field(1, name) + field(2, value)) for name, value in entries))


ONE, TWO = b"\x00\x00\x80\x3f", b"\x00\x00\x00\x40"
PACKED = field(2, field(1, ONE + TWO))
UNPACKED = field(2, b"\x0d" + ONE + b"\x0d" + TWO)
MIXED = field(2, b"\x0d" + ONE + field(1, TWO))
INT = field(3, field(1, b"\x07"))
LONG_INT = field(3, field(1, b"\x87\x80\x00"))  # 7, in more bytes than it takes
UNPACKED_INT = field(3, b"\x08\x07")
TEXT = field(1, field(1, b"me"))
UNKNOWN = field(9, b"?")
EQUAL = [
    example((b"x", PACKED), (b"n", INT)),
    example((b"n", INT), (b"x", PACKED)),
    example((b"x", UNPACKED), (b"n", UNPACKED_INT)),
    example((b"x", MIXED), (b"n", LONG_INT)),
    example((b"x", PACKED), (b"n", INT), (b"id", TEXT)),
    example((b"x", PACKED), (b"n", INT), (b"id", INT)),
    example((b"x", PACKED), (b"n", INT), (b"nothing", b"")),
    example((b"x", PACKED), (b"n", INT)) + UNKNOWN,
    example((b"x", PACKED + UNKNOWN), (b"n", INT)),
    example((b"x", TEXT), (b"n", INT), (b"x", PACKED)),  # the last of a name holds
    example((b"x", PACKED)) + example((b"n", INT)),
]
DIFFERENT = [
    *EQUAL[:1],
    b"",
    example((b"x", PACKED)),
    example((b"y", PACKED), (b"n", INT)),
    example((b"x", field(2, field(1, TWO + ONE))), (b"n", INT)),
    example((b"x", PACKED), (b"n", field(2, field(1, b"\x00\x00\xe0\x40")))),  # 7.0
    example((b"x", PACKED), (b"n", field(1, field(1, b"7")))),
    example((b"x", PACKED), (b"n", field(3, b""))),  # no integers
    example((b"x", PACKED), (b"n", field(2, b""))),  # no floats
    example((b"a", field(1, field(1, b"bc")))),
    example((b"ab", field(1, field(1, b"c")))),
    example((b"a", field(1, field(1, b"b") + field(1, b"c")))),
    example((b"a", field(2, field(1, b"\x00\x00\x00\x00")))),  # 0.0
    example((b"a", field(2, field(1, b"\x00\x00\x00\x80")))),  # -0.0
    example((b"a", field(2, field(1, b"\x00\x00\xc0\x7f")))),  # a NaN
    example((b"a", field(2, field(1, b"\x01\x00\xc0\x7f")))),  # another NaN
    example((b"", TEXT)),
    example(("ä".encode(), TEXT)),
]


def digest(record):
    return digest_content(ContentReader("id").read(record))


@pytest.mark.parametrize("record", EQUAL)
def test_equal_content_has_one_digest(record):
    assert digest(record) == digest(EQUAL[0])


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(DIFFERENT, 2)])
def test_other_content_has_another_digest(one, other):
    assert digest(one) != digest(other)


def test_the_digest_is_the_same_everywhere():
    # Pinned, because graphs refer to these ids: whatever changes them makes graphs worthless.
    assert digest(EQUAL[0]).hex() == "a48eba23d31690642da30f02a874a975"
    names = (b"", b"a", b"aa", b"ab", b"abc", b"b")
    several = example(*((name, TEXT) for name in names))
    assert digest(several).hex() == "528e688a8adb3f78a1c6409e86639e1e"
    assert digest(b"\n\x00").hex() == digest(b"").hex() == "0ac5132dd4c3914420ae033ea0d7c3e4"


@pytest.mark.parametrize("record", EQUAL)
@pytest.mark.parametrize("name", ["", "a", "id", "o", "z"])
def test_writing_an_id_changes_nothing_else_and_is_canonical(record, name):
    reader = ContentReader(name)
    expected = tf.train.Example.FromString(EQUAL[0])
    expected.features.feature[name].bytes_list.value.append(b"\xff1")
    if name != "id" and "id" in tf.train.Example.FromString(record).features.feature:
        expected.features.feature["id"].CopyFrom(
            tf.train.Example.FromString(record).features.feature["id"]
        )
    content = reader.read(record)
    written = reader.write(content, b"\xff1")
    assert tf.train.Example.FromString(written) == expected
    assert written[2:] == serialize_features(expected)
    assert reader.read(written) == content._replace(identity=field(1, field(1, b"\xff1")))


def serialize_features(example):
    """One feature at a time, in ascending order: versions of protobuf have orders of their own."""
    parts = []
    for name in sorted(example.features.feature, key=str.encode):
        single = tf.train.Features()
        single.feature[name].CopyFrom(example.features.feature[name])
        parts.append(single.SerializeToString(deterministic=True))
    return b"".join(parts)


def by_protobuf(record, id_feature):
    """The definition: the features as the protobuf library writes them, and the id."""
    example = tf.train.Example.FromString(record)
    identity = None
    if id_feature in example.features.feature:
        identity = example.features.feature[id_feature].SerializeToString(deterministic=True)
        del example.features.feature[id_feature]
    return serialize_features(example), identity


VALUES = {
    "bytes_list": st.binary(max_size=300),
    "float_list": st.floats(width=32),
    "int64_list": st.integers(-(2**63), 2**63 - 1),
}
FEATURES = st.dictionaries(
    st.sampled_from(["a", "b", "id", "x" * 200, "\N{SNOWMAN}", ""]),
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(VALUES[kind], max_size=40))
    ),
)


def serialize(features, order):
    """An example whose features come in an order that protobuf may choose."""
    parts = []
    for name in order:
        kind, values = features[name]
        example = tf.train.Example()
        feature = getattr(example.features.feature[name], kind)
        feature.SetInParent()
        feature.value.extend(values)
        parts.append(example.features.SerializeToString())
    features = b"".join(parts)
    example = tf.train.Example(features=tf.train.Features.FromString(b""))
    header = example.SerializeToString()[:1] or b"\x0a"
    length = bytearray()
    rest = len(features)
    while rest >= 128:
        length.append(rest & 127 | 128)
        rest >>= 7
    return header + bytes([*length, rest]) + features


@settings(deadline=None)
@given(FEATURES, st.randoms(use_true_random=False))
def test_equals_what_protobuf_writes(features, random):
    order = sorted(features)
    random.shuffle(order)
    record = serialize(features, order)
    content, identity = by_protobuf(record, "id")
    found = ContentReader("id").read(record)
    assert found.before + found.after == content
    assert found.identity == identity
    assert found == ContentReader("id").read(serialize(features, sorted(features)))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=12), st.sampled_from([1, 2, 3]))
def test_any_value_equals_what_protobuf_reads_of_it(payload, kind):
    value = field(kind, field(1, payload))
    record = example((b"x", value))
    try:
        feature = tf.train.Feature()
        whole = feature.MergeFromString(value) == len(value)
    except Exception:
        whole = False
    if not whole:
        with pytest.raises(ValueError, match=r"a serialized tf\.Example"):
            ContentReader("id").read(record)
        return
    feature.DiscardUnknownFields()
    expected = feature.SerializeToString(deterministic=True)
    assert ContentReader("x").read(record).identity == expected


@pytest.mark.parametrize(
    "record",
    [
        b"text",
        b"ab",
        EQUAL[0] + b"text",
        EQUAL[0][:-1],
        example((b"\xff", TEXT)),
        example((b"x", b"text")),
        example((b"x", field(2, field(1, b"\x00\x00\x00")))),  # no whole float
        example((b"x", field(3, field(1, b"\x80")))),  # no whole integer
    ],
)
def test_what_is_no_example(record):
    with pytest.raises(ValueError, match=r"a serialized tf\.Example. Received something else"):
        ContentReader("id").read(record)


def test_one_reader_for_all_kinds_of_records():
    reader = ContentReader("id")
    for _ in range(2):
        for record in [*EQUAL, *DIFFERENT]:
            assert reader.read(record) == ContentReader("id").read(record)


def test_no_features():
    assert ContentReader("id").read(b"\n\x00") == Content(b"", b"", None)
