"""Ids of tf.Examples: what makes two contents equal, and what an id looks like."""

import itertools

import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import IdentifyConfig
from nsl_tfx.graph.identity import (
    digest_content,
    identify_schema,
    make_id,
    parse_example,
    read_id,
    undo_id,
    write_id,
)


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
    return digest_content(parse_example(record), "id")


@pytest.mark.parametrize("record", EQUAL)
def test_equal_content_has_one_digest(record):
    assert digest(record) == digest(EQUAL[0])


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(DIFFERENT, 2)])
def test_other_content_has_another_digest(one, other):
    assert digest(one) != digest(other)


def test_the_digest_is_the_same_everywhere():
    # Pinned, because graphs refer to these ids: whatever changes them makes graphs worthless.
    assert digest(EQUAL[0]).hex() == "a48eba23d31690642da30f02a874a975"
    assert digest(b"\n\x00").hex() == digest(b"").hex() == "0ac5132dd4c3914420ae033ea0d7c3e4"


@pytest.mark.parametrize("record", EQUAL)
def test_writing_an_id_changes_nothing_else_and_is_canonical(record):
    parsed = parse_example(record)
    expected = tf.train.Example.FromString(EQUAL[0])
    expected.features.feature["id"].bytes_list.value.append(b"\xff1")
    assert write_id(parsed, "id", b"\xff1") == expected.SerializeToString(deterministic=True)
    assert digest(write_id(parsed, "id", b"\xff1")) == digest(record)


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (TEXT, b"me"),
        (field(1, field(1, b"\xff\x00")), b"\xff\x00"),
        (INT, 7),
        (field(3, field(1, b"\x00")), 0),
        (field(3, field(1, b"\xff" * 9 + b"\x01")), -1),
        (b"", None),
        (field(1, b""), None),
        (field(1, field(1, b"")), None),
        (field(3, b""), None),
    ],
)
def test_reads_an_id(value, identity):
    assert read_id(parse_example(example((b"x", PACKED), (b"key", value))), "key") == identity


def test_reading_an_absent_id_does_not_make_one():
    parsed = parse_example(EQUAL[0])
    assert read_id(parsed, "id") is None
    assert "id" not in parsed.features.feature


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (example((b"id", PACKED)), "at most one value in the id's feature 'id'. Received: 2"),
        (example((b"id", field(2, field(1, ONE)))), "bytes or an integer.*Received: floats"),
        (b"ab", "a serialized tf.Example. Received something else"),
        (EQUAL[0] + b"text", "a serialized tf.Example. Received something else"),
        (b"text", "a serialized tf.Example. Received something else"),
        (example((b"\xff", TEXT)), "a serialized tf.Example. Received something else"),
    ],
)
def test_what_is_no_id(record, message):
    with pytest.raises(ValueError, match=message):
        read_id(parse_example(record), "id")


@given(st.text(max_size=5), st.binary(min_size=16, max_size=16), st.integers(0, 10**18 - 1))
def test_an_id_tells_what_it_was_made_of(prefix, content, number):
    assert undo_id(prefix, make_id(prefix, content, number)) == (content, number)


@pytest.mark.parametrize(
    "identity",
    [
        b"",
        b"A" * 32,
        b"\xff" * 32,
        b"x" + b"0" * 32,
        *(b"0" * count for count in (31, 33)),
        *(
            b"0" * 32 + end
            for end in (b"-", b"-0", b"-01", b"-a", b"-" + b"1" * 19, b"\n", b"-1\n")
        ),
    ],
)
def test_other_ids_were_not_made_here(identity):
    assert undo_id("", identity) is None


SCHEMA = """
feature { name: "x" type: FLOAT }
feature {
  name: "key" type: BYTES domain: "names" presence { min_count: 1 }
  unique_constraints { min: 3 max: 3 } in_environment: "serving" annotation { tag: "t" }
}
feature { name: "n" type: INT }
feature { name: "s" type: STRUCT }
string_domain { name: "names" value: "a" }
"""
DESCRIBED = """
  name: "{}" type: {} presence {{ min_fraction: 1 min_count: 1 }} shape {{ dim {{ size: 1 }} }}
"""


@pytest.mark.parametrize(
    ("feature", "existing", "kind", "more"),
    [
        ("id", "keep", "BYTES", ""),
        ("key", "keep", "BYTES", 'in_environment: "serving" annotation { tag: "t" }'),
        ("key", "replace", "BYTES", 'in_environment: "serving" annotation { tag: "t" }'),
        ("n", "keep", "INT", ""),
        ("n", "replace", "BYTES", ""),
        ("x", "replace", "BYTES", ""),
    ],
)
def test_the_schema_says_that_every_example_has_an_id(feature, existing, kind, more):
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    before = schema.SerializeToString()
    result = identify_schema(schema, IdentifyConfig(id_feature=feature, existing=existing))
    assert schema.SerializeToString() == before
    found = {one.name: one for one in result.feature}
    expected = text_format.Parse(DESCRIBED.format(feature, kind) + more, schema_pb2.Feature())
    assert found.pop(feature) == expected
    assert found == {one.name: one for one in schema.feature if one.name != feature}


@pytest.mark.parametrize(("feature", "kind"), [("x", "FLOAT"), ("s", "STRUCT")])
def test_a_schema_whose_feature_holds_no_id(feature, kind):
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    with pytest.raises(ValueError, match=f"'{feature}' of type BYTES or INT .*Received: {kind}"):
        identify_schema(schema, IdentifyConfig(id_feature=feature))
