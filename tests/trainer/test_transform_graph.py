"""What Transform learned, in training and in what is served; Transform runs once, without TFX."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.trainer import TransformGraph, export_model, make_example_spec
from tests.trainer.conftest import serialize

pytestmark = pytest.mark.slow

MEAN, DEVIATION = 4.5, np.std(np.arange(10))


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    # Looked up first, or it is Keras 2 from here on.
    assert tf.keras.__name__
    import apache_beam as beam
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import (
        dataset_metadata,
        metadata_io,
        schema_utils,
    )

    spec = {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "word": tf.io.FixedLenFeature([], tf.string),
        "tags": tf.io.VarLenFeature(tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))

    def preprocess(inputs):
        ones = tf.ones_like(inputs["tags"].values, tf.float32)
        tags = tf.SparseTensor(inputs["tags"].indices, ones, inputs["tags"].dense_shape)
        return {
            "x": tft.scale_to_z_score(inputs["x"]),
            "word_id": tft.compute_and_apply_vocabulary(inputs["word"], vocab_filename="words"),
            "tag_count": tf.reshape(tf.sparse.reduce_sum(tags, axis=1), [-1, 1]),
            "label": inputs["label"],
        }

    rows = [
        {"x": [float(i), float(i)], "word": "aab"[i % 3], "tags": ["t"] * (i % 3), "label": i % 2}
        for i in range(10)
    ]
    folder = tmp_path_factory.mktemp("transform")
    path = str(folder / "graph")
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(str(folder / "temp")):
        data = (pipeline | beam.Create(rows)), metadata
        _, learned = data | tft_beam.AnalyzeAndTransformDataset(preprocess)
        learned | tft_beam.WriteTransformFn(path)
    metadata_io.write_metadata(metadata, f"{path}/metadata")
    return TransformGraph(path)


@pytest.mark.parametrize(
    ("features", "raw"),
    [
        (["x"], {"x"}),
        (["word_id"], {"word"}),
        (["tag_count"], {"tags"}),
        (["word_id", "x"], {"word", "x"}),
        (["label"], {"label"}),
    ],
)
def test_only_what_a_feature_is_made_of_is_asked_for(graph, features, raw):
    assert set(graph.raw_spec(features)) == raw


def test_an_unknown_feature_is_named(graph):
    with pytest.raises(ValueError, match=r"label, tag_count, word_id, x\. Received: words"):
        graph.raw_spec(["words"])


def test_vocabularies_are_known(graph):
    assert graph.output.vocabulary_size_by_name("words") == 2


RECORDS = [
    serialize({"x": [9.0, 0.0], "word": b"a", "label": [1]}),
    serialize({"x": [4.5, 4.5], "word": b"b", "label": [0]}),
]
UNLABELLED = [
    serialize({"x": [9.0, 0.0], "word": b"a"}),
    serialize({"x": [4.5, 4.5], "word": b"b"}),
]


@pytest.fixture
def config(config):
    return config.replace(graph=None, features=("x", "word_id"))


def make_model():
    import keras

    x, word = keras.Input((2,), name="x"), keras.Input((), name="word_id", dtype="int64")
    one_hot = keras.layers.CategoryEncoding(2, output_mode="one_hot")(word)
    return keras.Model([x, word], keras.layers.Dense(3)(keras.layers.Concatenate()([x, one_hot])))


def test_raw_examples_are_transformed_where_they_are_served(graph, config, tmp_path):
    model = make_model()
    spec = make_example_spec(config, None, graph)
    export_model(model, str(tmp_path), spec, config, graph)
    loaded = tf.saved_model.load(str(tmp_path))
    x = np.float32([[9, 0], [4.5, 4.5]])
    expected = model([(x - MEAN) / DEVIATION, np.array([0, 1])])
    for records in (RECORDS, UNLABELLED):
        found = loaded.signatures["serving_default"](examples=tf.constant(records))
        np.testing.assert_allclose(found["probabilities"], tf.nn.softmax(expected), rtol=1e-4)
    scaled = tf.constant((x - MEAN) / DEVIATION, tf.float32)
    words = tf.constant([0, 1], tf.int64)
    found = loaded.signatures["raw_features"](x=scaled, word_id=words)
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-4)


def test_labels_are_transformed_for_evaluation(graph, config, tmp_path):
    export_model(make_model(), str(tmp_path), make_example_spec(config, None, graph), config, graph)
    loaded = tf.saved_model.load(str(tmp_path))
    found = loaded.signatures["transform_features"](examples=tf.constant(RECORDS))
    assert set(found) == {"x", "word_id", "tag_count", "label"}
    assert found["label"].numpy().tolist() == [1, 0]
    np.testing.assert_allclose(found["x"][1], [0, 0], atol=1e-6)


def test_tables_are_found_by_a_session(graph, config, tmp_path):
    """As Beam's bulk inference loads a model."""
    export_model(make_model(), str(tmp_path), make_example_spec(config, None, graph), config, graph)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(tmp_path))
        signature = loaded.signature_def["serving_default"]
        found = session.run(
            signature.outputs["probabilities"].name,
            {signature.inputs["examples"].name: RECORDS},
        )
    assert found.shape == (2, 3)
