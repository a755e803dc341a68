"""The Schema of examples that carry their neighbors."""

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import AugmentConfig, GraphNeighborConfig
from nsl_tfx.graph.joining.packing import pack_example, project_example
from nsl_tfx.graph.joining.schema import augment_schema, carried_features
from nsl_tfx.io import parsing_spec
from tests.tf_examples import make_example

NAMES = GraphNeighborConfig(max_neighbors=2)


SCHEMA = text_format.Parse(
    """
    feature {
      name: "id" type: BYTES presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }
      unique_constraints { min: 5 }
    }
    feature {
      name: "x" type: FLOAT presence { min_fraction: 1 min_count: 1 }
      shape { dim { size: 2 } dim { size: 3 } }
      float_domain { min: 0 max: 1 }
      drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
    }
    feature { name: "y" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
    feature { name: "words" type: BYTES domain: "vocabulary" }
    string_domain { name: "vocabulary" value: "a" }
    default_environment: "TRAINING"
    """,
    schema_pb2.Schema(),
)


def by_name(schema) -> dict[str, schema_pb2.Feature]:
    return {feature.name: feature for feature in schema.feature}


def test_schema_keeps_what_it_had():
    augmented = augment_schema(SCHEMA, AugmentConfig())
    assert list(augmented.feature[:4]) == list(SCHEMA.feature)
    assert augmented.string_domain == SCHEMA.string_domain
    assert augmented.default_environment == SCHEMA.default_environment


@pytest.mark.parametrize(
    ("features", "carried"),
    [(None, ["id", "x", "y", "words"]), (("x",), ["x"]), ((), [])],
)
@pytest.mark.parametrize("count", [1, 2])
def test_schema_names_every_new_feature(features, carried, count):
    config = AugmentConfig(features=features, neighbors=NAMES.replace(max_neighbors=count))
    new = [feature.name for feature in augment_schema(SCHEMA, config).feature[4:]]
    assert carried_features(SCHEMA, config) == tuple(carried)
    assert new == [
        "NL_num_nbrs",
        *(f"NL_nbr_{i}_{name}" for i in range(count) for name in ["weight", *carried]),
    ]


def test_neighbors_features_are_optional_copies():
    features = by_name(augment_schema(SCHEMA, AugmentConfig()))
    assert features["NL_nbr_0_x"] == text_format.Parse(
        """
        name: "NL_nbr_0_x" type: FLOAT value_count { min: 6 max: 6 }
        float_domain { min: 0 max: 1 }
        """,
        schema_pb2.Feature(),
    )
    assert features["NL_nbr_2_id"] == text_format.Parse(
        'name: "NL_nbr_2_id" type: BYTES value_count { min: 1 max: 1 }', schema_pb2.Feature()
    )
    assert features["NL_nbr_1_words"] == text_format.Parse(
        'name: "NL_nbr_1_words" type: BYTES domain: "vocabulary"', schema_pb2.Feature()
    )
    assert features["NL_num_nbrs"].presence.min_fraction == 1


def test_packed_examples_parse_with_the_schema_and_gaps_are_zero():
    config = AugmentConfig(features=("x", "id"), neighbors=NAMES)
    spec = parsing_spec(augment_schema(SCHEMA, config))
    seed = make_example(id=[b"s"], x=[0.0] * 6, y=[1])
    neighbor = project_example(make_example(id=[b"n"], x=[0.5] * 6, y=[1]), config.features)
    records = [pack_example(seed, [(0.75, neighbor)], NAMES), pack_example(seed, [], NAMES)]
    parsed = tf.io.parse_example(records, spec)
    assert parsed["NL_num_nbrs"].numpy().tolist() == [[1], [0]]
    assert parsed["NL_nbr_0_weight"].numpy().tolist() == [[0.75], [0.0]]
    assert parsed["NL_nbr_0_x"].numpy().tolist() == [[0.5] * 6, [0.0] * 6]
    assert parsed["NL_nbr_0_id"].numpy().tolist() == [[b"n"], [b""]]
    assert parsed["NL_nbr_1_weight"].numpy().tolist() == [[0.0], [0.0]]


def test_schema_config_mismatch():
    with pytest.raises(ValueError, match=r"features of the schema: id, x, y, words.*: z\."):
        augment_schema(SCHEMA, AugmentConfig(features=("x", "z")))


@pytest.mark.parametrize("name", ["NL_num_nbrs", "NL_nbr_0_weight", "NL_nbr_1_x"])
def test_schema_refuses_a_clash(name):
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    schema.feature.add(name=name, type=schema_pb2.FLOAT)
    with pytest.raises(ValueError, match=f"no feature named '{name}'"):
        augment_schema(schema, AugmentConfig(features=("x",)))


def test_schema_refuses_a_carried_feature_named_like_the_weight():
    schema = schema_pb2.Schema()
    schema.feature.add(name="weight", type=schema_pb2.FLOAT)
    with pytest.raises(ValueError, match="no feature named 'NL_nbr_0_weight'"):
        augment_schema(schema, AugmentConfig())
