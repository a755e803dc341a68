import types

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import configs, io, trainer

SCHEMA = """
feature { name: "id" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 3 } } }
feature { name: "size" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "label" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "yes" type: INT value_count { min: 1 max: 1 } }
feature { name: "both" type: INT value_count { min: 2 max: 2 } }
feature { name: "height" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "importance" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "NL_nbr_0_x" type: FLOAT value_count { min: 3 max: 3 } }
feature { name: "NL_nbr_0_weight" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "words" type: BYTES value_count { min: 1 } }
"""
ROWS = 40


@pytest.fixture(scope="session")
def schema():
    return text_format.Parse(SCHEMA, schema_pb2.Schema())


def make_row(number, x):
    """Every second example has labels, every third a neighbor, every fourth a weight."""
    row = {"id": b"%d" % number, "x": x, "size": x[:1]}
    if number % 2 == 0:
        row |= {
            "label": [int(np.argmax(x))],
            "yes": [int(x[0] > 0)],
            "both": [int(x[0] > 0), int(x[1] > 0)],
            "height": x[:1],
        }
    if number % 3 == 0:
        row |= {"NL_nbr_0_x": x + 0.1, "NL_nbr_0_weight": [0.5]}
    if number % 4 == 0:
        row["importance"] = [2.0]
    return row


def serialize(row):
    example = tf.train.Example()
    for name, values in row.items():
        feature = example.features.feature[name]
        if isinstance(values, bytes):
            feature.bytes_list.value.append(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return example.SerializeToString()


def write_rows(path, seed, rows=ROWS, make=make_row):
    rng = np.random.default_rng(seed)
    io.write_records(path, [serialize(make(i, rng.normal(size=3))) for i in range(rows)])
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="session")
def files(folder):
    """Forty examples of three classes to train on."""
    return write_rows(str(folder / "train.tfrecord.gz"), seed=0)


@pytest.fixture(scope="session")
def eval_files(folder):
    return write_rows(str(folder / "eval.tfrecord.gz"), seed=1)


@pytest.fixture(scope="session")
def config():
    return configs.TrainerConfig(
        model_fn="tests.trainer.models.make_model",
        features=("x",),
        batch_size=10,
        learning_rate=0.05,
        graph=configs.make_graph_reg_config(max_neighbors=1, multiplier=0.1, sum_over_axis=-1),
        adversarial=configs.make_adv_reg_config(adv_step_size=0.05),
    )


@pytest.fixture
def data(files, eval_files, schema):
    return trainer.TrainingData([files], [eval_files], schema)


@pytest.fixture
def fn_args(tmp_path, files, eval_files, schema, config):
    """What TFX hands to a `run_fn`, without TFX."""
    (tmp_path / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    return types.SimpleNamespace(
        schema_path=str(tmp_path / "schema.pbtxt"),
        transform_graph_path=None,
        train_files=[files],
        eval_files=[eval_files],
        train_steps=60,
        eval_steps=None,
        base_model=None,
        hyperparameters=None,
        custom_config=trainer.custom_config(config),
        serving_model_dir=str(tmp_path / "1" / "serving"),
        model_run_dir=str(tmp_path / "run" / "1"),
    )
