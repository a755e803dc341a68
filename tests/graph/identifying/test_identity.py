"""Ids of tf.Examples: how they are read and made, and what the Schema says of them."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import IdentifyConfig
from nsl_tfx.graph.identifying.content import Content
from nsl_tfx.graph.identifying.identity import identify_schema, make_id, read_id, undo_id


def field(number, content):
    """A field with a length, of fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (field(1, field(1, b"me")), b"me"),
        (field(1, field(1, b"\xff\x00")), b"\xff\x00"),
        (field(1, field(1, b"x" * 125)), b"x" * 125),
        (field(3, field(1, b"\x07")), 7),
        (field(3, field(1, b"\x00")), 0),
        (field(3, field(1, b"\xff" * 9 + b"\x01")), -1),
        (None, None),
        (field(1, b""), None),
        (field(1, field(1, b"")), None),
        (field(2, b""), None),
        (field(3, b""), None),
    ],
)
def test_reads_an_id(value, identity):
    assert read_id(Content(b"", b"", value), "key") == identity


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (field(3, field(1, b"\x07\x07")), "one value in the id's feature 'id'.*: 2"),
        (
            field(1, field(1, b"") + field(1, b"")),
            "one value in the id's feature 'id'.*: 2",
        ),
        (field(2, field(1, b"\x00\x00\x80\x3f")), "bytes or an integer.*Received: 1.0"),
    ],
)
def test_what_is_no_id(value, message):
    with pytest.raises(ValueError, match=message):
        read_id(Content(b"", b"", value), "id")


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
