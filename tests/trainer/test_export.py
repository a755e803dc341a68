import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.trainer import export_model, make_example_spec, make_regularized_model
from tests.trainer.models import make_model, make_sum


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs["x"])


def make_sequential():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(3)])


def make_subclassed():
    model = Subclassed()
    model({"x": tf.zeros([1, 3])})
    return model


MODELS = {
    "functional": lambda: make_model(None),
    "sequential": make_sequential,
    "subclassed": make_subclassed,
}
ROWS = np.float32([[1, 2, 3], [-1, 0, 1]])


@pytest.fixture(params=MODELS)
def exported(request, tmp_path, schema, config):
    keras.utils.set_random_seed(0)
    model = MODELS[request.param]()
    path = str(tmp_path / "model")
    export_model(model, path, make_example_spec(config, schema), config)
    logits = model({"x": ROWS} if request.param == "subclassed" else ROWS)
    loaded = tf.saved_model.load(path)
    yield request.param, loaded.signatures, logits
    del loaded  # Until here: the signatures hold its variables weakly.


def serialized(rows):
    examples = []
    for row in rows:
        example = tf.train.Example()
        example.features.feature["x"].float_list.value.extend(row)
        # A client may send what the model does not read.
        example.features.feature["id"].bytes_list.value.append(b"7")
        examples.append(example.SerializeToString())
    return tf.constant(examples)


def test_serving_takes_examples(exported):
    _, signatures, logits = exported
    found = signatures["serving_default"](examples=serialized(ROWS))
    assert list(found) == ["probabilities"]
    np.testing.assert_allclose(found["probabilities"], tf.nn.softmax(logits), rtol=1e-5)


def test_gradients_flow_through_the_raw_features(exported):
    _, signatures, logits = exported
    x = tf.constant(ROWS)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = signatures["raw_features"](x=x)
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-5)
    assert np.any(tape.gradient(found["logits"], x) != 0)


def test_embeddings_are_what_the_last_layer_gets(exported):
    kind, signatures, _ = exported
    found = signatures["raw_features"](x=tf.constant(ROWS))
    width = {"functional": 4, "sequential": 2}.get(kind)
    assert ("embeddings" in found) == (width is not None)
    if width:
        assert found["embeddings"].shape == (2, width)


def test_nothing_of_training_is_left(exported):
    _, signatures, _ = exported
    for signature in signatures.values():
        names = [operation.name for operation in signature.graph.get_operations()]
        names += list(signature.structured_input_signature[1])
        assert not [name for name in names if "NL_nbr" in name or "adversarial" in name.lower()]


@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_of_the_library_is_left(tmp_path, schema, config, wrapped):
    path = tmp_path / "model"
    model = make_model(None)
    expected = {variable.path for variable in model.variables}
    if wrapped:
        model = make_regularized_model(model, config)
        model.optimizer.build(model.trainable_variables)
    export_model(model, str(path), make_example_spec(config, schema), config)
    assert len(tf.saved_model.load(str(path)).variables) == len(expected)
    for file in path.rglob("*.pb"):
        assert b"nsl_tfx" not in file.read_bytes()


@pytest.mark.parametrize(
    ("task", "label", "raw", "served", "activation"),
    [
        ("binary", "both", "logits", "probabilities", tf.sigmoid),
        ("regression", "both", "predictions", "predictions", tf.identity),
    ],
)
def test_other_tasks_serve_what_they_say(
    tmp_path, schema, config, task, label, raw, served, activation
):
    config = config.replace(task=task, label_feature=label)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    export_model(model, str(tmp_path), make_example_spec(config, schema), config)
    signatures = (loaded := tf.saved_model.load(str(tmp_path))).signatures
    found = signatures["serving_default"](examples=serialized(ROWS))
    assert list(found) == [served]
    np.testing.assert_allclose(found[served], activation(model(ROWS)), rtol=1e-5)
    assert set(signatures["raw_features"](x=tf.constant(ROWS))) == {raw, "embeddings"}
    del loaded


def test_the_embedding_is_the_layer_that_the_config_names(tmp_path, schema, config):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(2, name="wanted"),
            keras.layers.Dense(5),
            keras.layers.Dense(3),
        ]
    )
    config = config.replace(embedding="wanted")
    spec = make_example_spec(config, schema)
    export_model(model, str(tmp_path / "model"), spec, config)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    found = loaded.signatures["raw_features"](x=tf.constant(ROWS))
    np.testing.assert_allclose(found["embeddings"], model.layers[0](ROWS), rtol=1e-5)
    with pytest.raises(ValueError, match=r"wanted.* Received: 'other'"):
        export_model(model, str(tmp_path / "no"), spec, config.replace(embedding="other"))
    assert not (tmp_path / "no").exists()


def test_several_inputs_of_the_last_layer_are_no_embedding(tmp_path, schema, config):
    spec = make_example_spec(config, schema)
    export_model(make_sum(None), str(tmp_path), spec, config)
    loaded = tf.saved_model.load(str(tmp_path))
    assert set(loaded.signatures["raw_features"](x=tf.constant(ROWS))) == {"logits"}


def test_half_precision_serves_float32(tmp_path, schema, config):
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, dtype=policy)])
    export_model(model, str(tmp_path), make_example_spec(config, schema), config)
    loaded = tf.saved_model.load(str(tmp_path))
    for found in (
        loaded.signatures["serving_default"](examples=serialized(ROWS)),
        loaded.signatures["raw_features"](x=tf.constant(ROWS)),
    ):
        assert {value.dtype for value in found.values()} == {tf.float32}
