"""The programs in docs/training.md."""

import re
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx import configs, io
from nsl_tfx.trainer.model_fn import ModelContext
from tests.trainer.conftest import serialize

TEXT = (Path(__file__).parents[2] / "docs/training.md").read_text()
PIXELS = 64
NEIGHBORS = 3


def block_with(words):
    (found,) = [
        block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if words in block
    ]
    return found


def write_images(folder, seed):
    rng = np.random.default_rng(seed)

    def row(number):
        image = rng.random(PIXELS)
        neighbors = {
            f"NL_nbr_{i}_{name}": values
            for i in range(NEIGHBORS)
            for name, values in (("image", image), ("weight", np.ones(1)))
        }
        return {"image": image, "label": [number % 10], **neighbors}

    path = str(folder / f"{seed}.tfrecord.gz")
    io.write_records(path, [serialize(row(number)) for number in range(80)])
    return path


def image_schema():
    schema = schema_pb2.Schema()
    names = [("image", PIXELS), ("label", 1)]
    for i in range(NEIGHBORS):
        names += [(f"NL_nbr_{i}_image", PIXELS), (f"NL_nbr_{i}_weight", 1)]
    for name, size in names:
        kind = schema_pb2.INT if name == "label" else schema_pb2.FLOAT
        schema.feature.add(name=name, type=kind).shape.dim.add(size=size)
    return text_format.MessageToString(schema)


@pytest.mark.slow
def test_a_run_fn_of_ones_own_trains_and_exports(tmp_path):
    (tmp_path / "schema.pbtxt").write_text(image_schema())
    names = {}
    exec(block_with("def run_fn"), names)
    names["run_fn"](
        types.SimpleNamespace(
            train_files=[write_images(tmp_path, 0)],
            eval_files=[write_images(tmp_path, 1)],
            schema_path=str(tmp_path / "schema.pbtxt"),
            transform_graph_path=None,
            train_steps=2,
            serving_model_dir=str(tmp_path / "serving"),
        )
    )
    loaded = tf.saved_model.load(str(tmp_path / "serving"))
    found = loaded.signatures["serving_default"](
        examples=tf.constant([serialize({"image": np.zeros(PIXELS)})])
    )
    assert found["probabilities"].shape == (1, 10)


def test_a_model_fn_takes_its_inputs_from_the_schema():
    names = {}
    exec(block_with("def make_model"), names)
    config = configs.TrainerConfig(model_fn="a.b", features=("image",), model_options={"width": 7})
    context = ModelContext({"image": tf.io.FixedLenFeature([PIXELS], tf.float32)})
    model = names["make_model"](config, context)
    assert [layer.output.shape[-1] for layer in model.layers] == [PIXELS, 7, 10]
