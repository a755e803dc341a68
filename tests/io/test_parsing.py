import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import io

SCHEMA = text_format.Parse(
    """
    feature { name: "image" type: FLOAT presence { min_fraction: 1.0 }
              shape { dim { size: 2 } dim { size: 2 } } }
    feature { name: "label" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
    feature { name: "score" type: FLOAT value_count { min: 2 max: 2 } }
    feature { name: "words" type: BYTES value_count { min: 1 } }
    feature { name: "other" type: STRUCT }
    """,
    schema_pb2.Schema(),
)


def parse(names, **features):
    example = tf.train.Example()
    for name, values in features.items():
        if isinstance(values[0], float):
            example.features.feature[name].float_list.value.extend(values)
        elif isinstance(values[0], int):
            example.features.feature[name].int64_list.value.extend(values)
        else:
            example.features.feature[name].bytes_list.value.extend(values)
    spec = io.parsing_spec(SCHEMA, names, missing={"label": -1})
    return tf.io.parse_example([example.SerializeToString()], spec)


def test_a_shape_gives_a_dense_feature():
    assert parse(["image"], image=[1.0, 2.0, 3.0, 4.0])["image"].numpy().tolist() == [
        [[1.0, 2.0], [3.0, 4.0]]
    ]


def test_a_required_feature_has_no_filler():
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        parse(["image"], label=[1])


def test_gaps_are_filled():
    found = parse(["label", "score"])
    assert found["label"].numpy().tolist() == [[-1]]
    assert found["score"].numpy().tolist() == [[0.0, 0.0]]


def test_a_varying_number_of_values_stays_sparse():
    assert parse(["words"], words=[b"a", b"b"])["words"].values.numpy().tolist() == [b"a", b"b"]


def test_all_features_by_default():
    schema = schema_pb2.Schema(feature=SCHEMA.feature[:4])
    assert set(io.parsing_spec(schema)) == {"image", "label", "score", "words"}


@pytest.mark.parametrize(
    ("names", "message"),
    [(["image", "nothing"], "Received: nothing"), (["other"], "Received: STRUCT")],
)
def test_a_mistake_is_named(names, message):
    with pytest.raises(ValueError, match=message):
        io.parsing_spec(SCHEMA, names)


def test_read_schema_takes_a_file_or_its_folder(tmp_path):
    (tmp_path / "schema.pbtxt").write_text(text_format.MessageToString(SCHEMA))
    assert io.read_schema(str(tmp_path)) == SCHEMA
    assert io.read_schema(str(tmp_path / "schema.pbtxt")) == SCHEMA
