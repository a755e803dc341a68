"""Decoding of named features, against TensorFlow's own messages."""

import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io.decoding import decode_features

BYTES, INT, FLOAT = schema_pb2.BYTES, schema_pb2.INT, schema_pb2.FLOAT
LISTS = {bytes: "bytes_list", float: "float_list", int: "int64_list"}


def record(**features):
    example = tf.train.Example()
    for name, values in features.items():
        # An empty list of a type is given by the type itself.
        kind = values if isinstance(values, type) else type(values[0])
        feature = getattr(example.features.feature[name], LISTS[kind])
        feature.SetInParent()
        feature.value.extend([] if isinstance(values, type) else values)
    return example.SerializeToString()


def schema_of(**types):
    schema = schema_pb2.Schema()
    for name, kind in types.items():
        schema.feature.add(name=name, type=kind)
    return schema


def decode(records, features, schema=None):
    return decode_features(("file", 7, records), features, schema)


RECORDS = [
    record(id=[b"\xff"], x=[1.5, 2.5], n=[3], other=[1]),
    record(x=float, n=[-1, 2], other=[b"of another type"]),
    record(id=[b""]),
]
SCHEMA = schema_of(n=INT, x=FLOAT, id=BYTES, never=INT)


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_types_and_gaps(schema):
    batch = decode(RECORDS, ["id", "x", "n", "id"], schema)
    assert batch.to_pydict() == {
        "id": [[b"\xff"], None, [b""]],
        "x": [[1.5, 2.5], [], None],
        "n": [[3], [-1, 2], None],
    }
    assert [field.type for field in batch.schema] == [
        pa.large_list(pa.large_binary()),
        pa.large_list(pa.float32()),
        pa.large_list(pa.int64()),
    ]


def test_a_feature_that_no_example_has():
    assert decode(RECORDS, ["never"]).column(0).equals(pa.nulls(3))
    declared = decode(RECORDS, ["never"], SCHEMA).column(0)
    assert (declared.type, declared.null_count) == (pa.large_list(pa.int64()), 3)


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_no_records(schema):
    batch = decode([], ["id", "x"], schema)
    assert (batch.num_rows, batch.schema.names) == (0, ["id", "x"])


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(
        st.lists(st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3), max_size=8),
        st.lists(
            st.none() | st.lists(st.floats(width=32, allow_nan=False), max_size=3), max_size=8
        ),
        st.lists(st.none() | st.lists(st.binary(max_size=5), max_size=3), max_size=8),
    )
)
def test_equals_what_was_written(columns):
    rows = max(map(len, columns))
    columns = [column + [None] * (rows - len(column)) for column in columns]
    kinds = dict(zip("abc", (int, float, bytes), strict=True))
    records = [
        record(
            **{
                name: values or kinds[name]
                for name, values in zip(kinds, row, strict=True)
                if values is not None
            }
        )
        for row in zip(*columns, strict=True)
    ]
    found = decode(records, kinds).to_pydict() if records else {name: [] for name in kinds}
    assert found == dict(zip(kinds, columns, strict=True))


@pytest.mark.parametrize(
    ("records", "features", "schema", "message"),
    [
        (
            [record(id=[b"a"]), b"text"],
            ["id"],
            None,
            r"Expected serialized tf.Examples. Received something else in record 8 \(counted from "
            "0\\) of file",
        ),
        ([b"text"], ["id"], SCHEMA, "something else in record 7"),
        ([record(id=[b"a"]) + b"\xff"], ["id"], SCHEMA, "something else in record 7"),
        (
            [record(), record(n=[1]), record(n=[1.5])],
            ["n"],
            None,
            "Expected integers in the feature 'n', as in record 8 .*"
            "Received: floats in record 9 .* of file",
        ),
        (
            [record(n=[1]), record(n=[b"1"])],
            ["n", "id"],
            SCHEMA,
            "Expected integers in the feature 'n', as the schema declares. Received: bytes in "
            "record 8",
        ),
        ([record(x=[1.0], n=float)], ["x", "n"], SCHEMA, "'n'.*Received: floats in record 7"),
        ([], ["id", "unheard"], SCHEMA, "features of the schema: .*. Received: unheard"),
        ([], ["s"], schema_of(s=schema_pb2.STRUCT), "'s' of type FLOAT.* Received: STRUCT"),
    ],
)
def test_a_fault_is_named(records, features, schema, message):
    with pytest.raises(ValueError, match=message):
        decode(records, features, schema)


@pytest.mark.parametrize("feature", ["id", "x"])
def test_other_features_are_not_looked_at(feature):
    # `other` has two types; only who asks for it needs to know.
    decode(RECORDS, [feature])
    with pytest.raises(ValueError, match=r"'other', as in record 7.*bytes in record 8"):
        decode(RECORDS, [feature, "other"])


def test_a_failure_leaves_nothing_behind():
    # The decoder below keeps the rows that it read before it failed.
    for _ in range(2):
        with pytest.raises(ValueError, match="record 9"):
            decode([*RECORDS[:2], b"text"], ["id"], SCHEMA)
        assert decode(RECORDS[:1], ["id"], SCHEMA).to_pydict() == {"id": [[b"\xff"]]}
