import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import configs, io

SCHEMA = """
feature { name: "id" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 3 } } }
feature { name: "label" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "NL_nbr_0_x" type: FLOAT value_count { min: 3 max: 3 } }
feature { name: "NL_nbr_0_weight" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "words" type: BYTES value_count { min: 1 } }
"""


@pytest.fixture(scope="session")
def schema():
    return text_format.Parse(SCHEMA, schema_pb2.Schema())


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Forty examples of three classes: every second has a label, every third a neighbor."""
    path = str(tmp_path_factory.mktemp("examples") / "train.tfrecord.gz")
    rng = np.random.default_rng(0)
    records = []
    for row in range(40):
        x = rng.normal(size=3)
        example = tf.train.Example()
        feature = example.features.feature
        feature["id"].bytes_list.value.append(b"%d" % row)
        feature["x"].float_list.value.extend(x)
        if row % 2 == 0:
            feature["label"].int64_list.value.append(int(np.argmax(x)))
        if row % 3 == 0:
            feature["NL_nbr_0_x"].float_list.value.extend(x + 0.1)
            feature["NL_nbr_0_weight"].float_list.value.append(0.5)
        records.append(example.SerializeToString())
    io.write_records(path, records)
    return path


@pytest.fixture
def config():
    return configs.TrainerConfig(
        model_fn="tests.trainer.models.make_model",
        features=("x",),
        batch_size=10,
        learning_rate=0.05,
        graph=configs.make_graph_reg_config(max_neighbors=1, multiplier=0.1, sum_over_axis=-1),
        adversarial=configs.make_adv_reg_config(adv_step_size=0.05),
    )
