import types

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import Task, make_graph_reg_config
from nsl_tfx.trainer import make_example_spec
from nsl_tfx.trainer.example_spec import parse_examples

TWO_NEIGHBORS = make_graph_reg_config(max_neighbors=2)


def test_names_what_training_and_validation_read(config, schema):
    spec = make_example_spec(config.replace(weight_feature="importance"), schema)
    own = {"x", "label", "importance"}
    assert set(spec.validation) == own
    assert set(spec.training) == own | {"NL_nbr_0_x", "NL_nbr_0_weight"}
    assert spec.features["x"].shape == [3]


def test_neighbors_may_carry_some_features_alone(config, schema):
    config = config.replace(features=("x", "size"), neighbor_features=("x",))
    spec = make_example_spec(config, schema)
    assert set(spec.neighbors) == {"NL_nbr_0_x", "NL_nbr_0_weight"}


@pytest.mark.parametrize(
    ("task", "label", "missing"),
    [
        (Task.CLASSIFICATION, "label", -1),
        (Task.BINARY, "yes", -1),
        (Task.BINARY, "height", np.nan),
        (Task.REGRESSION, "label", np.iinfo(np.int64).min),
        (Task.REGRESSION, "height", np.nan),
    ],
)
def test_a_missing_label_is_none_that_there_can_be(config, schema, task, label, missing):
    spec = make_example_spec(config.replace(task=task, label_feature=label), schema)
    np.testing.assert_equal(spec.missing_label, missing)
    np.testing.assert_equal(spec.label[label].default_value, missing)


def serialized(value):
    """An example with a label, without one, or with an empty list of them."""
    example = tf.train.Example()
    if value is not None:
        example.features.feature["label"].int64_list.value.extend(value)
        example.features.feature["label"].int64_list.SetInParent()
    return example.SerializeToString()


# A blank in a CSV file becomes an empty list, and SchemaGen then infers no shape.
BLANKS = [
    "presence { min_fraction: 1.0 }",
    "value_count { max: 1 }",
    "value_count { min: 1 max: 1 }",
]


@pytest.mark.parametrize("blanks", BLANKS)
@pytest.mark.parametrize("rows", [[[2], [], None], [[], None]])
def test_labels_may_be_blank(config, blanks, rows):
    schema = text_format.Parse(
        'feature { name: "x" type: FLOAT shape { dim { size: 3 } } }'
        f'feature {{ name: "label" type: INT {blanks} }}',
        schema_pb2.Schema(),
    )
    spec = make_example_spec(config.replace(graph=None), schema)
    found = parse_examples(tf.constant([serialized(row) for row in rows]), spec.label)["label"]
    np.testing.assert_array_equal(found, [row or [-1] for row in rows])
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most one value of 'label'"):
        parse_examples(tf.constant([serialized([1, 2])]), spec.label)


def transform_graph(text):
    return types.SimpleNamespace(schema=text_format.Parse(text, schema_pb2.Schema()))


TRANSFORMED = """
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 5 } } }
feature { name: "label" type: INT presence { min_fraction: 1.0 } shape {} }
"""


def test_transformed_features_are_what_transform_says(config, schema):
    """A raw feature may have the name of a transformed one."""
    spec = make_example_spec(config, schema, transform_graph(TRANSFORMED))
    assert spec.features["x"].shape == [5]
    assert set(spec.neighbors) == {"NL_nbr_0_x", "NL_nbr_0_weight"}


def test_transform_needs_no_other_schema(config):
    spec = make_example_spec(config.replace(graph=None), None, transform_graph(TRANSFORMED))
    assert spec.label["label"].shape == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ("x", "y")}, "Received: y"),
        ({"label_feature": "class"}, "Received: class"),
        ({"weight_feature": "w"}, "Received: w"),
        ({"graph": TWO_NEIGHBORS}, "without NL_nbr_1_weight, NL_nbr_1_x. Give Trainer .* of a Nei"),
        ({"features": ("x", "size")}, "without NL_nbr_0_size"),
        ({"features": ("words",), "graph": None}, "gives none for: words"),
        ({"label_feature": "height"}, "to hold integers.*says FLOAT"),
        ({"label_feature": "id"}, "says BYTES. Encode labels"),
        ({"label_feature": "id", "task": "regression"}, "to hold numbers.*says BYTES"),
        ({"label_feature": "both"}, r"one label an example.*shape \[2\].*to 'binary'"),
    ],
)
def test_a_schema_that_does_not_fit_is_named(schema, config, changes, message):
    with pytest.raises(ValueError, match=message):
        make_example_spec(config.replace(**changes), schema)


def test_a_path_is_no_schema(config):
    with pytest.raises(TypeError, match=r"read_schema\(path\).*'schema.pbtxt'"):
        make_example_spec(config, "schema.pbtxt")


def test_no_schema_is_named(config):
    with pytest.raises(ValueError, match=r"Expected Trainer\(schema=\.\.\.\)"):
        make_example_spec(config, None)
